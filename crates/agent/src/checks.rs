//! The table of checks, one function each: what would make this host a bad real server, and the command that mends it.

mod directors;

use crate::host::Host;
use crate::network::{LOOPBACK, Link, LocalAddress};
use crate::want::{ARP_ANNOUNCE, ARP_IGNORE};
use dataplane::AgentHook;
use model::{Finding, Level, Said, ServerMode};
use std::net::IpAddr;

type Check = fn(&Host) -> Vec<Said>;

/// By name, in the order in which they are shown.
const ALL: [(&str, Check); 10] = [
    ("vip", virtual_addresses),
    ("arp", arp),
    ("route", routes),
    ("gateway", directors::gateways),
    ("rp_filter", reverse_path),
    ("programs", programs),
    ("tunnel", tunnels),
    ("director", directors::directors),
    ("mtu", sizes),
    ("answers", answers),
];

/// All of them.
pub(crate) fn examine(host: &Host) -> Vec<Finding> {
    ALL.iter().flat_map(|(check, look)| look(host).into_iter().map(|said| said.by(check))).collect()
}

/// How to look from where `up` was: by network namespace alone, which leaves mounts as they are.
const SEEN: &str = "nsenter --net=/run/netns/NAME xlvs real-server status (not ip netns exec)";
/// `arp_ignore`: no request is answered, not even for the host's own addresses.
const ARP_IGNORE_ALL: u32 = 8;

fn virtual_addresses(host: &Host) -> Vec<Said> {
    let said = |address: &IpAddr| {
        let mut places = host.addresses.iter().filter(|it| it.address == *address);
        if let Some(found) = places.clone().find(|it| it.interface != LOOPBACK) {
            let name = host.links.get(&found.interface).map_or("another interface", |link| link.name.as_str());
            let fix = format!("ip address del {address}/{} dev {name}", found.length);
            return Said::ill(Level::Fail, format!("{address} is on {name}"), "every request for it is answered", fix);
        }
        if !places.any(|it| it.interface == LOOPBACK) {
            let why = "packets of the director are for nobody here";
            return Said::ill(Level::Fail, format!("{address} is not on lo"), why, host.setup.command());
        }
        Said::well(format!("{address} is on lo"))
    };
    host.setup.virtual_addresses.iter().map(said).collect()
}

fn arp(host: &Host) -> Vec<Said> {
    if !host.serves(false) {
        return Vec::new();
    }
    let mut said = Vec::new();
    for (_, link) in host.entrances() {
        let (ignore, announce) = (host.effective(&link.name, "arp_ignore"), host.effective(&link.name, "arp_announce"));
        if ignore == ARP_IGNORE_ALL {
            let why = "nobody finds this host's own addresses either, the director included";
            said.push(Said::ill(
                Level::Warn,
                format!("{} answers no ARP request at all", link.name),
                why,
                silence(host, &link.name, "arp_ignore", ARP_IGNORE),
            ));
        } else if !ARP_IGNORE.contains(&ignore) {
            let what = format!("{} answers ARP requests for the virtual addresses (arp_ignore is {ignore})", link.name);
            let fix = silence(host, &link.name, "arp_ignore", ARP_IGNORE);
            said.push(Said::ill(Level::Fail, what, "clients would pass the director by", fix));
        }
        if !ARP_ANNOUNCE.contains(&announce) {
            let what = format!(
                "{} names virtual addresses in ARP requests of its own (arp_announce is {announce})",
                link.name
            );
            let fix = silence(host, &link.name, "arp_announce", ARP_ANNOUNCE);
            said.push(Said::ill(Level::Fail, what, "neighbours learn the wrong owner", fix));
        }
    }
    if said.is_empty() {
        said.push(Said::well("nobody is told of the virtual addresses"));
    }
    said
}

/// `up` sets `all`, and `down` takes that back. The kernel goes by the larger value: one that is too large on the
/// interface has to be lowered there.
fn silence(host: &Host, interface: &str, name: &str, good: &[u32]) -> String {
    let best = good.first().copied().unwrap_or_default();
    let (all, own) = (host.setting("all", name), host.setting(interface, name));
    let is_good = |value: u32| good.contains(&value);
    if !is_good(all) && is_good(own.max(best)) {
        return host.setup.command();
    }
    let everywhere =
        if all > best && !is_good(all) { format!(" net.ipv4.conf.all.{name}={best}") } else { String::new() };
    format!("sysctl -w net.ipv4.conf.{}.{name}={best}{everywhere}", dotted(interface))
}

/// A name in which sysctl(8) takes no dot for a separator.
fn dotted(name: &str) -> String {
    name.replace('.', "/")
}

fn routes(host: &Host) -> Vec<Said> {
    // The kernel routes what is on lo; where nothing is, that is what to mend.
    let on_lo = |address: &IpAddr| host.addresses.iter().find(|it| it.address == *address && it.interface == LOOPBACK);
    let lost = |found: &&LocalAddress| !host.routes.get(&found.address).is_some_and(|route| route.local);
    let mut said: Vec<Said> = host
        .setup
        .virtual_addresses
        .iter()
        .filter_map(on_lo)
        .filter(lost)
        .map(|LocalAddress { address, length, .. }| {
            // A route that is added by hand would outlive the address.
            let place = format!("{address}/{length} dev lo");
            let fix = format!("ip address del {place} && ip address add {place}");
            Said::ill(
                Level::Fail,
                format!("{address} is not routed to this host"),
                "its packets are not delivered",
                fix,
            )
        })
        .collect();
    for (outward, (ipv6, family)) in host.outward.iter().zip([(false, "IPv4"), (true, "IPv6")]) {
        if host.is_asked(ipv6) && outward.is_none() {
            let what = format!("there is no default route for {family}");
            let why = "answers go to clients on this host's own networks only";
            let option = if ipv6 { " -6" } else { "" };
            said.push(Said::ill(Level::Warn, what, why, format!("ip{option} route add default via ROUTER")));
        }
    }
    let mut addresses = host.setup.virtual_addresses.iter().peekable();
    if said.is_empty() && addresses.peek().is_some() && addresses.all(|address| on_lo(address).is_some()) {
        said.push(Said::well("answers leave with the virtual address as their source"));
    }
    said
}

/// Packets of clients come in by the director's way; strict filters want them to come in by the clients' own.
fn reverse_path(host: &Host) -> Vec<Said> {
    // The kernel's tunnel devices have a filter of their own.
    if !host.is_asked(false) || crate::want::tunnels(&host.setup).next().is_some() {
        return Vec::new();
    }
    // Connections of FullNAT come from the director's own addresses; datagrams are shown as their client's.
    let (level, why) = match host.setup.mode {
        ServerMode::FullNat => (Level::Warn, "datagrams that are shown as their client's are dropped without a word"),
        _ => (Level::Fail, "packets of clients are dropped without a word"),
    };
    let Some(back) = host.outward.first().copied().flatten() else { return Vec::new() };
    let drops = host.entrances().into_iter().filter(|(index, link)| {
        let receives = host.receives(*index);
        receives && *index != back.interface && host.effective(&link.name, "rp_filter") == 1
    });
    let said: Vec<Said> = drops
        .map(|(_, link)| {
            let what = format!("{} takes packets only from sources that are routed there (rp_filter is 1)", link.name);
            let fix = format!("sysctl -w net.ipv4.conf.{}.rp_filter=2", dotted(&link.name));
            Said::ill(level, what, why, fix)
        })
        .collect();
    if said.is_empty() {
        vec![Said::well("rp_filter drops no packets of clients (firewalls are not looked at)")]
    } else {
        said
    }
}

/// The programs are attached where packets of the directors come in.
fn programs(host: &Host) -> Vec<Said> {
    if !crate::programs::are_needed(&host.setup) {
        return Vec::new();
    }
    let Some(state) = &host.programs else {
        if !host.running.is_empty() {
            let names: Vec<_> = host.running.iter().map(String::as_str).collect();
            let what = format!("programs run on {}, but their pins are not seen from here", names.join(", "));
            let why =
                "another mount namespace has them, as that of `ip netns exec`: counters and directors are not known";
            return vec![Said::ill(Level::Warn, what, why, SEEN)];
        }
        let why = match host.setup.mode {
            ServerMode::FullNat => "applications are shown the director's addresses as their clients",
            _ => "packets in tunnels are for nobody here",
        };
        return vec![Said::ill(Level::Fail, "the programs are gone", why, host.setup.command())];
    };
    if host.setup.mode == ServerMode::FullNat && state.cgroup.is_none() {
        let why = "applications are shown the director's addresses as their clients";
        return vec![Said::ill(Level::Fail, "the programs are attached to no cgroup", why, host.setup.command())];
    }
    let (hook, why) = if host.setup.mode == ServerMode::Tun {
        (AgentHook::Decapsulate, "packets in tunnels are for nobody here")
    } else {
        (AgentHook::DatagramsIn, "applications are shown the director as the client of its datagrams")
    };
    let attached = |link: &Link| state.attached.get(hook.name()).is_some_and(|names| names.contains(&link.name));
    let missing = host.entrances().into_iter().filter(|(index, link)| host.receives(*index) && !attached(link));
    let said: Vec<Said> = missing
        .map(|(_, link)| {
            let what = format!("the program {} is not attached to {}", hook.name(), link.name);
            Said::ill(Level::Fail, what, why, host.setup.command())
        })
        .collect();
    if said.is_empty() { vec![Said::well("the programs are attached")] } else { said }
}

/// The kernel's tunnel devices are there, up, and drop nothing.
fn tunnels(host: &Host) -> Vec<Said> {
    let look = |tunnel: crate::tunnel::Tunnel| {
        let name = tunnel.device();
        match host.links.values().find(|link| link.name == name) {
            Some(link) if link.up && host.effective(name, "rp_filter") != 0 => {
                let what = format!("{name} drops what it takes out of tunnels (rp_filter is not 0)");
                let fix = format!("sysctl -w net.ipv4.conf.{name}.rp_filter=0 net.ipv4.conf.all.rp_filter=0");
                Said::ill(Level::Fail, what, "packets of clients are dropped without a word", fix)
            }
            Some(link) if link.up => Said::well(format!("{name} takes packets out of tunnels, of anybody")),
            Some(_) => {
                let fix = format!("ip link set {name} up");
                Said::ill(Level::Fail, format!("{name} is down"), "packets in tunnels are for nobody here", fix)
            }
            None => Said::ill(
                Level::Fail,
                format!("there is no {name}"),
                "packets in tunnels are for nobody here",
                host.setup.command(),
            ),
        }
    };
    crate::want::tunnels(&host.setup).map(look).collect()
}

/// Answers that nobody hears: a router between here and the clients may drop what does not come from this host's own
/// addresses.
fn answers(host: &Host) -> Vec<Said> {
    let unheard = host.hearing.unheard;
    if unheard == 0 {
        return Vec::new();
    }
    let waiting = if unheard == 1 { "connection waits" } else { "connections wait" };
    let what = format!("{unheard} {waiting}: answers from a virtual address were sent again and not heard");
    let why = "a router or hypervisor may drop packets whose source is not this host's own, or the gateway is wrong";
    let fix = "allow the virtual addresses as sources on the way out (security groups, unicast RPF); look there: tcpdump src VIP";
    vec![Said::ill(Level::Warn, what, why, fix)]
}

/// The outer headers make packets larger: what a client sends in full size must fit with them.
fn sizes(host: &Host) -> Vec<Said> {
    /// IPv6 and GUE, the largest that is usual, over the packets of Ethernet.
    const NEEDED: u32 = 1500 + 40 + 12;
    if host.setup.mode != ServerMode::Tun {
        return Vec::new();
    }
    let small = host.entrances().into_iter().filter(|(index, link)| host.receives(*index) && link.mtu < NEEDED);
    small
        .map(|(_, link)| {
            let what = format!(
                "packets of clients in full size do not fit through {} in a tunnel (MTU {})",
                link.name, link.mtu
            );
            let why = "the director has to tell each client to send smaller ones, and some never hear it";
            Said::ill(
                Level::Warn,
                what,
                why,
                format!("ip link set {} mtu {NEEDED}, and so on the director's side and between", link.name),
            )
        })
        .collect()
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
