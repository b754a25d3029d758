//! The whole data plane on a veth pair, in a network namespace of its own. Needs root; says so when skipped.

use crate::{Dataplane, Error, Options, detach_all};
use model::{
    Change, ForwardingMethod, Hop, Protocol, Reach, RealServer, Scheduler, SchedulerFlags, ServerState, ServiceKey,
    ServiceOptions, State, Timeouts, Weight,
};
use nix::sched::{CloneFlags, unshare};
use std::path::{Path, PathBuf};
use std::process::Command;
use wire::MacAddress;

/// Runs `test` in a thread with a network namespace of its own; commands it starts are in there too.
fn in_namespace(what: &str, test: impl FnOnce(&Path) + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: {what}: needs root");
        return;
    }
    let directory = std::env::temp_dir().join(format!("xlvs-plane-{what}-{}", std::process::id()));
    let place = directory.clone();
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
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
    let scheduler_flags = SchedulerFlags { port: scheduler == Scheduler::Maglev };
    let options = ServiceOptions { scheduler, scheduler_flags, any: false, name: None };
    Change::AddService { service: key, options, owned: true }
}

fn server(endpoint: &str, weight: u32) -> ServerState {
    let hop = Hop { interface: 2, destination: MacAddress([2, 0, 0, 0, 0, 9]), source: MacAddress([2, 0, 0, 0, 0, 1]) };
    let (endpoint, weight) = (endpoint.parse().unwrap(), Weight::new(weight).unwrap());
    ServerState { server: RealServer { endpoint, method: ForwardingMethod::Nat, weight }, reach: Reach::Via(hop) }
}

fn fill(plane: &mut Dataplane) -> State {
    for scheduler in Scheduler::ALL {
        for endpoint in ["10.9.0.1", "[fd00::9]"] {
            let key = key(&format!("{endpoint}:{}", 8000 + scheduler.name().len() * 10 + scheduler as usize));
            plane.apply(&add_service(key, scheduler)).unwrap();
            for number in 1..=3 {
                let endpoint = if key.endpoint.is_ipv4() {
                    format!("10.8.0.{number}:80")
                } else {
                    format!("[fd00::8:{number}]:80")
                };
                plane.apply(&Change::AddServer { service: key, server: server(&endpoint, number) }).unwrap();
            }
        }
    }
    plane.apply(&Change::SetTimeouts(Timeouts { tcp: 100, tcp_fin: 20, udp: 30 })).unwrap();
    plane.actual()
}

#[test]
fn what_was_applied_is_there_again_after_a_new_start() {
    in_namespace("reopen", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let before = fill(&mut plane);
        assert_eq!(before.services.len(), 12);
        assert!(before.services.values().all(|service| service.servers.len() == 3 && service.owned));
        assert_eq!(before.timeouts, Timeouts { tcp: 100, tcp_fin: 20, udp: 30 });
        let attachment = plane.attach("xlvs-a", false).unwrap();
        assert_eq!((attachment.name.as_str(), attachment.lane), ("xlvs-a", "xdp"));
        let refusal = Dataplane::open(&options(directory)).err().unwrap();
        assert!(matches!(refusal, Error::Busy { pid: Some(pid), .. } if pid == std::process::id()), "{refusal}");
        drop(plane);
        let again = Dataplane::open(&options(directory)).unwrap();
        assert_eq!(again.actual(), before);
        assert_eq!(again.attachments().unwrap(), [attachment]);
        drop(again);
        assert_eq!(detach_all(directory).unwrap(), ["xlvs-a"]);
        let empty = Dataplane::open(&options(directory)).unwrap();
        assert_eq!(empty.actual(), State::default());
        assert_eq!(empty.attachments().unwrap(), []);
    });
}

#[test]
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
        let servers = |plane: &Dataplane| plane.actual().services.get(&service).unwrap().servers.clone();
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
        assert_eq!(plane.actual().services.len(), 0);
        assert!(matches!(plane.apply(&Change::AddServer { service, server: a }), Err(Error::NoSuchService(_))));
    });
}

#[test]
fn sweeps_complete_and_rehearsals_tell_a_reason() {
    in_namespace("sweep", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let reports = [plane.sweep().unwrap(), plane.sweep().unwrap()];
        assert_eq!(reports.map(|report| (report.complete, report.expired)), [(false, 0), (true, 0)]);
        assert_eq!((reports[1].family4.size, reports[1].family6.used), (1000, 0));
        let index = plane.attach("xlvs-a", false).unwrap().index;
        let (action, frame, reason) = plane.explain(&[0xff; 60], index).unwrap();
        assert_eq!((action, frame.len()), (2, 60), "XDP_PASS");
        assert!(reason.name().starts_with("pass_"), "{reason:?}");
        assert!(plane.counters().values().all(|count| *count == 0), "a rehearsal counts nothing");
        assert!(plane.verified_instructions().values().all(|count| *count > 0));
    });
}

#[test]
fn every_refusal_to_attach_says_why() {
    in_namespace("attach", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        assert!(matches!(plane.attach("xlvs-none", false), Err(Error::NoInterface(_))));
        let loopback = plane.attach("lo", false).unwrap_err().to_string();
        assert!(loopback.contains("no native XDP"), "{loopback}");
        let second = directory.join("second");
        let mut other = Dataplane::open(&options(&second)).unwrap();
        other.attach("xlvs-a", false).unwrap();
        let conflict = plane.attach("xlvs-a", false).unwrap_err().to_string();
        assert!(conflict.contains("program entry (id "), "{conflict}");
        plane.attach("xlvs-a", true).unwrap();
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

/// Connection counts and statistics as the programs would write them.
fn pretend_traffic(plane: &Dataplane, id: u32, connections: u32) {
    plane.maps.loads.get(id).unwrap().inactive.set(connections);
    let cpus = aya::util::nr_cpus().unwrap();
    let values = [7_u64; 5].repeat(cpus);
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let map = crate::syscall::open_pin(&plane.schema_directory.join("STATISTICS")).unwrap();
    crate::syscall::update(std::os::fd::AsFd::as_fd(&map), &id.to_ne_bytes(), &bytes).unwrap();
}

fn settle_later(plane: &mut Dataplane) {
    let later = std::time::Instant::now() + 2 * crate::slots::REST;
    crate::statistics::settle(&plane.maps, &mut plane.mirror, later).unwrap();
}

fn flags(plane: &Dataplane, id: u32) -> u32 {
    plane.maps.servers.get(id).unwrap().flags.get()
}

fn passes_filter(plane: &Dataplane, address: &str) -> bool {
    let (word, bit) = forward::filter::Filter::place(crate::translate::filter_hash(address.parse().unwrap()));
    plane.maps.filter.get(0).unwrap()[word].get() & bit != 0
}

#[test]
fn removed_servers_wait_for_their_connections_and_can_come_back() {
    in_namespace("revive", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let (service, a) = (key("10.9.0.1:80"), server("10.8.0.1:80", 1));
        let (endpoint, taken) = (a.server.endpoint, forward::abi::RealServer::TAKEN);
        let add = Change::AddServer { service, server: a.clone() };
        let remove = Change::RemoveServer { service, server: endpoint };
        plane.apply(&add_service(service, Scheduler::RoundRobin)).unwrap();
        plane.apply(&add).unwrap();
        let id = plane.server_id(&service, &endpoint).unwrap();
        pretend_traffic(&plane, id, 1);
        let total = plane.statistics(&service, None);
        assert!(total.connections >= 7 && plane.statistics(&service, Some(&endpoint)) == total);

        plane.apply(&remove).unwrap();
        settle_later(&mut plane);
        assert_eq!(flags(&plane, id) & (taken | forward::abi::RealServer::AVAILABLE), taken);
        drop(plane);
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        plane.apply(&add).unwrap();
        assert_eq!(plane.server_id(&service, &endpoint), Some(id), "revived, by another daemon");
        assert_eq!(plane.load(&service, &endpoint), Some((0, 1)));

        plane.apply(&Change::RemoveService { service }).unwrap();
        settle_later(&mut plane);
        assert!(passes_filter(&plane, "10.9.0.1"), "its connections are still dropped, not passed");
        plane.apply(&add_service(service, Scheduler::RoundRobin)).unwrap();
        plane.apply(&add).unwrap();
        assert_eq!(plane.server_id(&service, &endpoint), Some(id), "revived with its service");

        plane.apply(&remove).unwrap();
        plane.maps.loads.get(id).unwrap().inactive.set(0);
        settle_later(&mut plane);
        assert_eq!((flags(&plane, id), passes_filter(&plane, "10.8.0.1")), (0, false));
        assert_eq!(plane.statistics(&service, None), total, "the service keeps what its server carried");
        plane.apply(&Change::RemoveService { service }).unwrap();
        assert!(!passes_filter(&plane, "10.9.0.1"));
    });
}

#[test]
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
