//! The lines of a listing, with ipvsadm's widths and clipping.

use super::{Columns, Names, View};
use api::{ServerView, ServiceView, TrafficCounters, TrafficRates};
use model::{
    Encapsulation, Endpoint, FirewallMark, ForwardingMethod, Granularity, Key, Protocol, Scheduler, SchedulerFlags,
    ServiceOptions, Thresholds, TunnelChecksum,
};

/// An IPv4 service, protocol included, is cut off here; an IPv6 one never is.
const SERVICE_WIDTH: usize = 33;
/// So is an IPv4 server.
const SERVER_WIDTH: usize = 28;

/// The two lines above the services.
pub(super) fn title(columns: Columns) -> String {
    const LOCAL: &str = "Prot LocalAddress:Port";
    const REMOTE: &str = "  -> RemoteAddress:Port";
    let numbers = |heads: [&str; 5]| heads.map(|head| format!(" {head:>8}")).concat();
    let heads = match columns {
        Columns::Connections => {
            return format!("{LOCAL} Scheduler Flags\n{REMOTE}           Forward Weight ActiveConn InActConn\n");
        }
        Columns::Tunnels => {
            let heads = "Forward TunnelInfo    Weight ActiveConn InActConn";
            return format!("{LOCAL} Scheduler Flags\n{REMOTE}           {heads}\n");
        }
        Columns::Traffic => numbers(["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"]),
        Columns::Rates => numbers(["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"]),
        Columns::Thresholds => {
            format!(" {:<10} {:<10} {:<10} {:<10}", "Uthreshold", "Lthreshold", "ActiveConn", "InActConn")
        }
        Columns::PersistentConnections => {
            format!(" {:<9} {:<11} {:<10} {:<10}", "Weight", "PersistConn", "ActiveConn", "InActConn")
        }
    };
    format!("{LOCAL:<SERVICE_WIDTH$}{heads}\n{REMOTE}\n")
}

/// The line of a service.
pub(super) fn service(view: &ServiceView, how: View, names: &Names) -> String {
    let name = service_name(&view.service.key, names);
    match how.columns {
        Columns::Traffic => format!("{name:<SERVICE_WIDTH$}{}", columns(counters(&view.counters), how)),
        Columns::Rates => format!("{name:<SERVICE_WIDTH$}{}", columns(rates(&view.rates), how)),
        Columns::Connections | Columns::Thresholds | Columns::PersistentConnections | Columns::Tunnels => {
            format!("{name} {}", options(&view.service.options))
        }
    }
}

fn service_name(key: &Key, names: &Names) -> String {
    let key = match key {
        Key::Endpoint(key) => key,
        // The original prints marks as signed numbers.
        Key::Mark(FirewallMark { mark, ipv6 }) => {
            return format!("FWM  {}{}", mark.cast_signed(), if *ipv6 { " IPv6" } else { "" });
        }
    };
    let protocol = match key.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    };
    let name = format!("{protocol:<4} {}", names.endpoint(key.endpoint, Some(key.protocol)));
    clip(name, key.endpoint, SERVICE_WIDTH)
}

/// The scheduler, and what else there is to say of a service.
fn options(options: &ServiceOptions) -> String {
    let mut text = options.scheduler.name().to_owned();
    if let Some(flags) = flag_names(options) {
        text += &format!(" ({flags})");
    }
    if let Some(persistence) = options.persistence {
        text += &format!(" persistent {}", persistence.timeout);
        text += &match persistence.granularity {
            None => String::new(),
            Some(Granularity::Mask(mask)) => format!(" mask {mask}"),
            Some(Granularity::Prefix(length)) => format!(" mask {length}"),
        };
        // Without persistence the engine is kept, but not shown.
        if let Some(engine) = options.persistence_engine {
            text += &format!(" pe {}", engine.name());
        }
    }
    if options.one_packet {
        text += " ops";
    }
    text
}

/// The line of a server.
pub(super) fn server(service: &ServiceView, view: &ServerView, how: View, names: &Names) -> String {
    let endpoint = view.server.endpoint;
    let name = clip(names.endpoint(endpoint, service.service.key.protocol()), endpoint, SERVER_WIDTH);
    let (active, inactive, weight) = (view.active, view.inactive, view.server.weight.get());
    let method = method(view.server.method);
    let cells = match how.columns {
        Columns::Connections => format!(" {method:<7} {weight:<6} {active:<10} {inactive:<10}"),
        Columns::Tunnels => {
            format!(" {method:<7} {:<13} {weight:<6} {active:<10} {inactive:<10}", tunnel(view.server.method))
        }
        Columns::Thresholds => {
            let Thresholds { upper, lower } = view.server.thresholds;
            format!(" {upper:<10} {lower:<10} {active:<10} {inactive:<10}")
        }
        // There are no persistent connections yet.
        Columns::PersistentConnections => format!(" {weight:<9} {:<11} {active:<10} {inactive:<10}", 0),
        Columns::Traffic => columns(counters(&view.counters), how),
        Columns::Rates => {
            // Connections and packets per second are printed in full here, only bytes are abbreviated.
            let [connections, in_packets, out_packets, in_bytes, out_bytes] = rates(&view.rates);
            let bytes = columns([in_bytes, out_bytes], how);
            format!(" {connections:>8} {in_packets:>8} {out_packets:>8}{bytes}")
        }
    };
    format!("  -> {name:<SERVER_WIDTH$}{cells}")
}

const fn method(method: ForwardingMethod) -> &'static str {
    match method {
        ForwardingMethod::Nat => "Masq",
        ForwardingMethod::DirectRouting => "Route",
        ForwardingMethod::Tunnel(_) => "Tunnel",
        ForwardingMethod::FullNat => "FullNat",
    }
}

/// What `--tun-info` says of a server.
fn tunnel(method: ForwardingMethod) -> String {
    let checksum = |checksum| match checksum {
        TunnelChecksum::None => "-c",
        TunnelChecksum::Full => "+c",
        TunnelChecksum::Remote => "r+c",
    };
    match method {
        ForwardingMethod::Tunnel(Encapsulation::Ipip) => "ipip".to_owned(),
        ForwardingMethod::Tunnel(Encapsulation::Gue { port, checksum: kind }) => {
            format!("gue:{port}:{}", checksum(kind))
        }
        ForwardingMethod::Tunnel(Encapsulation::Gre { checksum: kind }) => format!("gre:{}", checksum(kind)),
        _ => "n/a".to_owned(),
    }
}

/// The flags of the scheduler by ipvsadm's names for them, if there are any. Where there are only some that it has no
/// name for, it prints the brackets around nothing.
pub(super) fn flag_names(options: &ServiceOptions) -> Option<String> {
    let SchedulerFlags { fallback, port, third } = options.scheduler_flags;
    let names = match options.scheduler {
        Scheduler::SourceHash => ["sh-fallback", "sh-port", ""],
        Scheduler::Maglev => ["mh-fallback", "mh-port", ""],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let set = names.into_iter().zip([fallback, port, third]).filter(|(_, is_set)| *is_set);
    let names: Vec<_> = set.map(|(name, _)| name).filter(|name| !name.is_empty()).collect();
    (fallback || port || third).then(|| names.join(","))
}

fn clip(name: String, endpoint: Endpoint, width: usize) -> String {
    if endpoint.is_ipv4() { name.chars().take(width).collect() } else { name }
}

fn counters(counters: &TrafficCounters) -> [u64; 5] {
    let TrafficCounters { connections, in_packets, out_packets, in_bytes, out_bytes } = *counters;
    [connections, in_packets, out_packets, in_bytes, out_bytes]
}

fn rates(rates: &TrafficRates) -> [u64; 5] {
    let TrafficRates { connections, in_packets, out_packets, in_bytes, out_bytes } = *rates;
    [connections, in_packets, out_packets, in_bytes, out_bytes]
}

fn columns<const N: usize>(numbers: [u64; N], how: View) -> String {
    numbers.into_iter().map(|number| if how.exact { exact(number) } else { large(number) }).collect()
}

/// All digits; wider than its column if it must be, with a blank before it in any case.
fn exact(number: u64) -> String {
    format!(" {number:>8}")
}

/// Nine places: from 10^8 on in thousands, from 10^9 in millions, from 10^11 and 10^14 in the next units.
pub(super) fn large(number: u64) -> String {
    const UNITS: [(u64, u64, char); 3] =
        [(1_000_000_000, 1_000, 'K'), (100_000_000_000, 1_000_000, 'M'), (100_000_000_000_000, 1_000_000_000, 'G')];
    if number < 100_000_000 {
        return format!("{number:>9}");
    }
    let unit = UNITS.iter().find(|(limit, ..)| number < *limit);
    let (_, divisor, letter) = *unit.unwrap_or(&(0, 1_000_000_000_000, 'T'));
    format!("{:>8}{letter}", number / divisor)
}
