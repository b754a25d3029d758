//! The client's address at a FullNAT server: told in every way that it can come, to programs that know nothing of it.
//!
//! Packets are made by hand, as a director's look to its server: the wire's own words are tested here, not an inserter.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "toa/program.rs"]
mod program;

use lab::net::{Device, Namespace};
use lab::network::{Network, add_addresses};
use lab::node::{Agent, Cgroup, RealServer, ServerKind, ServerPlan, WEB, finish};
use lab::topology::{Dual, address};
use program::Program;
use std::net::IpAddr;
use std::time::Duration;

const SERVER: Dual = address::back(0, 11);
/// Local addresses of a director, and of somebody whom nobody trusts.
const LOCAL: Dual = address::back(0, 100);
const STRANGER: Dual = address::back(0, 200);
/// 192.0.2.7:40000 and [2001:db8::beef]:4660
const TOA4: &str = "fe089c40c0000207";
const TOA6: &str = "fd14123420010db800000000000000000000beef";
const RULE: &str = "syn,ack,data";
const PORT: u16 = 8080;

/// A server, and a wire to it.
struct Wire {
    far: Device,
    near: Device,
    server: Namespace,
    agent: Agent,
    cgroup: Cgroup,
    network: Network,
    next_port: std::cell::Cell<u16>,
}

impl Wire {
    fn new() -> Self {
        let cgroup = Cgroup::enter().unwrap();
        let mut network = Network::new().unwrap();
        let (director, server) = (network.host("director").unwrap(), network.host("server1").unwrap());
        let (near, far) = (Device::new(&server, "e0"), Device::new(&director, "d0"));
        network.link(&near, &far).unwrap();
        add_addresses(&near, SERVER.with_prefix((24, 64))).unwrap();
        let mac = far.mac().unwrap().to_string();
        for (address, _) in [LOCAL, STRANGER].iter().flat_map(|both| both.host()) {
            let mut ip = server.command("ip");
            let added = ip.args(["neighbour", "replace", &address.to_string(), "lladdr", &mac, "dev", "e0"]).status();
            assert!(added.unwrap().success());
        }
        let agent = Agent::new(&server, network.work());
        Self { far, near, server, agent, cgroup, network, next_port: std::cell::Cell::new(20_000) }
    }

    fn up(&self) {
        let line =
            format!("up --mode fullnat --director {} {} --cgroup {}", LOCAL.v4, LOCAL.v6, self.cgroup.path().display());
        self.agent.must(&line).unwrap();
    }

    /// One connection by hand; what was answered.
    fn connect(&self, from: IpAddr, port: u16, toa: &str, place: &str, request: &str) -> String {
        let own = self.next_port.replace(self.next_port.get() + 1);
        let to = if from.is_ipv4() { IpAddr::V4(SERVER.v4) } else { IpAddr::V6(SERVER.v6) };
        let arguments = [
            "d0".to_owned(),
            self.far.mac().unwrap().to_string(),
            self.near.mac().unwrap().to_string(),
            from.to_string(),
            own.to_string(),
            to.to_string(),
            port.to_string(),
            toa.to_owned(),
            place.to_owned(),
            request.to_owned(),
        ];
        let mut python = self.far.namespace.command("python3");
        python.args(["-c", include_str!("toa/client.py")]).args(arguments);
        finish(&mut python, Duration::from_secs(30)).unwrap().success().unwrap()
    }

    /// What a program sees of a connection: by accept(), and by getpeername() afterwards.
    fn seen(&self, program: &Program, from: IpAddr, toa: &str, place: &str) -> [String; 2] {
        self.connect(from, program.port, toa, place, "hello");
        let line = program.line();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [a, b, c, d] = words.as_slice() else { panic!("{line}") };
        [format!("{a} {b}"), format!("{c} {d}")]
    }
}

fn twice(text: &str) -> [String; 2] {
    [text.to_owned(), text.to_owned()]
}

/// The local address itself, with the port that the next connection has.
fn local(wire: &Wire, address: impl std::fmt::Display) -> [String; 2] {
    twice(&format!("{address} {}", wire.next_port.get()))
}

#[test]
#[ignore = "needs root"]
fn a_client_is_seen_however_it_is_named() {
    let wire = Wire::new();
    let old = Program::start(&wire.server, "0.0.0.0", PORT, false);
    wire.up();
    let (four, six) = (IpAddr::V4(LOCAL.v4), IpAddr::V6(LOCAL.v6));
    let (client4, client6) = ("192.0.2.7 40000", "2001:db8::beef 4660");
    let program = Program::start(&wire.server, "0.0.0.0", PORT + 1, false);
    for place in [RULE, "ack", "syn", "ack,data", "syn,data,lost", "data,lost"] {
        assert_eq!(wire.seen(&program, four, TOA4, place), twice(client4), "named in {place}");
    }
    assert_eq!(wire.seen(&old, four, TOA4, RULE), twice(client4), "a listener older than the agent");
    let deferred = Program::start(&wire.server, "0.0.0.0", PORT + 2, true);
    assert_eq!(wire.seen(&deferred, four, TOA4, RULE), twice(client4), "TCP_DEFER_ACCEPT");
    assert_eq!(wire.seen(&deferred, four, TOA4, "data"), twice(client4), "TCP_DEFER_ACCEPT, named by data");
    let dual = Program::start(&wire.server, "::", PORT + 3, false);
    assert_eq!(wire.seen(&dual, four, TOA4, RULE), twice("::ffff:192.0.2.7 40000"), "IPv4 at a socket of IPv6");
    assert_eq!(wire.seen(&dual, six, TOA6, RULE), twice(client6));
    assert_eq!(wire.seen(&dual, four, TOA6, RULE), twice(client6), "NAT64 at a socket of IPv6");
    wire.server.sysctl("ipv4/tcp_syncookies", "2").unwrap();
    let forgotten = local(&wire, LOCAL.v4);
    assert_eq!(wire.seen(&program, four, TOA4, "syn"), forgotten, "a server with cookies remembers no SYN");
    assert_eq!(wire.seen(&program, four, TOA4, RULE), twice(client4), "the server answers with cookies");
    assert_eq!(wire.seen(&dual, six, TOA6, RULE), twice(client6), "the server answers with cookies");
}

#[test]
#[ignore = "needs root"]
fn a_client_that_is_named_late_is_seen_from_then_on() {
    let wire = Wire::new();
    wire.up();
    let program = Program::start(&wire.server, "0.0.0.0", PORT, false);
    let local = local(&wire, LOCAL.v4);
    let [accepted, peer] = wire.seen(&program, LOCAL.v4.into(), TOA4, "data");
    assert_eq!((&accepted, peer.as_str()), (&local[0], "192.0.2.7 40000"));
    let counters = wire.agent.status().unwrap().1["programs"]["counters"].clone();
    assert_eq!((counters["toa_missing"].as_u64(), counters["toa_late"].as_u64()), (Some(1), Some(1)), "{counters}");
}

#[test]
#[ignore = "needs root"]
fn nobody_but_a_director_is_believed() {
    let wire = Wire::new();
    let program = Program::start(&wire.server, "0.0.0.0", PORT, false);
    let dual = Program::start(&wire.server, "::", PORT + 1, false);
    let before = local(&wire, LOCAL.v4);
    assert_eq!(wire.seen(&program, LOCAL.v4.into(), TOA4, RULE), before, "before `up`");
    wire.up();
    for (program, shown, from, toa) in [
        (&program, STRANGER.v4.to_string(), IpAddr::V4(STRANGER.v4), TOA4),
        (&dual, format!("::ffff:{}", STRANGER.v4), IpAddr::V4(STRANGER.v4), TOA4),
        (&dual, STRANGER.v6.to_string(), IpAddr::V6(STRANGER.v6), TOA6),
        // No option at all, one of an unknown length, and one that a socket of IPv4 has no room for.
        (&program, LOCAL.v4.to_string(), IpAddr::V4(LOCAL.v4), ""),
        (&program, LOCAL.v4.to_string(), IpAddr::V4(LOCAL.v4), "fe04c000"),
        (&program, LOCAL.v4.to_string(), IpAddr::V4(LOCAL.v4), TOA6),
    ] {
        let own = local(&wire, shown);
        assert_eq!(wire.seen(program, from, toa, RULE), own, "{from} {toa}");
    }
    let (code, status) = wire.agent.status().unwrap();
    assert_eq!(status["programs"]["counters"]["toa_untrusted"].as_u64(), Some(3), "{status:#}");
    assert_eq!(code, Some(1), "and a warning: {status:#}");
    // Nobody any more, when the director is another one.
    let elsewhere = format!("up --mode fullnat --director {} --cgroup {}", STRANGER.v4, wire.cgroup.path().display());
    wire.agent.must(&elsewhere).unwrap();
    let own = local(&wire, LOCAL.v4);
    assert_eq!(wire.seen(&program, LOCAL.v4.into(), TOA4, RULE), own);
    assert_eq!(wire.seen(&program, STRANGER.v4.into(), TOA4, RULE), twice("192.0.2.7 40000"));
    wire.agent.must("down").unwrap();
    let own = local(&wire, STRANGER.v4);
    assert_eq!(wire.seen(&program, STRANGER.v4.into(), TOA4, RULE), own, "after `down`");
    assert!(!wire.agent.pins().exists());
}

#[test]
#[ignore = "needs root"]
fn nginx_sees_the_client_of_each_family() {
    let wire = Wire::new();
    let plan = ServerPlan {
        name: "server1",
        host: &wire.server,
        address: SERVER,
        listens: &[],
        kind: ServerKind::Nginx,
        directory: wire.network.work().path(),
        bulk: 0,
        logs: false,
    };
    let _nginx = RealServer::start(&plan).unwrap();
    wire.up();
    let request = "GET /peer HTTP/1.0\\r\\n\\r\\n";
    for _ in 0..5 {
        for (from, toa, client) in
            [(IpAddr::V4(LOCAL.v4), TOA4, "192.0.2.7 40000"), (IpAddr::V6(LOCAL.v6), TOA6, "2001:db8::beef 4660")]
        {
            let answer = wire.connect(from, WEB, toa, RULE, request);
            assert!(answer.starts_with("HTTP/1.1 200") && answer.trim_end().ends_with(client), "{answer}");
        }
        let answer = wire.connect(STRANGER.v4.into(), WEB, TOA4, RULE, request);
        assert!(answer.contains(&STRANGER.v4.to_string()), "{answer}");
    }
}
