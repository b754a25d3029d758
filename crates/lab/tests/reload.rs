//! A file that becomes another under traffic: what it does not change goes on.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/paced.rs"]
mod paced;

use lab::node::{Entry, Reuse, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Mode, Scenario, Topology};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paced::Paced;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Services that come and go beside the one with traffic.
const OTHERS: u16 = 300;

/// The service with traffic: three servers, the last of which is given to a port where nobody listens. Behind it so many
/// others with two servers each.
fn configuration(lab: &Lab, others: u16, weight: u32) -> String {
    let vip = address::VIRTUAL.of(Family::V4);
    let server = |number: usize| lab.servers[number - 1].address.of(Family::V4);
    let check = "TCP_CHECK {\n connect_timeout 2\n retry 0\n }";
    let service = |port: u16, servers: String| {
        format!(
            "virtual_server {vip} {port} {{\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n delay_loop 1\n{servers}}}\n"
        )
    };
    let real = |number, port: u16, weight: u32| {
        format!("real_server {} {port} {{\n weight {weight}\n {check}\n }}\n", server(number))
    };
    let first = service(80, real(1, 80, 1) + &real(2, 80, 1) + &real(3, 81, 1));
    let others =
        (0..others).map(|number| service(1000 + number, real(1, 2000 + number, weight) + &real(2, 80, weight)));
    first + &others.collect::<String>()
}

/// How often each check of the service with traffic was made, and whether its server is up.
fn checks(director: &Xlvs) -> Vec<(u64, bool)> {
    let status = director.status().unwrap();
    let service = status["health"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["service"]["endpoint"].as_str().unwrap().ends_with(":80"));
    let servers = service.unwrap()["servers"].as_array().unwrap();
    let made = |server: &Value| (server["checks"][0]["made"].as_u64().unwrap(), server["up"].as_bool().unwrap());
    servers.iter().map(made).collect()
}

/// The daemon reads another file, and has followed.
fn reload(director: &mut Xlvs, text: &str) {
    let generation = |director: &Xlvs| director.status().unwrap()["generation"].as_u64().unwrap();
    let before = generation(director);
    director.configure_as("keepalived.conf", text).unwrap();
    kill(Pid::from_raw(director.pid().unwrap().try_into().unwrap()), Signal::SIGHUP).unwrap();
    let begin = Instant::now();
    while generation(director) == before {
        assert!(begin.elapsed() < PATIENCE, "the file is not taken over: {}", director.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs root"]
fn connections_and_checks_of_other_services_go_on_through_reloads() {
    let lab = Lab::build(Topology::point_to_point(Mode::Nat)).unwrap();
    let scenario = Scenario::usual(Family::V4);
    let mut director = lab.director(Entry::Direct).unwrap();
    director.configure_as("keepalived.conf", &configuration(&lab, 0, 1)).unwrap();
    director.start().unwrap();
    director.wait_for_servers().unwrap();
    let begin = Instant::now();
    while checks(&director).iter().map(|(_, up)| *up).ne([true, true, false]) {
        assert!(begin.elapsed() < PATIENCE, "{:?}", checks(&director));
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut held: Vec<_> = (0..6)
        .map(|_| {
            let mut session = lab.client.connect(scenario.service()).unwrap();
            let server = session.get(Reuse::KeepAlive).unwrap().server;
            (session, server)
        })
        .collect();
    let load = Paced::begin(&lab.client, scenario.service(), 100);
    let mut before = checks(&director);
    for (others, weight) in [(OTHERS, 1), (OTHERS, 7), (OTHERS / 2, 7), (0, 1)] {
        reload(&mut director, &configuration(&lab, others, weight));
        let listed = director.ipvsadm("-Ln").unwrap().lines().filter(|line| line.starts_with("TCP ")).count();
        assert_eq!(listed, 1 + usize::from(others));
        let now = checks(&director);
        for ((made_before, up_before), (made, up)) in before.iter().zip(&now) {
            assert!(made >= made_before && up == up_before, "{before:?} and then {now:?}");
        }
        before = now;
        for (session, server) in &mut held {
            assert_eq!(session.get(Reuse::KeepAlive).unwrap().server, *server);
        }
    }
    let asked = load.end();
    assert!(
        asked.requests > 0 && asked.failures.is_empty(),
        "{} of {} in {:?}: {:?}",
        asked.failures.len(),
        asked.requests,
        asked.lasted,
        asked.errors
    );
    director.stop(false).unwrap();
}
