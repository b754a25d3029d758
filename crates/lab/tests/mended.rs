//! `xlvs real-server status`: whatever makes a host a bad real server is named, and the command given with it mends it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::net::{Device, Namespace};
use lab::network::Network;
use lab::node::Agent;
use serde_json::Value;

/// A row: how `up` was called, what breaks it, the check that says so in these words, and what takes the place of the
/// words in capitals in its remedy.
type Row<'r> = (&'r str, &'r str, &'r str, &'r str, &'r [(&'r str, &'r str)]);

const DR: &str = "up --mode dr --vip 203.0.113.10";
const TUN: &str = "up --mode tun --vip 203.0.113.10 --director 10.0.0.1";

const ROWS: &[Row<'_>] = &[
    (DR, "sysctl -qw net.ipv4.conf.all.arp_ignore=0", "arp", "answers ARP requests", &[]),
    (DR, "sysctl -qw net.ipv4.conf.e0.arp_ignore=8", "arp", "answers no ARP request", &[]),
    (DR, "sysctl -qw net.ipv4.conf.all.arp_announce=0", "arp", "names virtual addresses", &[]),
    (DR, "ip address del 203.0.113.10/32 dev lo", "vip", "is not on lo", &[]),
    (DR, "ip address add 203.0.113.10/32 dev e1", "vip", "is on e1", &[]),
    (DR, "ip route del local 203.0.113.10 dev lo table local", "route", "is not routed to this host", &[]),
    (DR, "ip route del default", "route", "no default route for IPv4", &[("ROUTER", "10.0.0.254")]),
    (
        "up --mode dr --vip 203.0.113.10 --director 10.0.0.1",
        "ip route replace default via 10.0.0.1",
        "gateway",
        "is a director",
        &[("ANOTHER-ROUTER", "10.0.0.254")],
    ),
    (
        "up --mode dr --vip 203.0.113.10 --director 10.1.0.1",
        "sysctl -qw net.ipv4.conf.e1.rp_filter=1",
        "rp_filter",
        "e1 takes packets only from sources",
        &[],
    ),
    (TUN, "true", "mtu", "do not fit through e0", &[]),
    (TUN, "rm PINS/*/links/*", "programs", "is not attached to e0", &[]),
    (TUN, "rm -r PINS/*/links PINS/*/v*", "programs", "the programs are gone", &[]),
    (TUN, "STRANGER", "director", "of a host that is not trusted", &[("ADDRESS", "10.0.0.2")]),
];

/// An IPv4 packet to the virtual address in one to the server, of somebody who is no director.
const STRANGER: &str = "import socket,struct; \
    inner=struct.pack('!BBHHHBBH4s4s',0x45,0,20,1,0,64,17,0,bytes([192,0,2,7]),bytes([203,0,113,10])); \
    socket.socket(socket.AF_INET,socket.SOCK_RAW,4).sendto(inner,('10.0.0.11',0))";

struct Server {
    agent: Agent,
    host: Namespace,
    peer: Namespace,
    _network: Network,
}

impl Server {
    fn new() -> Self {
        let mut network = Network::new().unwrap();
        let (host, peer) = (network.host("server1").unwrap(), network.host("peer").unwrap());
        for (number, near, far) in [(0, "e0", "p0"), (1, "e1", "p1")] {
            network.link(&Device::new(&host, near), &Device::new(&peer, far)).unwrap();
            Device::new(&host, near).add_address(format!("10.{number}.0.11").parse().unwrap(), 24).unwrap();
            Device::new(&peer, far).add_address(format!("10.{number}.0.2").parse().unwrap(), 24).unwrap();
        }
        let agent = Agent::new(&host, network.work());
        let server = Self { agent, host, peer, _network: network };
        server.shell("ip route add default via 10.0.0.254");
        server
    }

    /// Settings, addresses and routes that `up` has to do with.
    fn look(&self) -> String {
        let line = "sysctl -a -r 'ipv4.conf.*(arp_ignore|arp_announce|rp_filter)'; ip -br address show scope global; \
            ip -br address show lo; ip route show table local; ip route";
        let output = self.host.command("sh").args(["-c", line]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("arp_ignore") && text.contains("10.0.0.11"), "{text}");
        text
    }

    #[track_caller]
    fn shell(&self, line: &str) {
        let output = self.host.command("sh").args(["-c", line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn break_by(&self, line: &str) {
        if line == "STRANGER" {
            let output = self.peer.command("python3").args(["-c", STRANGER]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        } else {
            self.shell(&line.replace("PINS", self.agent.pins().to_str().unwrap()));
        }
    }

    /// What a check finds ill: what, and the remedy.
    fn ills(&self, check: &str) -> Vec<(String, String)> {
        let (_, status) = self.agent.status().unwrap();
        let findings = status["findings"].as_array().unwrap().iter();
        let ill = findings.filter(|finding| finding["check"] == check && finding["level"] != "ok");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        ill.map(|finding| (text(&finding["what"]), text(&finding["fix"]))).collect()
    }

    /// Types a remedy as it stands there, up to what it adds for people.
    fn mend(&self, fix: &str, words: &[(&str, &str)]) {
        let command = fix.split(", ").next().unwrap();
        let command = words.iter().fold(command.to_owned(), |command, (word, value)| command.replace(word, value));
        match command.strip_prefix("xlvs real-server ") {
            Some(line) => drop(self.agent.must(line).unwrap()),
            None => self.shell(&command),
        }
    }
}

#[test]
#[ignore = "needs root"]
fn every_finding_is_mended_by_its_command() {
    for (up, breakage, check, what, words) in ROWS {
        let server = Server::new();
        let before = server.look();
        server.agent.must(up).unwrap();
        if *breakage != "true" {
            assert_eq!(server.ills(check), [], "{up}, before {breakage}");
        }
        server.break_by(breakage);
        let found = server.ills(check);
        assert!(found.iter().any(|(said, _)| said.contains(what)), "{breakage}: {found:?}");
        found.iter().for_each(|(_, fix)| server.mend(fix, words));
        assert_eq!(server.ills(check), [], "{breakage}, mended by {found:?}");
        server.agent.must("down").unwrap();
        assert!(!server.agent.directory().exists() && !server.agent.pins().exists(), "{breakage}: something stays");
        // What the host has by its own administrator is no business of `up`.
        if matches!(*check, "arp" | "vip") && !breakage.contains("conf.e0") || breakage.contains("table local") {
            assert_eq!(server.look(), before, "{breakage}: mended by {found:?}, and not undone by down");
        }
    }
}
