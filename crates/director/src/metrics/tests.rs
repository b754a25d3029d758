//! The text is read back by the rules of the format.

use super::*;
use api::{ConnectionTableStatus, InterfaceStatus};
use model::{
    ForwardingMethod, Lane, Protocol, RealServer, Scheduler, ServiceKey, ServiceOptions, VirtualService, Weight,
};
use std::collections::{BTreeMap, BTreeSet};

fn status() -> Status {
    let interface = InterfaceStatus {
        name: "eth0".into(),
        index: 2,
        lane: Lane::Xdp,
        reason: "native".into(),
        partial_checksums: 3,
        recent_partial_checksums: 0,
    };
    Status {
        health: Vec::new(),
        version: "0.1.0".into(),
        pid: 42,
        generation: 7,
        pin_directory: "/pins".into(),
        interfaces: vec![interface],
        lossy: Vec::new(),
        trials: Vec::new(),
        configuration: None,
        trial: None,
        services: 1,
        servers: 1,
        connections: vec![ConnectionTableStatus { family: 4, used: 10, size: 1024, entry_bytes: 155 }],
        counters: forward::Counter::ALL.iter().map(|counter| (counter.name().to_owned(), 5)).collect(),
        notes: Vec::new(),
    }
}

fn service(port: u16, servers: usize) -> ServiceView {
    let endpoint = SocketAddr::new("203.0.113.10".parse().unwrap(), port);
    let options = ServiceOptions {
        scheduler: Scheduler::RoundRobin,
        name: Some("a \"web\" \\ \n".into()),
        ..ServiceOptions::default()
    };
    let key = ServiceKey { protocol: Protocol::Tcp, endpoint };
    let server = |number: usize| ServerView {
        active: 1,
        inactive: 2,
        counters: TrafficCounters { connections: 11, in_packets: 12, out_packets: 13, in_bytes: 14, out_bytes: 15 },
        ..ServerView::from(RealServer::new(
            SocketAddr::new("10.0.0.1".parse().unwrap(), number as u16),
            ForwardingMethod::Nat,
            Weight::new(9).unwrap(),
        ))
    };
    ServiceView {
        service: VirtualService { key: key.into(), options, servers: Vec::new() },
        servers: (1..=servers).map(server).collect(),
        owned: true,
        counters: TrafficCounters::default(),
        rates: Default::default(),
    }
}

fn listing(services: u16, servers: usize) -> Listing {
    Listing { services: (1..=services).map(|port| service(port, servers)).collect(), ..Listing::default() }
}

/// Series by name and labels. Panics where the text is not what Prometheus reads: a name or a label that cannot be, a
/// sample before its type, a family in two pieces, the same series twice.
fn read(text: &str) -> BTreeMap<String, u64> {
    let word = |text: &str| {
        let mut letters = text.chars();
        letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    let (mut series, mut done, mut current) = (BTreeMap::new(), BTreeSet::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split_once(' ').unwrap().0.to_owned();
            assert!(word(&current) && done.insert(current.clone()), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, current);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else {
            let (labelled, value) = line.rsplit_once(' ').unwrap();
            let name = labelled.split_once('{').map_or(labelled, |(name, _)| name);
            assert_eq!(name, current, "{line}");
            let mut rest = labelled.strip_prefix(name).unwrap();
            rest = rest.strip_prefix('{').map_or("", |rest| rest.strip_suffix('}').unwrap());
            while !rest.is_empty() {
                let (label, after) = rest.split_once("=\"").unwrap();
                assert!(word(label), "{line}");
                let mut escaped = false;
                let end = after.char_indices().find(|(_, letter)| {
                    let ends = *letter == '"' && !escaped;
                    escaped = *letter == '\\' && !escaped;
                    ends
                });
                let after = &after[end.unwrap().0 + 1..];
                rest = after.strip_prefix(',').unwrap_or(after);
            }
            assert!(series.insert(labelled.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    series
}

#[test]
fn everything_is_there_and_can_be_read() {
    let series = read(&text(&listing(1, 1), &status()));
    let server = r#"protocol="tcp",service="203.0.113.10:1",server="10.0.0.1:1""#;
    for (name, value) in [
        (format!("xlvs_server_connections_total{{{server}}}"), 11),
        (format!("xlvs_server_packets_total{{{server},direction=\"out\"}}"), 13),
        (format!("xlvs_server_bytes_total{{{server},direction=\"in\"}}"), 14),
        (format!("xlvs_server_active_connections{{{server}}}"), 1),
        (format!("xlvs_server_inactive_connections{{{server}}}"), 2),
        (format!("xlvs_server_weight{{{server}}}"), 9),
        (format!("xlvs_server_reached{{{server}}}"), 0),
        (r#"xlvs_service_owned{protocol="tcp",service="203.0.113.10:1"}"#.into(), 1),
        (r#"xlvs_packets_total{reason="drop_no_server",verdict="drop"}"#.into(), 5),
        (r#"xlvs_connection_table_entry_bytes{family="4"}"#.into(), 155),
        (r#"xlvs_interface_info{interface="eth0",lane="xdp"}"#.into(), 1),
        (r#"xlvs_metrics_left_out{what="servers"}"#.into(), 0),
        ("xlvs_generation".into(), 7),
    ] {
        assert_eq!(series.get(&name), Some(&value), "{name}");
    }
    let reasons = series.keys().filter(|name| name.starts_with("xlvs_packets_total{"));
    assert_eq!(reasons.count(), forward::Counter::ALL.len());
    let named = r#"name="a \"web\" \\ \n",scheduler="rr"}"#;
    assert!(series.keys().any(|name| name.starts_with("xlvs_service_info{") && name.ends_with(named)));
}

#[test]
fn what_is_too_much_is_left_out_and_counted() {
    let series = read(&text(&listing(2_010, 6), &status()));
    let services = series.keys().filter(|name| name.starts_with("xlvs_service_owned{")).count();
    let servers = series.keys().filter(|name| name.starts_with("xlvs_server_weight{")).count();
    assert_eq!((services, servers), (MOST_SERVICES, MOST_SERVERS));
    assert_eq!(series[r#"xlvs_metrics_left_out{what="services"}"#], 10);
    assert_eq!(series[r#"xlvs_metrics_left_out{what="servers"}"#], 2_010 * 6 - 10_000);
}
