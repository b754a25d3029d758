//! The way of a change: kept, planned, applied; and back, when something does not take it.

use super::fakes::{FakeNetwork, FakePlane, OURS};
use crate::director::Director;
use api::{RefusalKind, Request, Response};
use model::{
    Change, Config, ForwardingMethod, Hop, Protocol, Reach, RealServer, Scheduler, SchedulerFlags, ServiceKey,
    ServiceOptions, Sysctl, Weight,
};
use std::time::Instant;
use wire::MacAddress;

pub(super) const THEIRS: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

pub(super) fn key() -> ServiceKey {
    ServiceKey { protocol: Protocol::Tcp, endpoint: "192.0.2.1:80".parse().unwrap() }
}

pub(super) fn add_service() -> Request {
    let scheduler_flags = SchedulerFlags::default();
    let options = ServiceOptions { scheduler: Scheduler::RoundRobin, scheduler_flags, ..ServiceOptions::default() };
    Request::AddService { key: key().into(), options }
}

pub(super) fn server(endpoint: &str, method: ForwardingMethod) -> RealServer {
    RealServer::new(endpoint.parse().unwrap(), method, Weight::default())
}

pub(super) fn add_server(endpoint: &str) -> Request {
    Request::AddServer { service: key().into(), server: server(endpoint, ForwardingMethod::Nat) }
}

/// A network where the service's address is ours and 10.0.0.1 answers.
pub(super) fn network() -> FakeNetwork {
    let network = FakeNetwork::default();
    network.wire().addresses.push("192.0.2.1".parse().unwrap());
    network.wire().answering.insert("10.0.0.1".parse().unwrap(), THEIRS);
    network
}

pub(super) fn start(plane: &FakePlane, network: &FakeNetwork) -> Director<FakePlane, FakeNetwork> {
    let mut director = Director::open(plane.clone(), network.clone(), "/nowhere".into()).unwrap();
    director.begin(Instant::now()).unwrap();
    director
}

pub(super) fn reach(plane: &FakePlane, place: usize) -> Reach {
    plane.kernel().state.services[&key()].servers[place].reach
}

#[test]
fn a_change_is_kept_and_in_the_maps_when_it_returns() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    let done = director.answer(&add_server("10.0.0.1:80")).unwrap();
    assert_eq!(done.response, Response::Done { generation: 2 });
    assert!(done.pending.is_empty());
    assert!(plane.kernel().state.services[&key()].owned);
    assert_eq!(
        reach(&plane, 0),
        Reach::Via(Hop { interface: 7, destination: THEIRS, source: OURS, vlan: 0, mtu: 1500, address: None })
    );
    assert_eq!(plane.kernel().journal.as_ref().map(Vec::len), Some(2));
}

#[test]
fn a_restart_after_kill_9_plans_nothing() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    for request in [add_service(), add_server("10.0.0.1:80"), add_server("10.0.0.2:80")] {
        director.answer(&request).unwrap();
    }
    director.answer(&Request::SetTimeouts { tcp: Some(33), tcp_fin: None, udp: None }).unwrap();
    let values = [(Sysctl::ConnReuseMode, 0), (Sysctl::SloppyTcp, 1)];
    director.answer(&Request::SetSysctls { values: values.into() }).unwrap();
    let listing = director.listing();
    drop(director);
    plane.kernel().changes.clear();
    // What the kernel knew of the neighbour is gone; it has not answered again yet.
    network.wire().neighbours.clear();
    network.wire().answering.clear();
    let mut again = start(&plane, &network);
    assert_eq!(plane.kernel().changes, []);
    assert_eq!(again.listing(), listing);
    assert_eq!(again.store.generation(), 5);
    let sysctls = again.answer(&Request::Sysctls).unwrap().response;
    let Response::Sysctls { sysctls } = sysctls else { panic!("{sysctls:?}") };
    assert_eq!(sysctls.iter().map(|view| view.value).collect::<Vec<_>>(), [0, 0, 0, 1, 254, 253, 1]);
    assert_eq!(plane.kernel().state.sysctls.get(Sysctl::ConnReuseMode), 0);
    again.answer(&Request::DeleteService { key: key().into() }).unwrap();
    assert_eq!(plane.kernel().changes, [Change::RemoveService { service: key() }]);
}

#[test]
fn a_file_is_taken_over_once() {
    let (plane, network) = (FakePlane::default(), network());
    let service = model::VirtualService {
        key: key().into(),
        options: ServiceOptions { scheduler: Scheduler::Maglev, name: Some("web".into()), ..ServiceOptions::default() },
        servers: vec![server("10.0.0.1:80", ForwardingMethod::Nat)],
    };
    let config = Config { services: vec![service], ..Config::default() };
    let mut director = start(&plane, &network);
    assert!(director.adopt(&config).unwrap());
    director.begin(Instant::now()).unwrap();
    director.answer(&add_server("10.0.0.2:80")).unwrap();
    drop(director);
    plane.kernel().changes.clear();
    let mut again = Director::open(plane.clone(), network.clone(), "/nowhere".into()).unwrap();
    assert!(!again.adopt(&config).unwrap());
    again.begin(Instant::now()).unwrap();
    assert_eq!(plane.kernel().changes, []);
    assert_eq!(plane.kernel().state.services[&key()].servers.len(), 2);
    // Read again while running: what it says now is what is forwarded.
    assert!(!again.reload(&config, Instant::now()).unwrap());
    let mut changed = config;
    changed.services[0].servers[0].weight = Weight::new(7).unwrap();
    assert!(again.reload(&changed, Instant::now()).unwrap());
    let weights: Vec<_> =
        plane.kernel().state.services[&key()].servers.iter().map(|state| state.server.weight.get()).collect();
    assert_eq!(weights, [7]);
}

#[test]
fn what_the_maps_do_not_take_is_undone_everywhere() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    plane.kernel().room = Some(1);
    let before = (director.store.clone(), plane.kernel().state.clone());
    let batch = Request::Batch { requests: vec![add_server("10.0.0.1:80"), add_server("10.0.0.2:80")] };
    let refusal = director.answer(&batch).err().unwrap();
    assert_eq!(refusal.kind, RefusalKind::NoSpace);
    assert_eq!((director.store.clone(), plane.kernel().state.clone()), before);
    assert_eq!(start(&plane, &network).store, before.0);
}

#[test]
fn port_0_is_the_port_of_the_service_in_the_maps_and_kept_as_it_is() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    director.answer(&add_server("10.0.0.1:0")).unwrap();
    let in_maps = |plane: &FakePlane| -> Vec<_> {
        plane.kernel().state.services[&key()].servers.iter().map(|it| it.server.endpoint.to_string()).collect()
    };
    let listed = |director: &Director<FakePlane, FakeNetwork>| -> Vec<_> {
        let listing = director.listing();
        listing.services[0].servers.iter().map(|it| (it.server.endpoint.to_string(), it.active)).collect()
    };
    assert_eq!(in_maps(&plane), ["10.0.0.1:80"]);
    assert!(matches!(reach(&plane, 0), Reach::Via(_)));
    assert_eq!(listed(&director), [("10.0.0.1:0".to_owned(), 2)]);
    // Two servers, one place in the maps.
    director.answer(&add_server("10.0.0.1:80")).unwrap();
    assert_eq!(in_maps(&plane), ["10.0.0.1:80"]);
    assert_eq!(listed(&director), [("10.0.0.1:0".to_owned(), 0), ("10.0.0.1:80".to_owned(), 2)]);
    assert!(
        director.status().unwrap().notes.iter().any(|note| note.contains("10.0.0.1:0") && note.contains("port 80"))
    );
    assert_eq!(start(&plane, &network).store, director.store);
    let delete = |endpoint: &str| Request::DeleteServer { service: key().into(), endpoint: endpoint.parse().unwrap() };
    director.answer(&delete("10.0.0.1:80")).unwrap();
    assert_eq!(in_maps(&plane), ["10.0.0.1:80"]);
    director.answer(&delete("10.0.0.1:0")).unwrap();
    assert_eq!(in_maps(&plane), [""; 0]);
}

#[test]
fn what_only_the_routes_know_is_refused_with_its_place() {
    let (plane, network) = (FakePlane::default(), network());
    network.wire().addresses.push("fe80::1".parse().unwrap());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    let before = director.store.clone();
    let refusal = director.answer(&add_server("10.0.0.255:80")).err().unwrap();
    assert_eq!(refusal.kind, RefusalKind::Invalid);
    let batch = Request::Batch { requests: vec![add_server("10.0.0.1:80"), add_server("10.0.0.255:80")] };
    let refusal = director.answer(&batch).err().unwrap();
    assert_eq!((refusal.kind, refusal.request), (RefusalKind::Invalid, Some(1)));
    assert_eq!(director.store, before);
    let service = ServiceKey { protocol: Protocol::Tcp, endpoint: "[2001:db8::1]:80".parse().unwrap() };
    let Request::AddService { options, .. } = add_service() else { panic!() };
    director.answer(&Request::AddService { key: service.into(), options }).unwrap();
    for (endpoint, taken) in [("[fe80::1]:80", true), ("[fe80::2]:80", false)] {
        let request = Request::AddServer { service: service.into(), server: server(endpoint, ForwardingMethod::Nat) };
        assert_eq!(director.answer(&request).is_ok(), taken, "{endpoint}");
    }
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    plane.kernel().journal_is_full = true;
    let before = plane.kernel().state.clone();
    assert_eq!(director.answer(&add_server("10.0.0.1:80")).err().unwrap().kind, RefusalKind::NoSpace);
    assert_eq!(plane.kernel().state, before);
    assert_eq!(director.store.server_count(), 0);
}

#[test]
fn missing_pins_are_told_and_changes_are_refused() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    plane.kernel().pins_are_gone = true;
    director.heal();
    assert!(director.status().unwrap().notes[0].starts_with("the pins in /pins are gone"));
    assert_eq!(director.answer(&add_server("10.0.0.1:80")).err().unwrap().kind, RefusalKind::Conflict);
    plane.kernel().pins_are_gone = false;
    director.heal();
    assert!(director.trouble.is_none());
    director.answer(&add_server("10.0.0.1:80")).unwrap();
}

#[test]
fn drift_of_the_maps_is_healed() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    director.answer(&add_server("10.0.0.1:80")).unwrap();
    let good = plane.kernel().state.clone();
    plane.kernel().state.services.get_mut(&key()).unwrap().servers.clear();
    director.heal();
    assert_eq!(plane.kernel().state, good);
}

#[test]
fn zero_points_survive_a_restart_and_new_servers_begin_at_zero() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    plane.kernel().connections = 10;
    let shown = |director: &Director<FakePlane, FakeNetwork>| {
        let listing = director.listing();
        let servers = listing.services[0].servers.iter().map(|server| server.counters.connections);
        std::iter::once(listing.services[0].counters.connections).chain(servers).collect::<Vec<_>>()
    };
    director.answer(&add_server("10.0.0.1:80")).unwrap();
    assert_eq!(shown(&director), [10, 0]);
    plane.kernel().connections = 12;
    director.answer(&Request::Zero { service: None }).unwrap();
    plane.kernel().connections = 15;
    assert_eq!(shown(&director), [3, 3]);
    assert_eq!(shown(&start(&plane, &network)), [3, 3]);
    // What stays goes on counting from where it stood, whatever is edited or goes beside it.
    let Request::AddService { key: service, mut options } = add_service() else { unreachable!() };
    options.scheduler = Scheduler::Maglev;
    director.answer(&Request::EditService { key: service, options }).unwrap();
    assert_eq!(shown(&director), [3, 3]);
    director.answer(&Request::DeleteServer { service, endpoint: "10.0.0.1:80".parse().unwrap() }).unwrap();
    assert_eq!(shown(&director), [3]);
    let unknown = ServiceKey { protocol: Protocol::Udp, ..key() };
    assert_eq!(
        director.answer(&Request::Zero { service: Some(unknown.into()) }).err().unwrap().kind,
        RefusalKind::NoSuchService
    );
}

#[test]
fn the_journal_stays_short_and_says_the_same() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    let lines = |plane: &FakePlane| plane.kernel().journal.as_ref().map_or(0, Vec::len);
    let mut longest = 0;
    for tcp in 1..=3000 {
        director.answer(&Request::SetTimeouts { tcp: Some(tcp), tcp_fin: None, udp: None }).unwrap();
        longest = longest.max(lines(&plane));
    }
    assert!(longest > 100 && longest < 2000, "{longest}");
    let again = start(&plane, &network);
    assert_eq!(again.store, director.store);
    assert_eq!((again.store.generation(), again.store.timeouts().tcp), (3001, 3000));
}
