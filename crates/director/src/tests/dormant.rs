//! What is kept and listed without effect: never in the maps, never lost.

use super::changes::{add_server, key, network, server, start};
use super::fakes::FakePlane;
use api::RefusalKind;
use api::{ExplainRequest, Request};
use model::{
    Encapsulation, FirewallMark, ForwardingMethod, Key, Persistence, PersistenceEngine, Protocol, RealServer,
    Scheduler, SchedulerFlags, ServiceKey, ServiceOptions, SyncDaemon, SyncRole, Thresholds, TunnelChecksum,
};

/// A service with everything that does not act, and servers of the kind.
fn requests() -> Vec<Request> {
    let options = ServiceOptions {
        scheduler: Scheduler::TwoRandomChoices,
        scheduler_flags: SchedulerFlags { third: true, ..SchedulerFlags::NONE },
        persistence: Some(Persistence { timeout: 60, granularity: None }),
        persistence_engine: Some(PersistenceEngine::Sip),
        one_packet: true,
        ..ServiceOptions::default()
    };
    let checksum = TunnelChecksum::Remote;
    let tunnel = ForwardingMethod::Tunnel(Encapsulation::Gue { port: 6080, checksum });
    let thresholds = Thresholds { upper: 9, lower: 3 };
    let limited = RealServer { thresholds, ..server("10.0.0.1:80", ForwardingMethod::Nat) };
    vec![
        Request::AddService { key: key().into(), options },
        Request::AddServer { service: key().into(), server: limited },
        Request::AddServer { service: key().into(), server: server("[fd00::2]:80", tunnel) },
    ]
}

#[test]
fn it_outlives_the_daemon_and_is_no_drift() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    for request in requests() {
        director.answer(&request).unwrap();
    }
    let kept: Vec<_> = plane.kernel().state.services[&key()].servers.iter().map(|it| it.server).collect();
    let [plain, tunnel] = [0, 1].map(|place| match &requests()[place + 1] {
        Request::AddServer { server, .. } => RealServer { thresholds: Thresholds::default(), ..*server },
        other => panic!("{other:?}"),
    });
    assert_eq!(kept, [plain, tunnel], "in the maps there are no thresholds");
    plane.kernel().changes.clear();
    director.heal();
    assert_eq!(plane.kernel().changes, []);
    let listing = director.listing();
    assert_eq!(listing.services[0].servers.len(), 2);
    drop(director);
    let again = start(&plane, &network);
    assert_eq!(again.listing().services, listing.services);
    assert_eq!(plane.kernel().changes, []);
}

#[test]
fn the_status_names_it() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    for request in requests() {
        director.answer(&request).unwrap();
    }
    let notes = director.status().unwrap().notes;
    for expected in [
        "service tcp 192.0.2.1:80: scheduler twos is kept and listed, but does not act yet: nothing is scheduled",
        "server 10.0.0.1:80 of tcp 192.0.2.1:80: a threshold (-x, -y) is kept and listed, but does not act yet: the server takes as many connections as it gets",
    ] {
        assert!(notes.iter().any(|note| note == expected), "{notes:?}");
    }
    assert_eq!(notes.iter().filter(|note| note.contains("does not act yet")).count(), 5, "{notes:?}");
}

/// Services that match no packet: by mark, of SCTP, of all ports.
fn unmatched() -> [Key; 4] {
    let endpoint =
        |protocol, endpoint: &str| Key::Endpoint(ServiceKey { protocol, endpoint: endpoint.parse().unwrap() });
    [
        Key::Mark(FirewallMark { mark: 7, ipv6: false }),
        Key::Mark(FirewallMark { mark: 7, ipv6: true }),
        endpoint(Protocol::Sctp, "192.0.2.1:80"),
        endpoint(Protocol::Tcp, "192.0.2.1:0"),
    ]
}

#[test]
fn services_that_match_no_packet_are_kept_and_never_in_the_maps() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let persistence = Some(Persistence { timeout: 60, granularity: None });
    for key in unmatched() {
        let options = ServiceOptions { persistence, ..ServiceOptions::default() };
        director.answer(&Request::AddService { key, options }).unwrap();
        let real = if key.is_ipv6() { "[fd00::1]:80" } else { "10.0.0.1:80" };
        let real = server(real, ForwardingMethod::Nat);
        let done = director.answer(&Request::AddServer { service: key, server: real }).unwrap();
        assert!(done.pending.is_empty(), "nobody asks for a neighbour that gets no packets");
        director.answer(&Request::Zero { service: Some(key) }).unwrap();
    }
    assert!(plane.kernel().state.services.is_empty() && network.wire().asked.is_empty());
    let notes = director.status().unwrap().notes;
    assert_eq!(notes.iter().filter(|note| note.ends_with("it matches no packet")).count(), 4, "{notes:?}");
    assert!(!notes.iter().any(|note| note.contains("not forwarded") || note.contains("rotation")), "{notes:?}");
    let listing = director.listing();
    let again = start(&plane, &network);
    assert_eq!(again.listing(), listing);
    assert_eq!(listing.services.len(), 4);
}

#[test]
fn synchronization_daemons_are_kept_as_their_interface_made_them() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let (role, daemon) = (SyncRole::Backup, SyncDaemon::default());
    let start_sync = |interface: &str| Request::StartSync {
        role,
        daemon: SyncDaemon { interface: interface.to_owned(), ..daemon.clone() },
    };
    let refused = |outcome: Result<crate::director::Done, api::Refusal>| outcome.err().unwrap().kind;
    assert_eq!(refused(director.answer(&start_sync("eth9"))), RefusalKind::NoSuchInterface);
    director.answer(&Request::Batch { requests: vec![start_sync("eth0")] }).unwrap();
    assert_eq!(refused(director.answer(&start_sync("eth0"))), RefusalKind::DaemonRuns);
    let kept = SyncDaemon { maximum_length: 1472, ..daemon.clone() };
    let mut director = start(&plane, &network);
    assert_eq!(director.listing().synchronization, [(role, kept)].into());
    for request in requests().into_iter().take(2) {
        director.answer(&request).unwrap();
    }
    // Synchronization cannot tell of a server of the other family.
    assert_eq!(refused(director.answer(&requests()[2])), RefusalKind::Invalid);
    director.answer(&Request::StopSync { role }).unwrap();
    assert_eq!(refused(director.answer(&Request::StopSync { role })), RefusalKind::NoDaemon);
    director.answer(&requests()[2]).unwrap();
    assert_eq!(refused(director.answer(&start_sync("eth0"))), RefusalKind::Invalid);
    assert!(director.listing().synchronization.is_empty());
}

#[test]
fn an_explanation_says_what_does_not_act() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director
        .answer(&Request::Attach { interface: "eth0".to_owned(), lane: None, force: false, confirm_within: None })
        .unwrap();
    let question = ExplainRequest { service: key(), client: "198.51.100.7:4000".parse().unwrap() };
    let options = |scheduler| ServiceOptions { scheduler, ..ServiceOptions::default() };
    director.answer(&Request::AddService { key: key().into(), options: options(Scheduler::RoundRobin) }).unwrap();
    director.answer(&add_server("10.0.0.2:80")).unwrap();
    let mut because = |scheduler: Scheduler| {
        director.answer(&Request::EditService { key: key().into(), options: options(scheduler) }).unwrap();
        director.explain(&question).unwrap().because
    };
    for (scheduler, expected) in [
        (Scheduler::TwoRandomChoices, "scheduler twos is kept and listed, but does not act yet"),
        (Scheduler::Nobody, "has no scheduler (none)"),
    ] {
        let because = because(scheduler);
        assert!(because.contains(expected), "{because}");
    }
}
