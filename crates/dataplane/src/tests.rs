//! The whole data plane on a veth pair, in a network namespace of its own.

mod capture;
mod connections;
mod lanes;
mod methods;
mod restart;

use crate::{Dataplane, Error, Options, Rehearsed, detach_all};
use forward::schedule::Cursor;
use model::{
    Change, ForwardingMethod, Hop, LaneChoice, Protocol, Reach, RealServer, Scheduler, SchedulerFlags, ServerState,
    ServiceKey, ServiceOptions, Weight,
};
use nix::sched::{CloneFlags, unshare};
use std::path::{Path, PathBuf};
use std::process::Command;
use wire::MacAddress;

/// Runs `test` in a thread with a network namespace of its own; commands it starts are in there too.
fn in_namespace(what: &str, test: impl FnOnce(&Path) + Send + 'static) {
    let directory = std::env::temp_dir().join(format!("xlvs-plane-{what}-{}", std::process::id()));
    let place = directory.clone();
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        // A kernel that looks for IPv6 routers would be counted.
        std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").unwrap();
        ip("link add xlvs-a type veth peer name xlvs-b");
        ip("link set xlvs-a up");
        ip("link set xlvs-b up");
        test(&place);
    });
    let result = thread.join();
    detach_all(&directory).unwrap();
    std::fs::remove_dir(&directory).unwrap();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

fn options(directory: &Path) -> Options {
    Options { pin_directory: PathBuf::from(directory), connections4: 1000, connections6: 1000 }
}

fn key(endpoint: &str) -> ServiceKey {
    ServiceKey { protocol: Protocol::Tcp, endpoint: endpoint.parse().unwrap() }
}

fn add_service(key: ServiceKey, scheduler: Scheduler) -> Change {
    let (port, fallback) = (scheduler == Scheduler::Maglev, scheduler == Scheduler::SourceHash);
    let scheduler_flags = SchedulerFlags { port, fallback, ..SchedulerFlags::NONE };
    let options = ServiceOptions { scheduler, scheduler_flags, ..ServiceOptions::default() };
    Change::AddService { service: key, options, owned: true }
}

fn server(endpoint: &str, weight: u32) -> ServerState {
    let hop = Hop {
        interface: 2,
        destination: MacAddress([2, 0, 0, 0, 0, 9]),
        source: MacAddress([2, 0, 0, 0, 0, 1]),
        vlan: 0,
        mtu: 1500,
        address: None,
    };
    let (endpoint, weight) = (endpoint.parse().unwrap(), Weight::new(weight).unwrap());
    ServerState { server: RealServer::new(endpoint, ForwardingMethod::Nat, weight), reach: Reach::Via(hop) }
}

#[test]
#[ignore = "needs root"]
fn edits_and_removals_touch_only_what_they_name() {
    in_namespace("edits", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let service = key("10.9.0.1:80");
        plane.apply(&add_service(service, Scheduler::Maglev)).unwrap();
        let [a, b] = ["10.8.0.1:80", "10.8.0.2:80"].map(|endpoint| server(endpoint, 1));
        for server in [&a, &b] {
            plane.apply(&Change::AddServer { service, server: server.clone() }).unwrap();
        }
        let unresolved = ServerState { reach: Reach::Unresolved, ..a.clone() };
        plane.apply(&Change::EditServer { service, server: unresolved.clone() }).unwrap();
        let servers = |plane: &Dataplane| plane.actual().unwrap().services.get(&service).unwrap().servers.clone();
        assert_eq!(servers(&plane), [unresolved, b.clone()]);
        let stranger = plane.apply(&Change::EditServer { service, server: server("10.8.0.3:80", 1) });
        assert!(matches!(stranger, Err(Error::NoSuchServer { .. })));
        let other_family = plane.apply(&Change::AddServer { service, server: server("[fd00::1]:80", 1) });
        assert!(matches!(other_family, Err(Error::Invalid(_))));
        let gone = Change::RemoveServer { service, server: a.server.endpoint };
        plane.apply(&gone).unwrap();
        plane.apply(&gone).unwrap();
        assert_eq!(servers(&plane), [b]);
        assert_eq!(plane.load(&service, &a.server.endpoint), None);
        plane.apply(&Change::RemoveService { service }).unwrap();
        assert_eq!(plane.actual().unwrap().services.len(), 0);
        assert!(matches!(plane.apply(&Change::AddServer { service, server: a }), Err(Error::NoSuchService(_))));
    });
}

#[test]
#[ignore = "needs root"]
fn sweeps_complete_and_rehearsals_tell_a_reason() {
    in_namespace("sweep", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let reports = [plane.sweep().unwrap(), plane.sweep().unwrap()];
        assert_eq!(reports.map(|report| (report.complete, report.expired)), [(false, 0), (true, 0)]);
        assert_eq!((reports[1].family4.size, reports[1].family6.used), (1000, 0));
        let index = plane.attach("xlvs-a", None, false).unwrap().index;
        let Rehearsed { action, frame, reason, .. } = plane.explain(&[0xff; 60], index).unwrap();
        assert_eq!((action, frame.len()), (forward::Action::Pass, 60));
        assert!(reason.name().starts_with("pass_"), "{reason:?}");
        assert!(plane.counters().values().all(|count| *count == 0), "a rehearsal counts nothing");
        assert!(plane.verified_instructions().values().all(|count| *count > 0));
    });
}

#[test]
#[ignore = "needs root"]
fn every_refusal_to_attach_says_why() {
    in_namespace("attach", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        assert!(matches!(plane.attach("xlvs-none", None, false), Err(Error::NoInterface(_))));
        let loopback = plane.attach("lo", Some(LaneChoice::Xdp), false).unwrap_err().to_string();
        assert!(loopback.contains("no native XDP"), "{loopback}");
        let second = directory.join("second");
        let mut other = Dataplane::open(&options(&second)).unwrap();
        other.attach("xlvs-a", None, false).unwrap();
        let conflict = plane.attach("xlvs-a", None, false).unwrap_err().to_string();
        assert!(conflict.contains("program entry (id "), "{conflict}");
        plane.attach("xlvs-a", None, true).unwrap();
        assert_eq!(other.attachments().unwrap(), []);
        drop(other);
        detach_all(&second).unwrap();
        assert!(!second.exists());
        assert_eq!(plane.attachments().unwrap().len(), 1);
        plane.detach("xlvs-a").unwrap();
        assert!(matches!(plane.detach("xlvs-a"), Err(Error::NotAttached(_))));
        assert!(matches!(plane.detach("xlvs-none"), Err(Error::NoInterface(_))));
    });
}

#[test]
#[ignore = "needs root"]
fn the_cursor_stays_with_its_server() {
    in_namespace("cursor", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let service = key("10.9.0.1:80");
        plane.apply(&add_service(service, Scheduler::RoundRobin)).unwrap();
        for number in 1..=3 {
            let server = server(&format!("10.8.0.{number}:80"), 1);
            plane.apply(&Change::AddServer { service, server }).unwrap();
        }
        let id = plane.mirror.services.get(&service).unwrap().id;
        let cursor = |plane: &Dataplane| plane.maps.cursors.get(id).unwrap().get();
        plane.maps.cursors.get(id).unwrap().set(2);
        plane.apply(&Change::AddServer { service, server: server("10.8.0.4:80", 1) }).unwrap();
        assert_eq!(cursor(&plane), 3);
        let gone =
            |number: u32| Change::RemoveServer { service, server: format!("10.8.0.{number}:80").parse().unwrap() };
        plane.apply(&gone(2)).unwrap();
        assert_eq!(cursor(&plane), 2, "back to its predecessor");
        plane.apply(&gone(1)).unwrap();
        assert_eq!(cursor(&plane), 2, "what stands behind it does not matter");
        let element = crate::snapshot::services(&plane.maps).unwrap();
        let list: Vec<String> = element[0].servers.iter().map(|it| it.state.server.endpoint.to_string()).collect();
        assert_eq!(list, ["10.8.0.4:80", "10.8.0.3:80"], "newest first");
    });
}

#[test]
#[ignore = "needs root"]
fn losing_a_server_is_an_edit_to_wrr() {
    in_namespace("wrr", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let service = key("10.9.0.1:80");
        plane.apply(&add_service(service, Scheduler::WeightedRoundRobin)).unwrap();
        for (endpoint, weight) in [("10.8.0.1:80", 2), ("10.8.0.2:80", 4), ("10.8.0.3:80", 5)] {
            plane.apply(&Change::AddServer { service, server: server(endpoint, weight) }).unwrap();
        }
        let seen = |plane: &Dataplane| {
            let element = plane.maps.services4.entries().unwrap()[0].1;
            let cursor = Cursor::from_word(plane.maps.cursors.get(element.id).unwrap().get());
            (element.weight_step, element.weight_top, cursor)
        };
        assert_eq!((seen(&plane).0, seen(&plane).1), (1, 5));
        let id = plane.mirror.services.get(&service).unwrap().id;
        plane.maps.cursors.get(id).unwrap().set(Cursor { position: 2, weight: 4 }.word());
        let lost = ServerState { reach: Reach::Unresolved, ..server("10.8.0.3:80", 5) };
        plane.apply(&Change::EditServer { service, server: lost }).unwrap();
        assert_eq!(seen(&plane), (2, 3, Cursor { position: 0, weight: 3 }), "of 2 and 4: begun again at the top");
        plane.maps.cursors.get(id).unwrap().set(Cursor { position: 1, weight: 3 }.word());
        plane.apply(&Change::EditServer { service, server: server("10.8.0.3:80", 5) }).unwrap();
        assert_eq!(seen(&plane), (1, 5, Cursor { position: 0, weight: 3 }), "it goes on at the weight it had reached");
    });
}
