//! The life of the daemon and of its servers under load: nothing is lost that need not be.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/load.rs"]
mod load;

use lab::node::client::Session;
use lab::node::{Entry, Reuse, Xlvs};
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

#[test]
#[ignore = "needs root"]
fn kill_nine_and_restart_lose_nothing() {
    kill_and_restart(Topology::point_to_point(Mode::Nat), Family::V4, Entry::Direct);
}

#[test]
#[ignore = "needs root"]
fn kill_nine_and_restart_in_ip_netns_exec_lose_nothing() {
    kill_and_restart(Topology::bridged(Mode::Dr), Family::V6, Entry::IpNetnsExec);
}

fn kill_and_restart(topology: Topology, family: Family, entry: Entry) {
    let (lab, mut director, scenario) = ready(topology, family, entry);
    let rules = director.ipvsadm("-Sn").unwrap();
    let tally = load::under_load(&lab, &scenario, || {
        for _ in 0..2 {
            director.kill_nine().unwrap();
            sleep(Duration::from_millis(500));
            director.start().unwrap();
            assert_eq!(director.ipvsadm("-Sn").unwrap(), rules);
            sleep(Duration::from_millis(300));
        }
    });
    assert_eq!(tally.served_by.len(), 3, "{:?}", tally.served_by);
    director.stop(false).unwrap();
    assert!(lab.client.get(scenario.service()).is_err(), "stopped, and yet balanced");
    assert!(director.host().processes().is_empty(), "xlvs stop leaves processes: {:?}", director.host().processes());
}

#[test]
#[ignore = "needs root"]
fn stop_keep_forwarding_and_restart_lose_nothing() {
    let (lab, mut director, scenario) = ready(Topology::point_to_point(Mode::Nat), Family::V6, Entry::Direct);
    let rules = director.ipvsadm("-Sn").unwrap();
    load::under_load(&lab, &scenario, || {
        director.stop(true).unwrap();
        sleep(Duration::from_millis(500));
        director.start().unwrap();
        assert_eq!(director.ipvsadm("-Sn").unwrap(), rules);
    });
}

#[test]
#[ignore = "needs root"]
fn detach_all_works_without_the_daemon() {
    let (lab, mut director, scenario) = ready(Topology::point_to_point(Mode::Nat), Family::V4, Entry::Direct);
    director.kill_nine().unwrap();
    assert!(lab.client.get(scenario.service()).is_ok());
    let pins = director.pins().to_str().unwrap().to_owned();
    director.run(&["detach", "--all", "--pin-dir", &pins]).unwrap().success().unwrap();
    assert!(lab.client.get(scenario.service()).is_err(), "detached, and yet balanced");
    assert!(std::fs::read_dir(&pins).map_or(true, |mut left| left.next().is_none()), "pins are left in {pins}");
}

#[test]
#[ignore = "needs root"]
fn quiescing_loses_nothing_and_sends_nothing_new() {
    for (topology, family) in
        [(Topology::point_to_point(Mode::Nat), Family::V4), (Topology::bridged(Mode::Dr), Family::V6)]
    {
        let (lab, director, scenario) = ready(topology, family, Entry::Direct);
        let mut sessions = sessions(&lab, &scenario, 6);
        load::under_load(&lab, &scenario, || director.ipvsadm(&edit(&lab, &scenario, "-e", "-w 0")).map(drop).unwrap());
        for session in sessions.get_mut("server2").unwrap() {
            assert_eq!(session.get(Reuse::KeepAlive).unwrap().server, "server2");
        }
        let after = lab.client.requests(scenario.service(), 60, Reuse::Close, |_| true).unwrap();
        assert_eq!((after.ok, after.served_by.get("server2")), (60, None), "{:?}", after.served_by);
    }
}

#[test]
#[ignore = "needs root"]
fn deleting_drops_only_that_servers_flows_and_readding_revives_them() {
    for (topology, family) in
        [(Topology::point_to_point(Mode::Nat), Family::V4), (Topology::bridged(Mode::Dr), Family::V6)]
    {
        let (lab, director, scenario) = ready(topology, family, Entry::Direct);
        let mut sessions = sessions(&lab, &scenario, 6);
        let dropped = || director.status().unwrap()["counters"]["drop_server_removed"].as_u64().unwrap();
        assert_eq!(dropped(), 0);
        director.ipvsadm(&edit(&lab, &scenario, "-d", "")).unwrap();
        let after = lab.client.requests(scenario.service(), 60, Reuse::Close, |_| true).unwrap();
        assert_eq!((after.ok, after.served_by.get("server2")), (60, None), "{:?}", after.served_by);
        for (server, sessions) in &mut sessions {
            for session in sessions {
                session.set_patience(Duration::from_secs(1)).unwrap();
                session.ask(Reuse::KeepAlive).unwrap();
                assert_eq!(session.answer().is_ok(), server != "server2", "a session of {server}");
            }
        }
        assert!(dropped() > 0, "drops are not counted");
        let method = lab.topology.mode.flag();
        director.ipvsadm(&edit(&lab, &scenario, "-a", method)).unwrap();
        director.wait_for_servers().unwrap();
        for session in sessions.get_mut("server2").unwrap() {
            // The request is still unanswered: the client's kernel sends it again, at growing intervals.
            session.set_patience(Duration::from_secs(10)).unwrap();
            assert_eq!(session.answer().unwrap().server, "server2");
        }
    }
}

/// A director with both services, all servers reached.
fn ready(topology: Topology, family: Family, entry: Entry) -> (Lab, Xlvs, Scenario) {
    let lab = Lab::build(topology).unwrap();
    let mut director = lab.director(entry).unwrap();
    director.start().unwrap();
    let scenario = Scenario::usual(family);
    scenario.configure(&lab, &director).unwrap();
    (lab, director, scenario)
}

/// `count` open connections that have been used once, by server.
fn sessions(lab: &Lab, scenario: &Scenario, count: usize) -> BTreeMap<String, Vec<Session>> {
    let mut sessions: BTreeMap<String, Vec<Session>> = BTreeMap::new();
    for _ in 0..count {
        let mut session = lab.client.connect(scenario.service()).unwrap();
        let answer = session.get(Reuse::KeepAlive).unwrap();
        sessions.entry(answer.server).or_default().push(session);
    }
    assert_eq!(sessions.len(), 3);
    sessions
}

/// An ipvsadm line about server2 of the web service.
fn edit(lab: &Lab, scenario: &Scenario, verb: &str, rest: &str) -> String {
    let server = std::net::SocketAddr::new(lab.servers[1].address.of(scenario.family), 80);
    let method = if verb == "-e" { lab.topology.mode.flag() } else { "" };
    format!("{verb} -t {} -r {server} {method} {rest}", scenario.service())
}
