//! TCP servers of FullNAT see their clients, by a real director in both lanes: whatever completes the handshake, and
//! whatever a client claims.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "toa/program.rs"]
mod program;

use lab::net::{Device, Namespace};
use lab::node::{Agent, Cgroup, Entry, Xlvs, finish};
use lab::topology::{Dual, address};
use lab::{Family, Lab, Mode, Topology};
use program::Program;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const PORT: u16 = 8080;
/// An address of the clients' network that no kernel owns: its packets are made by hand.
const FORGER: Dual = address::front(77);
/// 192.0.2.7:40000 and [2001:db8::beef]:4660
const FORGED: [&str; 2] = ["fe089c40c0000207", "fd14123420010db800000000000000000000beef"];
/// More than one segment at once: where offloads are on, a director sees one packet.
const MUCH: usize = 60_000;

#[test]
#[ignore = "needs root"]
fn clients_are_seen_by_xdp() {
    prove(Topology::bridged(Mode::FullNat), "xdp");
}

#[test]
#[ignore = "needs root"]
fn clients_are_seen_by_tc_with_offload() {
    prove(Topology::bridged(Mode::FullNat).with_offload(), "tc");
}

/// A director, and a server with programs on it.
struct Stage {
    lab: Lab,
    agent: Agent,
    director: Xlvs,
    _cgroup: Cgroup,
}

fn prove(topology: Topology, lane: &str) {
    let cgroup = Cgroup::enter().unwrap();
    let lab = Lab::build(topology.with_servers(1)).unwrap();
    let server = lab.servers[0].host.clone();
    let old = Program::start(&server, "0.0.0.0", PORT, false);
    let old_deferred = Program::start(&server, "0.0.0.0", PORT + 1, true);
    let agent = Agent::new(&server, lab.network.work());
    let up = |trusted: Dual| {
        format!("up --mode fullnat --director {} {} --cgroup {}", trusted.v4, trusted.v6, cgroup.path().display())
    };
    let (trusting, wary) = (up(address::LOCAL), up(address::back(0, 99)));
    agent.must(&trusting).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
    director.start().unwrap();
    let stage = Stage { lab, agent, director, _cgroup: cgroup };
    let plain = Program::start(&server, "0.0.0.0", PORT + 2, false);
    let deferred = Program::start(&server, "0.0.0.0", PORT + 3, true);
    let dual = Program::start(&server, "::", PORT + 4, false);
    let both = [Family::V4, Family::V6];
    let programs = [
        (&old, &both[..1]),
        (&old_deferred, &both[..1]),
        (&plain, &both[..1]),
        (&deferred, &both[..1]),
        (&dual, &both[..]),
    ];
    for (program, families) in programs {
        families.iter().for_each(|family| stage.configure(*family, program.port));
    }
    stage.director.wait_for_servers().unwrap();
    for cookies in ["1", "2"] {
        server.sysctl("ipv4/tcp_syncookies", cookies).unwrap();
        for (program, families) in programs {
            for family in families {
                stage.check(program, *family, 5, &format!("{lane}, cookies {cookies}"));
                let lost = lose_an_acknowledgement(&server, program.port);
                stage.check(program, *family, 5, &format!("{lane}, cookies {cookies}, a lost ACK"));
                assert_eq!(lost(), 1, "acknowledgements lost");
            }
        }
    }
    server.sysctl("ipv4/tcp_syncookies", "1").unwrap();
    let lost = lose_an_acknowledgement(&server, deferred.port);
    stage.check(&deferred, Family::V4, MUCH, "the first data are much, and the ACK is lost");
    assert_eq!(lost(), 1, "acknowledgements lost");
    if lane == "xdp" {
        stage.check(&old_deferred, Family::V4, MUCH, "the first data are much");
    } else {
        // A packet that is several names nobody, and of the packets before it this listener remembers nothing.
        let (seen, _) = stage.seen(&old_deferred, Family::V4, MUCH);
        assert_eq!(seen.split(' ').next(), Some(address::LOCAL.v4.to_string().as_str()), "docs/toa.md says so");
    }
    for (program, from, toa) in [(&plain, Family::V4, FORGED[0]), (&dual, Family::V6, FORGED[1])] {
        stage.check_forger(program, from, toa);
    }
    stage.agent.must(&wary).unwrap();
    let (seen, _) = stage.seen(&plain, Family::V4, 5);
    assert_eq!(seen.split(' ').next(), Some(address::LOCAL.v4.to_string().as_str()), "nobody trusts this director");
    assert_eq!(stage.lab.counters().unwrap().checksum_errors, 0);
}

impl Stage {
    fn configure(&self, family: Family, port: u16) {
        let service = SocketAddr::new(address::VIRTUAL.of(family), port);
        let endpoint = SocketAddr::new(self.lab.servers[0].address.of(family), port);
        let local = address::LOCAL.of(family);
        self.director.ipvsadm(&format!("-A -t {service} -s rr --local-address {local}")).unwrap();
        self.director.ipvsadm(&format!("-a -t {service} -r {endpoint} --fullnat")).unwrap();
    }

    /// One connection with so many bytes: what its server tells of it, and the client's own end.
    fn seen(&self, program: &Program, family: Family, bytes: usize) -> (String, SocketAddr) {
        let service = SocketAddr::new(address::VIRTUAL.of(family), program.port);
        let mut stream = self.lab.client.host.run(|| Ok(TcpStream::connect_timeout(&service, PATIENCE)?)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let own = stream.local_addr().unwrap();
        stream.write_all(&vec![b'x'; bytes]).unwrap();
        let line = program.line();
        // A server that has not read all resets.
        let _ = stream.read_to_end(&mut Vec::new());
        (line, own)
    }

    /// accept() and getpeername() show the client's own end.
    fn check(&self, program: &Program, family: Family, bytes: usize, how: &str) {
        let (line, own) = self.seen(program, family, bytes);
        let mapped = if program.port == PORT + 4 && own.is_ipv4() { "::ffff:" } else { "" };
        let end = format!("{mapped}{} {}", own.ip(), own.port());
        assert_eq!(line, format!("{end} {end}"), "port {}, {family}, {how}", program.port);
    }

    /// A client that names somebody else in all its packets is seen as what it is.
    fn check_forger(&self, program: &Program, family: Family, toa: &str) {
        let (near, far) = (Device::new(&self.lab.client.host, "c0"), Device::new(&self.lab.director, "d0"));
        let macs = [&near, &far].map(|device| device.mac().unwrap().to_string());
        let from = FORGER.of(family).to_string();
        let mut ip = self.lab.director.command("ip");
        let line = ["neighbour", "replace", &from, "lladdr", &macs[0], "dev", "d0"];
        assert!(ip.args(line).status().unwrap().success());
        let to = address::VIRTUAL.of(family).to_string();
        let port = program.port.to_string();
        let mut python = self.lab.client.host.command("python3");
        python.args(["-c", include_str!("toa/client.py"), "c0", &macs[0], &macs[1], &from, "4321", &to, &port]);
        python.args([toa, "syn,ack,data", "hello"]);
        finish(&mut python, Duration::from_secs(30)).unwrap().success().unwrap();
        let end = format!("{from} 4321");
        assert_eq!(program.line(), format!("{end} {end}"), "the forger itself");
    }
}

/// The next acknowledgement without data to this port gets lost. Returns how to know that it did.
fn lose_an_acknowledgement(host: &Namespace, port: u16) -> impl Fn() -> u64 {
    nft(
        host,
        &format!(
            "table inet lost {{ chain in {{ type filter hook input priority -300; tcp dport {port} \
             tcp flags & (fin | syn | rst | psh | ack) == ack meta length < 100 numgen inc mod 1000000 0 counter drop; }}; }}"
        ),
    );
    move || {
        let listed = nft(host, "list table inet lost");
        nft(host, "delete table inet lost");
        let count = listed.split("counter packets ").nth(1).and_then(|rest| rest.split(' ').next());
        count.and_then(|count| count.parse().ok()).unwrap_or_default()
    }
}

fn nft(host: &Namespace, rules: &str) -> String {
    finish(host.command("nft").arg(rules), Duration::from_secs(20)).unwrap().success().unwrap()
}
