//! What one daemon leaves, the next one finds: configuration, removed servers, weights of the past.

use super::{add_service, in_namespace, key, options, server};
use crate::{Dataplane, Error, detach_all};
use model::{Change, Lane, Scheduler, ServiceKey, State, Sysctl, Sysctls, Timeouts};

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
    let mut sysctls = Sysctls::default();
    sysctls.set(Sysctl::ConnReuseMode, 2);
    plane.apply(&Change::SetSysctls(sysctls)).unwrap();
    plane.actual().unwrap()
}

#[test]
#[ignore = "needs root"]
fn what_was_applied_is_there_again_after_a_new_start() {
    in_namespace("reopen", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let before = fill(&mut plane);
        assert_eq!(before.services.len(), 2 * Scheduler::ALL.len());
        assert!(before.services.values().all(|service| service.servers.len() == 3 && service.owned));
        assert_eq!(before.timeouts, Timeouts { tcp: 100, tcp_fin: 20, udp: 30 });
        assert_eq!(before.sysctls.get(Sysctl::ConnReuseMode), 2);
        let attachment = plane.attach("xlvs-a", None, false).unwrap();
        assert_eq!((attachment.name.as_str(), attachment.lane), ("xlvs-a", Lane::Xdp));
        let refusal = Dataplane::open(&options(directory)).err().unwrap();
        assert!(matches!(refusal, Error::Busy { pid: Some(pid), .. } if pid == std::process::id()), "{refusal}");
        drop(plane);
        let again = Dataplane::open(&options(directory)).unwrap();
        assert_eq!(again.actual().unwrap(), before);
        assert_eq!(again.attachments().unwrap(), [attachment]);
        drop(again);
        assert_eq!(detach_all(directory).unwrap(), ["xlvs-a"]);
        let empty = Dataplane::open(&options(directory)).unwrap();
        assert_eq!(empty.actual().unwrap(), State::default());
        assert_eq!(empty.attachments().unwrap(), []);
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
#[ignore = "needs root"]
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

        plane.apply(&Change::RemoveService { service }).unwrap();
        drop(plane);
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        settle_later(&mut plane);
        plane.apply(&add_service(key("10.9.0.2:80"), Scheduler::RoundRobin)).unwrap();
        assert!(passes_filter(&plane, "10.9.0.1"), "another daemon knows as much");
        plane.apply(&add_service(service, Scheduler::RoundRobin)).unwrap();
        plane.apply(&add).unwrap();
        assert_eq!(plane.server_id(&service, &endpoint), Some(id), "revived with its service, by another daemon");
        assert_eq!(plane.load(&service, &endpoint), Some((0, 1)));
        assert_eq!(plane.statistics(&service, None), total);

        plane.apply(&remove).unwrap();
        plane.maps.loads.get(id).unwrap().inactive.set(0);
        settle_later(&mut plane);
        assert_eq!((flags(&plane, id), passes_filter(&plane, "10.8.0.1")), (0, false));
        assert_eq!(plane.statistics(&service, None), total, "the service keeps what its server carried");
        plane.apply(&Change::RemoveService { service }).unwrap();
        assert!(!passes_filter(&plane, "10.9.0.1"));
    });
}

/// The servers of mh's slots.
fn maglev_table(plane: &Dataplane, service: &ServiceKey) -> Vec<u32> {
    let table = plane.mirror.services.get(service).unwrap().table;
    (0..table.length).map(|slot| plane.maps.schedule.get(table.start + slot).unwrap().get()).collect()
}

#[test]
#[ignore = "needs root"]
fn a_quiesced_server_keeps_its_slots() {
    in_namespace("quiesce", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let service = key("10.9.0.1:80");
        plane.apply(&add_service(service, Scheduler::Maglev)).unwrap();
        for number in 1..=3 {
            let server = server(&format!("10.8.0.{number}:80"), number);
            plane.apply(&Change::AddServer { service, server }).unwrap();
        }
        let table = maglev_table(&plane, &service);
        plane.apply(&Change::EditServer { service, server: server("10.8.0.3:80", 0) }).unwrap();
        assert_eq!(maglev_table(&plane, &service), table);
        drop(plane);
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        assert_eq!(maglev_table(&plane, &service), table);
        let fourth = server("10.8.0.4:80", 1);
        let endpoint = fourth.server.endpoint;
        plane.apply(&Change::AddServer { service, server: fourth }).unwrap();
        assert_ne!(maglev_table(&plane, &service), table);
        plane.apply(&Change::RemoveServer { service, server: endpoint }).unwrap();
        assert_eq!(
            maglev_table(&plane, &service),
            table,
            "filled anew, by another daemon, with the weights that count"
        );
    });
}

#[test]
#[ignore = "needs root"]
fn removed_pins_are_noticed_and_nothing_is_kept_any_more() {
    in_namespace("gone", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        plane.journal().append("one").unwrap();
        plane.check_pins().unwrap();
        std::fs::remove_file(directory.join("journal")).unwrap();
        let gone = plane.check_pins().unwrap_err().to_string();
        assert!(gone.contains("(first: journal)"), "{gone}");
        assert!(matches!(plane.journal().append("two"), Err(Error::PinsGone { .. })));
        assert!(matches!(plane.journal().replace(Vec::new()), Err(Error::PinsGone { .. })));
        std::fs::remove_file(plane.schema_directory.join("SERVERS")).unwrap();
        assert!(matches!(plane.check_pins(), Err(Error::PinsGone { missing, .. }) if missing == "SERVERS"));
        assert!(plane.give_up());
        std::fs::create_dir(directory).unwrap();
    });
}

#[test]
#[ignore = "needs root"]
fn attachments_without_pins_are_told() {
    in_namespace("stray", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        plane.attach("xlvs-a", None, false).unwrap();
        let elsewhere = std::env::temp_dir().join(format!("xlvs-plane-nowhere-{}", std::process::id()));
        let told = detach_all(&elsewhere).unwrap_err().to_string();
        assert!(told.contains("xlvs-a runs XDP program entry (id "), "{told}");
        assert_eq!(plane.attachments().unwrap().len(), 1);
        // In a third namespace the index means another interface, or none.
        drop(plane);
        let place = directory.to_owned();
        let names = std::thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            super::ip("link add xlvs-c type veth peer name xlvs-d");
            detach_all(&place).unwrap()
        });
        let names = names.join().unwrap();
        assert!(names.len() == 1 && names[0].starts_with("if"), "{names:?}");
    });
}
