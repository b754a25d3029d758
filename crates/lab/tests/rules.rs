//! Who may forward, who may be chosen, and what the counters say of it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::net::{Device, Offload};
use lab::node::{Entry, Reuse, Tally, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs root"]
fn a_server_that_is_not_there_gets_nothing() {
    let (lab, director, scenario) = ready(Topology::bridged(Mode::Dr));
    let ghost = format!("-t {} -r 10.0.0.99:80", scenario.service());
    director.ipvsadm(&format!("-a {ghost} -g -w 5")).unwrap();
    assert_eq!(shares(&sixty(&lab, &scenario)), [20, 20, 20]);
    assert!(director.ipvsadm("-Sn").unwrap().contains(&format!("-a {ghost} -g -w 5")), "its weight is not kept");
}

#[test]
#[ignore = "needs root"]
fn a_server_that_goes_away_leaves_the_rotation() {
    let (lab, _director, scenario) = ready(Topology::point_to_point(Mode::Nat));
    Device::new(&lab.servers[2].host, "e0").down().unwrap();
    let begin = Instant::now();
    while sixty(&lab, &scenario).ok < 60 {
        assert!(begin.elapsed() < Duration::from_secs(60), "requests still go to a server that is down");
    }
    assert_eq!(shares(&sixty(&lab, &scenario)), [30, 30]);
}

#[test]
#[ignore = "needs root"]
fn a_virtual_address_is_forwarded_only_while_it_is_ours() {
    let (lab, director, scenario) = ready(Topology::point_to_point(Mode::Nat));
    let counted = |name: &str| director.status().unwrap()["counters"][name].as_u64().unwrap();
    let (outside, inside) = (Device::new(&lab.director, "d0"), Device::new(&lab.director, "lo"));
    let vip = address::VIRTUAL.of(Family::V4);
    assert_eq!(sixty(&lab, &scenario).ok, 60);

    // On lo it is what every real server has.
    outside.remove_address(vip).unwrap();
    inside.add_address(vip, 32).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let forwarded = counted("forward_in");
    assert!(lab.client.get(scenario.service()).is_err(), "forwarded though it is not ours");
    assert_eq!(counted("forward_in"), forwarded);

    inside.remove_address(vip).unwrap();
    outside.add_address(vip, 32).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(sixty(&lab, &scenario).ok, 60);
}

/// Also the proof that the lab would see wrong checksums.
#[test]
#[ignore = "needs root"]
fn partial_checksums_are_recognised() {
    let (lab, director, scenario) = ready(Topology::point_to_point(Mode::Nat));
    assert_eq!(sixty(&lab, &scenario).ok, 60);
    // By choice the interface would move to tc.
    director.run(&["attach", "d0", "--lane", "xdp"]).unwrap().success().unwrap();
    let partial = || director.status().unwrap()["interfaces"][0]["partial_checksums"].as_u64().unwrap();
    assert_eq!((partial(), lab.counters().unwrap().checksum_errors), (0, 0));
    Device::new(&lab.client.host, "c0").set_offload(Offload::TransmitChecksum, true).unwrap();
    let finished = lab.client.curl(&["--max-time", "2", &format!("http://{}/", scenario.service())]).unwrap();
    assert_ne!(finished.code, Some(0));
    assert!(partial() > 0, "xlvs did not count them");
    assert!(lab.counters().unwrap().checksum_errors > 0, "the lab did not count them");
}

#[test]
#[ignore = "needs root"]
fn schedulers_share_as_they_should() {
    let (lab, director, scenario) = ready(Topology::one_armed(Mode::Nat));
    let service = scenario.service();
    let weigh = |number: usize, weight: u32| {
        let server = lab.servers[number - 1].address.of(Family::V4);
        director.ipvsadm(&format!("-e -t {service} -r {server}:80 -m -w {weight}")).unwrap();
    };
    weigh(1, 3);
    for scheduler in ["wrr", "wlc", "lc", "sh", "mh"] {
        director.ipvsadm(&format!("-E -t {service} -s {scheduler}")).unwrap();
        let tally = sixty(&lab, &scenario);
        assert_eq!(tally.ok, 60, "{scheduler}: {:?}", tally.errors);
        match scheduler {
            "wrr" => assert_eq!(shares(&tally), [36, 12, 12]),
            // One client: always the same server.
            "sh" | "mh" => assert_eq!(shares(&tally), [60], "{scheduler}"),
            _ => assert!(tally.served_by.len() > 1, "{scheduler}: {:?}", tally.served_by),
        }
    }
}

fn ready(topology: Topology) -> (Lab, Xlvs, Scenario) {
    let lab = Lab::build(topology).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.start().unwrap();
    let scenario = Scenario::usual(Family::V4);
    director.ipvsadm(&format!("-A -t {} -s rr", scenario.service())).unwrap();
    for server in &lab.servers {
        let endpoint = server.address.of(Family::V4);
        director.ipvsadm(&format!("-a -t {} -r {endpoint}:80 {}", scenario.service(), topology.mode.flag())).unwrap();
    }
    director.wait_for_servers().unwrap();
    (lab, director, scenario)
}

fn sixty(lab: &Lab, scenario: &Scenario) -> Tally {
    // A failed request costs its whole time-out: one is enough to know.
    lab.client.requests(scenario.service(), 60, Reuse::Close, |tally| tally.ok == tally.requests).unwrap()
}

/// Requests by server, the most first.
fn shares(tally: &Tally) -> Vec<u64> {
    let mut shares: Vec<u64> = tally.served_by.values().copied().collect();
    shares.sort_unstable_by(|one, other| other.cmp(one));
    shares
}
