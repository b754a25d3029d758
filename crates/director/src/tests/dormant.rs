//! What is kept and listed without effect: never in the maps, never lost.

use super::changes::{add_server, key, network, server, start};
use super::fakes::FakePlane;
use api::Request;
use model::{
    Encapsulation, ForwardingMethod, Persistence, PersistenceEngine, RealServer, Scheduler, SchedulerFlags,
    ServiceOptions, Thresholds, TunnelChecksum,
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
        Request::AddService { key: key(), options },
        Request::AddServer { service: key(), server: limited },
        Request::AddServer { service: key(), server: server("[fd00::2]:80", tunnel) },
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
    assert_eq!(kept, [server("10.0.0.1:80", ForwardingMethod::Nat)], "a tunnel gets no packets");
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
        "server [fd00::2]:80 of tcp 192.0.2.1:80: tunneling (-i) is kept and listed, but does not act yet: the server gets no packets",
    ] {
        assert!(notes.iter().any(|note| note == expected), "{notes:?}");
    }
    assert_eq!(notes.iter().filter(|note| note.contains("does not act yet")).count(), 6, "{notes:?}");
    assert!(!notes.iter().any(|note| note.contains("not in the rotation")), "{notes:?}");
}

#[test]
fn an_edit_wakes_a_server_up() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    for request in requests() {
        director.answer(&request).unwrap();
    }
    director.answer(&add_server("10.0.0.3:80")).unwrap();
    let tunnel = ForwardingMethod::Tunnel(Encapsulation::Ipip);
    for (method, in_maps) in [(tunnel, 1), (ForwardingMethod::Nat, 2)] {
        let server = server("10.0.0.3:80", method);
        director.answer(&Request::EditServer { service: key(), server }).unwrap();
        assert_eq!(plane.kernel().state.services[&key()].servers.len(), in_maps);
    }
}
