//! What Prometheus reads: the listing and the status as text in its exposition format. Pure.

mod family;

use api::{Listing, ReachView, ServerView, ServiceView, Status, TrafficCounters};
use family::{Family, Kind};
use model::{FirewallMark, Key};
use std::net::SocketAddr;

/// Media type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Most services, and most servers, that have series of their own. A scrape of more would cost the daemon and the
/// reader more than it tells; how many are left out is a metric, too.
const MOST_SERVICES: usize = 2_000;
const MOST_SERVERS: usize = 10_000;

/// A whole answer.
pub(crate) fn text(listing: &Listing, status: &Status) -> String {
    let services = listing.services.get(..MOST_SERVICES).unwrap_or(&listing.services);
    let all_servers = || services.iter().flat_map(|view| view.servers.iter().map(move |server| (view, server)));
    let servers: Vec<_> = all_servers().take(MOST_SERVERS).collect();
    let left_out = [
        ("services", listing.services.len() - services.len()),
        ("servers", listing.services.iter().map(|view| view.servers.len()).sum::<usize>() - servers.len()),
    ];
    let mut families = of_daemon(status);
    families.push(left_out.iter().fold(
        Family::new("xlvs_metrics_left_out", Kind::Gauge, "Services and servers without series of their own."),
        |family, (what, count)| family.with(&[("what", what)], *count as u64),
    ));
    families.extend(of_services(services));
    families.extend(of_servers(&servers));
    families.iter().map(ToString::to_string).collect()
}

fn of_daemon(status: &Status) -> Vec<Family> {
    let gauge = |name, help, value| Family::new(name, Kind::Gauge, help).with(&[], value);
    let mut families = vec![
        Family::new("xlvs_build_info", Kind::Gauge, "The daemon's version.").with(&[("version", &status.version)], 1),
        gauge("xlvs_generation", "Generation of the configuration.", status.generation),
        gauge("xlvs_services", "Services configured.", status.services as u64),
        gauge("xlvs_servers", "Real servers configured, one for each service they serve.", status.servers as u64),
        gauge("xlvs_notes", "Things an operator should know: lines of `xlvs status`.", status.notes.len() as u64),
    ];
    let packets = Family::new("xlvs_packets_total", Kind::Counter, "Packets by what became of them.");
    families.push(status.counters.iter().fold(packets, |family, (reason, count)| {
        let verdict = reason.split_once('_').map_or(reason.as_str(), |(verdict, _)| verdict);
        family.with(&[("reason", reason), ("verdict", verdict)], *count)
    }));
    families.extend(of_tables(status));
    families.extend(of_interfaces(status));
    families
}

fn of_tables(status: &Status) -> Vec<Family> {
    let mut families = [
        Family::new("xlvs_connection_table_entries", Kind::Gauge, "Entries used; NAT takes two per connection."),
        Family::new("xlvs_connection_table_size", Kind::Gauge, "Entries there is room for."),
        Family::new("xlvs_connection_table_entry_bytes", Kind::Gauge, "Memory that one entry takes."),
    ];
    for table in &status.connections {
        let family = table.family.to_string();
        for (metric, value) in families.iter_mut().zip([table.used, table.size, table.entry_bytes]) {
            metric.add(&[("family", &family)], value);
        }
    }
    families.into()
}

fn of_interfaces(status: &Status) -> [Family; 2] {
    let mut lanes = Family::new("xlvs_interface_info", Kind::Gauge, "Interfaces with the programs attached, and how.");
    let help = "Packets whose sender left the checksum to hardware.";
    let mut partial = Family::new("xlvs_interface_partial_checksums_total", Kind::Counter, help);
    for interface in &status.interfaces {
        lanes.add(&[("interface", &interface.name), ("lane", interface.lane.name())], 1);
        partial.add(&[("interface", &interface.name)], interface.partial_checksums);
    }
    [lanes, partial]
}

/// Connections, packets and bytes of `what`.
fn traffic(what: &str) -> [Family; 3] {
    let family = |noun: &str, help| Family::new(format!("xlvs_{what}_{noun}_total"), Kind::Counter, help);
    [
        family("connections", "Connections scheduled, since the last zero point."),
        family("packets", "Packets by direction: in from clients, out from servers."),
        family("bytes", "Bytes by direction, from the IP header on."),
    ]
}

fn add_traffic([connections, packets, bytes]: &mut [Family; 3], labels: &[(&str, &str)], counters: &TrafficCounters) {
    let directed = |direction| [labels, &[("direction", direction)]].concat();
    connections.add(labels, counters.connections);
    packets.add(&directed("in"), counters.in_packets);
    packets.add(&directed("out"), counters.out_packets);
    bytes.add(&directed("in"), counters.in_bytes);
    bytes.add(&directed("out"), counters.out_bytes);
}

fn of_services(services: &[ServiceView]) -> Vec<Family> {
    let mut owned = Family::new("xlvs_service_owned", Kind::Gauge, "1 while this node forwards the service.");
    let mut information = Family::new("xlvs_service_info", Kind::Gauge, "Name and scheduler of a service.");
    let mut families = traffic("service");
    for view in services {
        let (protocol, service) = labels_of(view);
        let labels = [("protocol", protocol.as_str()), ("service", service.as_str())];
        let (name, scheduler) =
            (view.service.options.name.clone().unwrap_or_default(), view.service.options.scheduler.to_string());
        information.add(&[&labels[..], &[("name", name.as_str()), ("scheduler", scheduler.as_str())]].concat(), 1);
        owned.add(&labels, u64::from(view.owned));
        add_traffic(&mut families, &labels, &view.counters);
    }
    families.into_iter().chain([owned, information]).collect()
}

fn of_servers(servers: &[(&ServiceView, &ServerView)]) -> Vec<Family> {
    let gauge = |noun: &str, help| Family::new(format!("xlvs_server_{noun}"), Kind::Gauge, help);
    let mut gauges = [
        gauge("active_connections", "Connections in an active state."),
        gauge("inactive_connections", "Other connections."),
        gauge("weight", "The configured weight."),
        gauge("reached", "1 while the server's next hop is known: only then it is in the rotation."),
    ];
    let mut families = traffic("server");
    for (view, server) in servers {
        let (protocol, service) = labels_of(view);
        let endpoint: SocketAddr = server.server.endpoint;
        let endpoint = endpoint.to_string();
        let labels = [("protocol", protocol.as_str()), ("service", service.as_str()), ("server", endpoint.as_str())];
        let reached = u64::from(server.reach != ReachView::Unresolved);
        let values = [u64::from(server.active), u64::from(server.inactive), u64::from(server.server.weight.get())];
        for (metric, value) in gauges.iter_mut().zip(values.into_iter().chain([reached])) {
            metric.add(&labels, value);
        }
        add_traffic(&mut families, &labels, &server.counters);
    }
    families.into_iter().chain(gauges).collect()
}

fn labels_of(view: &ServiceView) -> (String, String) {
    match view.service.key {
        Key::Endpoint(key) => (key.protocol.to_string(), key.endpoint.to_string()),
        Key::Mark(FirewallMark { mark, ipv6 }) => {
            ("fwmark".to_owned(), if ipv6 { format!("{mark} ipv6") } else { mark.to_string() })
        }
    }
}

#[cfg(test)]
mod tests;
