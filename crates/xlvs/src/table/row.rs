//! The lines of a listing, with ipvsadm's widths and clipping.

use super::{Columns, Names, View};
use api::{ServerView, ServiceView, TrafficCounters, TrafficRates};
use model::{Endpoint, ForwardingMethod, Protocol, Scheduler, ServiceOptions};

/// An IPv4 service, protocol included, is cut off here; an IPv6 one never is.
const SERVICE_WIDTH: usize = 33;
/// So is an IPv4 server.
const SERVER_WIDTH: usize = 28;

/// The two lines above the services.
pub(super) fn title(columns: Columns) -> String {
    let heads = match columns {
        Columns::Connections => {
            return "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
                .to_owned();
        }
        Columns::Traffic => ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"],
        Columns::Rates => ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"],
    };
    let heads: String = heads.iter().map(|head| format!(" {head:>8}")).collect();
    format!("{:<SERVICE_WIDTH$}{heads}\n  -> RemoteAddress:Port\n", "Prot LocalAddress:Port")
}

/// The line of a service.
pub(super) fn service(view: &ServiceView, how: View, names: &Names) -> String {
    let key = view.service.key;
    let protocol = match key.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    };
    let name = format!("{protocol:<4} {}", names.endpoint(key.endpoint, key.protocol));
    let name = clip(name, key.endpoint, SERVICE_WIDTH);
    match how.columns {
        Columns::Connections => {
            let options = &view.service.options;
            let flags = flag_names(options).map(|flags| format!(" ({flags})")).unwrap_or_default();
            format!("{name} {}{flags}", options.scheduler)
        }
        Columns::Traffic => format!("{name:<SERVICE_WIDTH$}{}", columns(counters(&view.counters), how)),
        Columns::Rates => format!("{name:<SERVICE_WIDTH$}{}", columns(rates(&view.rates), how)),
    }
}

/// The line of a server.
pub(super) fn server(service: &ServiceView, view: &ServerView, how: View, names: &Names) -> String {
    let endpoint = view.server.endpoint;
    let name = clip(names.endpoint(endpoint, service.service.key.protocol), endpoint, SERVER_WIDTH);
    let cells = match how.columns {
        Columns::Connections => {
            let method = match view.server.method {
                ForwardingMethod::Nat => "Masq",
                ForwardingMethod::DirectRouting => "Route",
            };
            let weight = view.server.weight.get();
            format!(" {method:<7} {weight:<6} {:<10} {:<10}", view.active, view.inactive)
        }
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

/// The flags of the scheduler by ipvsadm's names for them, if there are any.
pub(super) fn flag_names(options: &ServiceOptions) -> Option<&'static str> {
    match options.scheduler {
        Scheduler::SourceHash if options.scheduler_flags.port => Some("sh-port"),
        Scheduler::Maglev if options.scheduler_flags.port => Some("mh-port"),
        _ => None,
    }
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
