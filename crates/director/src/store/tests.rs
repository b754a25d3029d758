//! What each request makes of a configuration, and what it refuses.

mod files;
mod journals;

use super::*;
use model::{
    Config, FirewallMark, ForwardingMethod, Granularity, Persistence, Protocol, RealServer, Scheduler, SchedulerFlags,
    ServiceKey, ServiceOptions, Sysctl, Thresholds, Weight,
};
use std::collections::BTreeSet;

fn key(endpoint: &str) -> Key {
    ServiceKey { protocol: Protocol::Tcp, endpoint: endpoint.parse().unwrap() }.into()
}

fn mark(mark: u32) -> Key {
    Key::Mark(FirewallMark { mark, ipv6: false })
}

fn options(scheduler: Scheduler) -> ServiceOptions {
    ServiceOptions { scheduler, scheduler_flags: SchedulerFlags::default(), ..ServiceOptions::default() }
}

fn add_service(endpoint: &str) -> Request {
    Request::AddService { key: key(endpoint), options: options(Scheduler::RoundRobin) }
}

fn named(endpoint: &str, name: &str) -> Request {
    let options = ServiceOptions { name: Some(name.to_owned()), ..options(Scheduler::RoundRobin) };
    Request::AddService { key: key(endpoint), options }
}

fn server(endpoint: &str, method: ForwardingMethod, weight: u32) -> RealServer {
    RealServer::new(endpoint.parse().unwrap(), method, Weight::new(weight).unwrap())
}

fn persistent(endpoint: &str, timeout: u32, granularity: Option<Granularity>) -> Request {
    let persistence = Some(Persistence { timeout, granularity });
    Request::AddService { key: key(endpoint), options: ServiceOptions { persistence, ..ServiceOptions::default() } }
}

fn limited(service: &str, endpoint: &str, upper: u32, lower: u32) -> Request {
    add_server(service, RealServer { thresholds: Thresholds { upper, lower }, ..nat(endpoint) })
}

fn nat(endpoint: &str) -> RealServer {
    server(endpoint, ForwardingMethod::Nat, 1)
}

fn add_server(service: &str, server: RealServer) -> Request {
    Request::AddServer { service: key(service), server }
}

/// A store with VIP:80 (rr) and one NAT server.
fn store() -> Store {
    let mut store = Store::default();
    store.change(&add_service("192.0.2.1:80")).unwrap();
    store.change(&add_server("192.0.2.1:80", nat("10.0.0.1:8080"))).unwrap();
    store
}

#[test]
fn refusals_have_the_kinds_of_ipvs_and_change_nothing() {
    let vip = "192.0.2.1:80";
    let dr = |endpoint| server(endpoint, ForwardingMethod::DirectRouting, 1);
    let delete = |endpoint: &str| Request::DeleteServer { service: key(vip), endpoint: endpoint.parse().unwrap() };
    let timeouts = |tcp| Request::SetTimeouts { tcp: Some(tcp), tcp_fin: None, udp: None };
    let rows = [
        (add_service(vip), RefusalKind::ServiceExists),
        (add_service("192.0.2.1:0"), RefusalKind::Invalid),
        (Request::AddService { key: mark(0), options: options(Scheduler::RoundRobin) }, RefusalKind::Invalid),
        (Request::DeleteService { key: mark(7) }, RefusalKind::NoSuchService),
        (add_service("[fe80::1%3]:80"), RefusalKind::Invalid),
        (persistent("192.0.2.3:80", 0, None), RefusalKind::Invalid),
        (persistent("192.0.2.3:80", 60, Some(Granularity::Prefix(64))), RefusalKind::Invalid),
        (persistent("[fd00::3]:80", 60, Some(Granularity::Prefix(128))), RefusalKind::Invalid),
        (limited(vip, "10.0.0.9:80", 5, 6), RefusalKind::OutOfRange),
        // IPVS looks at the thresholds before it looks for the server.
        (limited(vip, "10.0.0.1:8080", 5, 6), RefusalKind::OutOfRange),
        (named("192.0.2.2:80", "a\nb"), RefusalKind::Invalid),
        (named("192.0.2.2:80", " "), RefusalKind::Invalid),
        (
            Request::EditService { key: key("192.0.2.9:80"), options: options(Scheduler::Maglev) },
            RefusalKind::NoSuchService,
        ),
        (Request::DeleteService { key: key("192.0.2.9:80") }, RefusalKind::NoSuchService),
        (add_server("192.0.2.9:80", nat("10.0.0.2:80")), RefusalKind::NoSuchService),
        (add_server(vip, nat("10.0.0.1:8080")), RefusalKind::ServerExists),
        (add_server(vip, nat("[2001:db8::1]:80")), RefusalKind::Invalid),
        (add_server(vip, nat("224.0.0.1:80")), RefusalKind::Invalid),
        (add_server(vip, nat("0.0.0.0:80")), RefusalKind::Invalid),
        (add_server(vip, nat("255.255.255.255:80")), RefusalKind::Invalid),
        (Request::EditServer { service: key(vip), server: nat("10.0.0.2:8080") }, RefusalKind::NoSuchServer),
        // The port of -g is the service's, and no server has that one.
        (Request::EditServer { service: key(vip), server: dr("10.0.0.1:8080") }, RefusalKind::NoSuchServer),
        (delete("10.0.0.1:80"), RefusalKind::NoSuchServer),
        (delete("10.0.0.1:0"), RefusalKind::NoSuchServer),
        (timeouts(2_678_401), RefusalKind::Invalid),
        (timeouts(u32::MAX), RefusalKind::Invalid),
        (Request::SetSysctls { values: BTreeMap::from([(Sysctl::ConnReuseMode, 4)]) }, RefusalKind::Invalid),
        (Request::List, RefusalKind::Invalid),
    ];
    for (request, kind) in rows {
        let mut changed = store();
        let refusal = changed.change(&request).unwrap_err();
        assert_eq!(refusal.kind, kind, "{request:?}");
        assert!(!refusal.message.is_empty() && !refusal.message.contains('\n'), "{refusal:?}");
        assert_eq!(changed, store(), "{request:?}");
    }
}

/// What a real IPVS 6.12 takes and refuses. (`ipvsadm -A`, `-a -m`; the rest of the rules needs a routing table.)
#[test]
fn addresses_are_taken_as_ipvs_takes_them() {
    for vip in ["0.0.0.0:80", "224.0.0.1:80", "255.255.255.255:80", "[::]:80", "[ff02::1]:80", "[fe80::1]:80"] {
        assert!(Store::default().change(&add_service(vip)).is_ok(), "{vip}");
    }
    let mut store = store();
    store.change(&add_service("[2001:db8::1]:80")).unwrap();
    let mut takes = |vip, server| store.change(&add_server(vip, nat(server))).is_ok();
    for (server, taken) in [("240.0.0.1:80", true), ("0.1.2.3:80", true), ("127.0.0.1:80", true)] {
        assert_eq!(takes("192.0.2.1:80", server), taken, "{server}");
    }
    for (server, taken) in [
        ("[::1]:80", true),
        ("[fec0::1]:80", true),
        ("[::10.0.1.11]:80", true),
        ("[::ffff:10.0.1.11]:80", false),
        ("[::]:80", false),
        ("[ff02::1]:80", false),
    ] {
        assert_eq!(takes("[2001:db8::1]:80", server), taken, "{server}");
    }
}

#[test]
fn the_longest_timeout_is_31_days_and_fits_into_ticks() {
    let longest = 2_678_400;
    let mut store = store();
    store.change(&Request::SetTimeouts { tcp: Some(longest), tcp_fin: Some(longest), udp: Some(longest) }).unwrap();
    assert_eq!(store.timeouts(), Timeouts { tcp: longest, tcp_fin: longest, udp: longest });
    // Ages are differences that wrap at half the range.
    assert_eq!(forward::Time::ticks(longest), 39_911_271);
}

#[test]
fn each_change_is_a_generation_and_names_what_it_touched() {
    let mut store = store();
    assert_eq!(store.generation(), 2);
    let edit =
        Request::EditServer { service: key("192.0.2.1:80"), server: server("10.0.0.1:8080", ForwardingMethod::Nat, 0) };
    let receipt = store.change(&edit).unwrap();
    assert_eq!(receipt.touched(), BTreeSet::from([key("192.0.2.1:80")]));
    assert_eq!(store.generation(), 3);
    let service = &store.services()[&key("192.0.2.1:80")];
    assert_eq!(service.servers, [server("10.0.0.1:8080", ForwardingMethod::Nat, 0)]);
    store.change(&Request::SetTimeouts { tcp: Some(0), tcp_fin: Some(30), udp: None }).unwrap();
    assert_eq!(store.timeouts(), Timeouts { tcp: 900, tcp_fin: 30, udp: 300 });
    store.change(&Request::Flush).unwrap();
    assert!(store.services().is_empty());
    assert_eq!(store.generation(), 5);
}

#[test]
fn direct_routing_takes_the_port_of_the_service_and_order_is_kept() {
    let mut store = store();
    let vip = "192.0.2.1:80";
    store.change(&add_server(vip, server("10.0.0.2:8080", ForwardingMethod::DirectRouting, 5))).unwrap();
    // A server may be the virtual address itself. Port 0 is kept, and another server than the service's port.
    store.change(&add_server(vip, nat("192.0.2.1:0"))).unwrap();
    store.change(&add_server(vip, nat("192.0.2.1:80"))).unwrap();
    store.change(&Request::DeleteServer { service: key(vip), endpoint: "192.0.2.1:80".parse().unwrap() }).unwrap();
    let endpoints: Vec<_> =
        store.services()[&key(vip)].servers.iter().map(|server| server.endpoint.to_string()).collect();
    assert_eq!(endpoints, ["10.0.0.1:8080", "10.0.0.2:80", "192.0.2.1:0"]);
}

#[test]
fn an_edit_keeps_servers_name_and_any() {
    let mut store = store();
    let named = ServiceOptions { any: true, name: Some("web".into()), ..options(Scheduler::RoundRobin) };
    store.change(&Request::EditService { key: key("192.0.2.1:80"), options: named.clone() }).unwrap();
    let edit = Request::EditService { key: key("192.0.2.1:80"), options: options(Scheduler::Maglev) };
    store.change(&edit).unwrap();
    let service = &store.services()[&key("192.0.2.1:80")];
    assert_eq!(service.options, ServiceOptions { scheduler: Scheduler::Maglev, ..named });
    assert_eq!(service.servers.len(), 1);
}

#[test]
fn a_service_holds_1024_servers() {
    let mut store = store();
    for number in 1..1024_u32 {
        store.change(&add_server("192.0.2.1:80", nat(&format!("10.1.{}.{}:80", number / 256, number % 256)))).unwrap();
    }
    let refusal = store.change(&add_server("192.0.2.1:80", nat("10.2.0.1:80"))).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NoSpace);
}

#[test]
fn a_batch_is_whole_or_nothing() {
    let good = vec![
        add_service("192.0.2.2:80"),
        add_server("192.0.2.2:80", nat("10.0.0.2:80")),
        Request::DeleteService { key: key("192.0.2.1:80") },
        Request::SetTimeouts { tcp: Some(60), tcp_fin: None, udp: None },
        Request::SetSysctls { values: BTreeMap::from([(Sysctl::ExpireNodestConn, 1)]) },
    ];
    for bad in [add_service("192.0.2.2:80"), Request::Batch { requests: vec![] }, Request::List] {
        let mut changed = store();
        let requests = [good.clone(), vec![bad]].concat();
        let refusal = changed.change(&Request::Batch { requests }).unwrap_err();
        assert_eq!(refusal.request, Some(5), "{refusal:?}");
        assert!(refusal.to_string().starts_with("request 6 of the batch: "), "{refusal}");
        assert_eq!(changed, store());
    }
    let mut changed = store();
    let receipt = changed.change(&Request::Batch { requests: good }).unwrap();
    assert_eq!(changed.generation(), 3);
    assert_eq!(changed.services().keys().copied().collect::<Vec<_>>(), [key("192.0.2.2:80")]);
    assert_eq!(receipt.touched().len(), 2);
    changed.take_back(receipt);
    assert_eq!(changed, store());
}

#[test]
fn a_batch_of_too_many_services_changes_nothing() {
    let mut store = store();
    let before = store.clone();
    let most = model::config::MAX_SERVICES;
    let add = |index: usize| add_service(&format!("198.18.{}.{}:80", index >> 8, index & 255));
    let refusal = store.change(&Request::Batch { requests: (0..most).map(add).collect() }).unwrap_err();
    assert_eq!((refusal.kind, refusal.request), (RefusalKind::NoSpace, Some(most - 1)));
    assert_eq!(store, before);
    store.change(&Request::Batch { requests: (1..most).map(add).collect() }).unwrap();
    assert_eq!(store.services().len(), most);
    let services = vec![model::VirtualService {
        key: key("192.0.2.7:80"),
        options: options(Scheduler::RoundRobin),
        servers: Vec::new(),
    }];
    let full = store.clone();
    let config = Config { services, ..Config::default() };
    assert_eq!(store.adopt(&config, false).unwrap_err().kind, RefusalKind::NoSpace);
    assert_eq!(store, full);
}

#[test]
fn full_nat_has_a_local_address() {
    let mut store = store();
    let full = || server("10.0.0.2:8080", ForwardingMethod::FullNat, 1);
    let refusal = store.change(&add_server("192.0.2.1:80", full())).unwrap_err();
    assert!(refusal.message.contains("FullNAT needs a local address"), "{}", refusal.message);
    let edit = |local: &str| {
        let local_addresses = if local.is_empty() { Default::default() } else { local.parse().unwrap() };
        let options = ServiceOptions { local_addresses, ..options(Scheduler::RoundRobin) };
        Request::EditService { key: key("192.0.2.1:80"), options }
    };
    assert!(store.change(&edit("fd00::1")).is_err(), "of the other family");
    store.change(&edit("10.0.9.1")).unwrap();
    store.change(&add_server("192.0.2.1:80", full())).unwrap();
    assert!(store.change(&edit("")).is_err(), "the server would have none");
    let six = RealServer::new("[fd00::2]:80".parse().unwrap(), ForwardingMethod::FullNat, Weight::default());
    assert!(store.change(&add_server("192.0.2.1:80", six)).is_err(), "families cannot be mixed");
}
