//! The table of checks, one function each. A check says what is well in one line, and what is ill in one line each.

use super::firewall::{holds, marks, names, names_port};
use super::host::{Host, Interface};
use super::namespace::Namespace;
use super::{Level, Said, ill, well};
use api::{InterfaceStatus, ReachView, ServerView, ServiceView};
use model::{ForwardingMethod, Lane};
use std::collections::BTreeSet;
use std::net::IpAddr;

type Check = fn(&Host) -> Vec<Said>;

/// By name, in the order in which they are shown.
pub(super) const ALL: [(&str, Check); 15] = [
    ("kernel", kernel),
    ("others", others),
    ("daemon", daemon),
    ("interface", interfaces),
    ("xdp", programs),
    ("lane", lanes),
    ("offload", offloads),
    ("checksum", checksums),
    ("mtu", sizes),
    ("vip", virtual_addresses),
    ("server", servers),
    ("subnet", subnets),
    ("forwarding", forwarding),
    ("filter", reverse_path),
    ("firewall", firewall),
];

/// Most rules of a firewall that are shown.
const MOST_RULES: usize = 10;
/// Names of our programs.
const OURS: [&str; 2] = ["entry", "tc_entry"];

fn kernel(host: &Host) -> Vec<Said> {
    let mut numbers = host.kernel.split(|letter: char| !letter.is_ascii_digit()).map(|part| part.parse::<u32>().ok());
    let version = numbers.next().flatten().zip(numbers.next().flatten());
    let said = match version {
        None => ill(Level::Warn, "its version cannot be read", "Linux 6.1 or newer is needed", "uname -r"),
        Some(version) if version < (6, 1) => ill(
            Level::Fail,
            format!("Linux {}", host.kernel),
            "programs use helpers that came with 6.1",
            "install Linux 6.1 or newer",
        ),
        Some(_) => well(format!("Linux {}", host.kernel)),
    };
    let types = (!host.has_type_information).then(|| {
        ill(
            Level::Warn,
            "has no type information (/sys/kernel/btf/vmlinux)",
            "tools such as bpftool show less of the maps",
            "use a kernel with CONFIG_DEBUG_INFO_BTF",
        )
    });
    std::iter::once(said).chain(types).collect()
}

fn others(host: &Host) -> Vec<Said> {
    let why = "two balancers on one host answer for the same addresses";
    let found = host.others.iter().map(|other| ill(Level::Fail, other.clone(), why, "stop it first"));
    or_well(found.collect(), "nobody else balances here")
}

fn daemon(host: &Host) -> Vec<Said> {
    let elsewhere = match &host.namespace {
        Namespace::Ours => None,
        Namespace::Entered { daemon } => Some(well(format!(
            "works in another network namespace (process {daemon}): it is that one which is looked at"
        ))),
        Namespace::Closed { error, daemon } => Some(ill(
            Level::Fail,
            format!("works in another network namespace (process {daemon}), which cannot be entered: {error}"),
            "interfaces, addresses and settings are those of this namespace, which the daemon does not see",
            format!("nsenter --net=/proc/{daemon}/ns/net xlvs doctor"),
        )),
    };
    elsewhere.into_iter().chain(known_daemon(host)).collect()
}

fn known_daemon(host: &Host) -> Vec<Said> {
    match &host.daemon {
        Err(error) => {
            let why = "services, servers and lanes are known to the daemon only: they were not looked at";
            vec![ill(Level::Warn, error.clone(), why, "xlvs run")]
        }
        Ok((status, _)) if status.interfaces.is_empty() => {
            let what = format!("xlvs {} is attached to no interface", status.version);
            vec![ill(Level::Fail, what, "no packet reaches it", "xlvs attach IF")]
        }
        Ok((status, _)) => vec![well(format!("xlvs {}, generation {}", status.version, status.generation))],
    }
}

fn interfaces(host: &Host) -> Vec<Said> {
    let said = host.interfaces.iter().map(|(name, interface)| match interface {
        None => ill(Level::Fail, format!("{name} does not exist"), "nothing can be attached to it", "ip link"),
        Some(it) if !it.up => {
            let fix = format!("ip link set {name} up");
            ill(Level::Fail, format!("{name} is down"), "nothing comes in by it", fix)
        }
        Some(it) => well(format!("{name} is up, {}, mtu {}", kind(it), it.mtu)),
    });
    said.collect()
}

fn kind(interface: &Interface) -> &str {
    if interface.kind.is_empty() { "a card" } else { &interface.kind }
}

fn there(host: &Host) -> impl Iterator<Item = (&String, &Interface)> {
    host.interfaces.iter().filter_map(|(name, interface)| Some((name, interface.as_ref()?)))
}

fn programs(host: &Host) -> Vec<Said> {
    let foreign = there(host).filter_map(|(name, interface)| {
        let program = interface.program.as_ref().filter(|program| !OURS.contains(&program.as_str()))?;
        Some(ill(
            Level::Fail,
            format!("{name} runs the XDP program {program} of somebody else"),
            "an interface has one XDP program at a time: xlvs is refused there",
            format!("ip link set {name} xdp off, or xlvs attach {name} --force"),
        ))
    });
    or_well(foreign.collect(), "no XDP program of somebody else")
}

fn lanes(host: &Host) -> Vec<Said> {
    const STACKED: [&str; 5] = ["bridge", "vlan", "bond", "macvlan", "ipvlan"];
    let why = "frames come there by the tc lane, which costs several times as much a packet";
    let slow =
        there(host).filter(|(_, interface)| STACKED.contains(&interface.kind.as_str())).map(|(name, interface)| {
            let what = format!("{name} is a {}: it has no native XDP", interface.kind);
            ill(Level::Warn, what, why, "attach to the interfaces below it where that is possible")
        });
    let status = host.daemon.iter().flat_map(|(status, _)| &status.interfaces);
    let told = status.map(|interface| well(format!("{} by {}", interface.name, interface.lane)));
    let ways = host.daemon.iter().flat_map(|(status, _)| &status.lossy);
    let lossy = ways.map(|way| {
        let what = format!("{}: {}", way.interface, way.what);
        ill(Level::Fail, what, "servers or clients there do not get their packets", way.fix.clone())
    });
    let said: Vec<_> = slow.chain(lossy).chain(told).collect();
    or_well(said, "every interface may have native XDP")
}

fn offloads(host: &Host) -> Vec<Said> {
    let on = |interface: &Interface, name: &str| interface.features.get(name).copied().unwrap_or(false);
    let mut said = Vec::new();
    for (name, interface) in there(host) {
        if interface.features.is_empty() {
            let what = format!("{name}: its offloads cannot be read");
            said.push(ill(Level::Warn, what, "some of them lose packets beside XDP", "apt-get install ethtool"));
        }
        if on(interface, "large-receive-offload") {
            said.push(ill(
                Level::Fail,
                format!("{name} joins packets in hardware (LRO)"),
                "joined packets cannot be sent on: they are larger than the way, and lost",
                format!("ethtool -K {name} lro off"),
            ));
        }
    }
    or_well(said, "nothing that loses packets")
}

fn checksums(host: &Host) -> Vec<Said> {
    let interfaces = host.daemon.iter().flat_map(|(status, _)| &status.interfaces);
    let said = interfaces.filter(|interface| interface.recent_partial_checksums > 0).map(|interface| {
        let InterfaceStatus { name, lane, recent_partial_checksums: count, .. } = interface;
        let what = format!("{name} has had {count} frames with an unfinished checksum in the last minute");
        if *lane == Lane::Tc {
            return well(format!("{what}; whoever sends them on from lane tc finishes it"));
        }
        ill(
            Level::Fail,
            what,
            "their sender leaves checksums to hardware that is not there; XDP sends them on as they are, and receivers drop them",
            format!("on the sender's side: ethtool -K DEV tx off; or xlvs attach {name} --lane tc"),
        )
    });
    or_well(said.collect(), "no frames with an unfinished checksum")
}

/// Every MTU there is.
fn widths(host: &Host) -> BTreeSet<u64> {
    there(host).filter(|(_, interface)| interface.up).map(|(_, interface)| interface.mtu).collect()
}

fn sizes(host: &Host) -> Vec<Said> {
    if widths(host).len() < 2 {
        return vec![well("the same on all interfaces")];
    }
    let up = there(host).filter(|(_, interface)| interface.up);
    let told: Vec<_> = up.map(|(name, interface)| format!("{name} {}", interface.mtu)).collect();
    let why = "packets that came in by a larger one do not fit; senders are told, if they listen";
    vec![ill(Level::Warn, format!("differs: {}", told.join(", ")), why, "ip link set IF mtu …")]
}

fn listing(host: &Host) -> impl Iterator<Item = &ServiceView> {
    host.daemon.iter().flat_map(|(_, listing)| &listing.services)
}

fn all_servers(host: &Host) -> impl Iterator<Item = (&ServiceView, &ServerView)> {
    listing(host).flat_map(|view| view.servers.iter().map(move |server| (view, server)))
}

fn virtual_addresses(host: &Host) -> Vec<Said> {
    let mut seen = BTreeSet::new();
    let mut said = Vec::new();
    for view in listing(host).filter(|view| !view.service.options.any) {
        let Some(address) = view.service.key.endpoint().map(|endpoint| endpoint.ip()) else { continue };
        if !seen.insert(address) {
            continue;
        }
        let places: Vec<_> = host.addresses.iter().filter(|(known, ..)| *known == address).collect();
        let length = if address.is_ipv4() { 32 } else { 128 };
        let why = "a virtual address is forwarded only by the node that has it on an interface other than lo";
        if places.is_empty() {
            let fix = format!("ip address add {address}/{length} dev IF, or any = true for the service");
            said.push(ill(Level::Fail, format!("{address} is not on this node"), why, fix));
        } else if places.iter().all(|(_, _, interface)| interface == "lo") {
            let fix = format!("ip address del {address}/{length} dev lo; ip address add {address}/{length} dev IF");
            said.push(ill(Level::Fail, format!("{address} is on lo only, as on a real server"), why, fix));
        }
    }
    let count = seen.len();
    or_well(said, &format!("{count} virtual addresses, each on this node or any = true"))
}

fn servers(host: &Host) -> Vec<Said> {
    let lost = all_servers(host).filter(|(_, server)| server.reach == ReachView::Unresolved).map(|(view, server)| {
        let endpoint = server.server.endpoint;
        let because = server.obstacle.as_ref().map(|it| format!(": {}", it.what)).unwrap_or_default();
        let look = || format!("ip route get {0}; ip neigh show; ping {0}", endpoint.ip());
        ill(
            Level::Fail,
            format!("{endpoint} of {} is not reached{because}", view.service.key),
            "it gets no new connections until then",
            server.obstacle.as_ref().and_then(|it| it.fix.clone()).unwrap_or_else(look),
        )
    });
    or_well(lost.collect(), "all are reached")
}

/// A NAT server answers a client of its own network directly, past the director.
fn subnets(host: &Host) -> Vec<Said> {
    let networks: Vec<_> = host.addresses.iter().filter(|(address, ..)| !address.is_loopback()).collect();
    let mut said = Vec::new();
    let mut seen = BTreeSet::new();
    for (view, server) in all_servers(host).filter(|(_, server)| server.server.method == ForwardingMethod::Nat) {
        let (Some(service), rip) = (view.service.key.endpoint(), server.server.endpoint.ip()) else { continue };
        let inside = |address: IpAddr| {
            networks.iter().any(|(own, bits, _)| {
                let bits = u32::from(*bits);
                bits < if own.is_ipv4() { 31 } else { 127 } && holds(*own, bits, rip) && holds(*own, bits, address)
            })
        };
        if inside(service.ip()) && seen.insert((service.ip(), rip)) {
            said.push(ill(
                Level::Warn,
                format!("{rip} (NAT) and {} are in one network", service.ip()),
                "clients of that network are answered by the server itself, from an address they have not asked",
                "use direct routing (-g) for them, or put the servers into a network of their own",
            ));
        }
    }
    or_well(said, "no NAT server in the network of its clients, as far as can be seen")
}

fn forwarding(host: &Host) -> Vec<Said> {
    let methods: BTreeSet<bool> = all_servers(host).map(|(_, server)| server.server.method.replies_here()).collect();
    let routes = host.sysctl("ipv4/ip_forward") == Some("1");
    let mut said = Vec::new();
    if methods.contains(&true) && !routes && widths(host).len() > 1 {
        said.push(ill(
            Level::Warn,
            "this host does not route IPv4 (ip_forward is 0), and its interfaces differ in MTU",
            "balanced packets do not need it; but a server whose answers are larger than the way to the client hears of it only from a kernel that routes",
            "sysctl -w net.ipv4.ip_forward=1",
        ));
    }
    if methods.contains(&false) && routes {
        let towards = all_servers(host).filter(|(_, server)| !server.server.method.replies_here());
        let ways = towards.filter_map(|(_, server)| match &server.reach {
            ReachView::Via { interface, .. } => Some(interface.clone()),
            _ => None,
        });
        let closed = |name: &String| {
            let value = |place: &str| host.sysctl(&format!("ipv4/conf/{place}/accept_local")) == Some("1");
            !value("all") && !value(name)
        };
        let ways: BTreeSet<String> = ways.collect();
        said.extend(ways.into_iter().filter(closed).map(|name| {
            ill(
                Level::Warn,
                format!("{name}: accept_local is 0"),
                "answers of direct routing that pass this host as their router come from one of its own addresses, and are dropped",
                format!("sysctl -w net.ipv4.conf.{name}.accept_local=1, if servers answer through this host"),
            )
        }));
    }
    let well = match (routes, methods.contains(&true)) {
        (true, _) => "this host routes",
        (false, false) => "this host does not route, and need not",
        (false, true) => {
            "this host does not route: balanced packets need not, what servers send on their own account does"
        }
    };
    or_well(said, well)
}

fn reverse_path(host: &Host) -> Vec<Said> {
    let value =
        |place: &str| host.sysctl(&format!("ipv4/conf/{place}/rp_filter")).and_then(|value| value.parse::<u8>().ok());
    let all = value("all").unwrap_or_default();
    let strict =
        there(host).filter(|(name, _)| all.max(value(name).unwrap_or_default()) == 1 && host.interfaces.len() > 1);
    let said = strict.map(|(name, _)| {
        ill(
            Level::Warn,
            format!("{name} takes packets only from where it would answer to (rp_filter is 1)"),
            "balanced packets are not concerned; what is left to the kernel is dropped where answers take another way",
            format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2"),
        )
    });
    or_well(said.collect(), "no strict reverse path filter")
}

fn firewall(host: &Host) -> Vec<Said> {
    let services: Vec<_> = listing(host).filter_map(|view| view.service.key.endpoint()).collect();
    let reals = all_servers(host).map(|(_, server)| server.server.endpoint);
    let endpoints: Vec<_> = services.iter().copied().chain(reals).collect();
    let addresses: Vec<IpAddr> = endpoints.iter().map(|endpoint| endpoint.ip()).collect();
    let ports: Vec<u16> = endpoints.iter().map(|endpoint| endpoint.port()).filter(|port| *port != 0).collect();
    let mut said: Vec<Said> = Vec::new();
    for rule in &host.rules {
        if marks(rule) {
            let why = "packets get their mark after XDP has balanced them: services of firewall marks match nothing";
            said.push(ill(
                Level::Warn,
                format!("marks packets: {rule}"),
                why,
                "name addresses and ports in the service",
            ));
        } else if names(rule, &addresses) || names_port(rule, &ports) {
            let why = "XDP comes before the firewall: the rule does not see balanced packets, neither to allow nor to drop them";
            let fix = "keep it for what is left to the kernel; block unwanted clients before the director";
            said.push(ill(Level::Warn, format!("names what is balanced: {rule}"), why, fix));
        }
    }
    let more = said.len().saturating_sub(MOST_RULES);
    said.truncate(MOST_RULES);
    if more > 0 {
        said.push(ill(Level::Warn, format!("and {more} more rules of these kinds"), "", ""));
    }
    or_well(said, "no rule names what is balanced")
}

fn or_well(said: Vec<Said>, what: &str) -> Vec<Said> {
    if said.is_empty() { vec![well(what)] } else { said }
}
