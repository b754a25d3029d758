//! Tunnels at a real server: packets encapsulated by hand reach its sockets, whatever is around them, and only those
//! that should.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use forward::host::packet::packet;
use lab::net::{Device, Namespace};
use lab::network::{DEFAULT, Network, add_addresses, add_routes};
use lab::node::Agent;
use lab::topology::Dual;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

const VIRTUAL: Dual = lab::topology::address::VIRTUAL;
const CLIENT: Dual = lab::topology::address::CLIENT;
const DIRECTOR: Dual = lab::topology::address::back(0, 1);
const STRANGER: Dual = lab::topology::address::back(0, 2);
const SERVER: Dual = lab::topology::address::back(0, 11);
const PORT: u16 = 7;

/// A director that does nothing by itself, a real server, and a way from there to clients.
struct Pair {
    director: Namespace,
    server: Namespace,
    agent: Agent,
    _network: Network,
}

impl Pair {
    fn new() -> Self {
        let mut network = Network::new().unwrap();
        let (director, server) = (network.host("director").unwrap(), network.host("server1").unwrap());
        let (inside, aside) = (Device::new(&server, "e0"), Device::new(&server, "e1"));
        for (near, far) in [(&inside, "d0"), (&aside, "d1")] {
            network.link(near, &Device::new(&director, far)).unwrap();
        }
        add_addresses(&inside, SERVER.with_prefix((24, 64))).unwrap();
        for address in [DIRECTOR, STRANGER] {
            add_addresses(&Device::new(&director, "d0"), address.with_prefix((24, 64))).unwrap();
        }
        let (own, router) = (lab::topology::address::back(1, 11), lab::topology::address::back(1, 1));
        add_addresses(&aside, own.with_prefix((24, 64))).unwrap();
        add_addresses(&Device::new(&director, "d1"), router.with_prefix((24, 64))).unwrap();
        add_routes(&server, DEFAULT, router).unwrap();
        let agent = Agent::new(&server, network.work());
        Self { director, server, agent, _network: network }
    }

    fn up(&self) {
        let line =
            format!("up --mode tun --vip {} {} --director {} {}", VIRTUAL.v4, VIRTUAL.v6, DIRECTOR.v4, DIRECTOR.v6);
        self.agent.must(&line).unwrap();
    }

    /// A socket of the server on the virtual address of a family.
    fn socket(&self, six: bool) -> UdpSocket {
        let socket = self.server.run(|| Ok(UdpSocket::bind((of(VIRTUAL, six), PORT))?)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        socket
    }

    /// Sends `bytes` behind an IP header that the kernel of the director writes.
    fn send(&self, from: IpAddr, protocol: u8, bytes: &[u8]) {
        let program = "import socket, sys\n\
            source, to, protocol, data = sys.argv[1:]\n\
            family = socket.AF_INET6 if ':' in to else socket.AF_INET\n\
            s = socket.socket(family, socket.SOCK_RAW, int(protocol))\n\
            s.bind((source, 0))\n\
            s.sendto(bytes.fromhex(data), (to, 0))\n";
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let to = of(SERVER, from.is_ipv6()).to_string();
        let mut python = self.director.command("python3");
        let sent = python.args(["-c", program, &from.to_string(), &to, &protocol.to_string(), &hex]).output().unwrap();
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }

    fn counted(&self, name: &str) -> u64 {
        self.agent.status().unwrap().1["programs"]["counters"][name].as_u64().unwrap()
    }
}

fn of(address: Dual, six: bool) -> IpAddr {
    if six { address.v6.into() } else { address.v4.into() }
}

/// A datagram of a client, from its IP header on.
fn datagram(six: bool, text: &str) -> Vec<u8> {
    let packet = packet().ip(of(CLIENT, six), of(VIRTUAL, six)).udp(4000, PORT).payload(text.as_bytes());
    packet.build().bytes.split_off(14)
}

/// What stands between the outer IP header and a packet: name, protocol, bytes.
fn encapsulations(six: bool, length: usize) -> Vec<(&'static str, u8, Vec<u8>)> {
    let (number, high, low) = if six { (41, 0x86, 0xdd) } else { (4, 0x08, 0x00) };
    let size = u16::try_from(length + 12).unwrap().to_be_bytes();
    vec![
        ("IP", number, vec![]),
        ("GRE", 47, vec![0, 0, high, low]),
        ("GUE", 17, [&[0xc0, 0x01, 0x17, 0xc0][..], &size, &[0, 0, 0, number, 0, 0]].concat()),
    ]
}

#[test]
#[ignore = "needs root"]
fn packets_reach_the_sockets_of_the_virtual_address() {
    let pair = Pair::new();
    pair.up();
    let mut expected = 0;
    for inner_six in [false, true] {
        let socket = pair.socket(inner_six);
        for outer_six in [false, true] {
            let length = datagram(inner_six, "").len();
            for (name, protocol, between) in encapsulations(inner_six, length) {
                let text = format!("by {name}");
                let whole = [between, datagram(inner_six, &text)].concat();
                pair.send(of(DIRECTOR, outer_six), protocol, &whole);
                let mut buffer = [0; 100];
                let received = socket.recv_from(&mut buffer);
                let (bytes, from) = received.unwrap_or_else(|error| panic!("{name}, {outer_six} {inner_six}: {error}"));
                assert_eq!((&buffer[..bytes], from.ip()), (text.as_bytes(), of(CLIENT, inner_six)), "{name}");
                expected += 1;
                assert_eq!(pair.counted("decapsulated"), expected, "{name}");
                // The same from an address of the same network that nobody trusts.
                let before = pair.counted("tunnel_untrusted");
                pair.send(of(STRANGER, outer_six), protocol, &whole);
                assert_eq!(pair.counted("tunnel_untrusted"), before + 1, "{name}");
            }
        }
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv_from(&mut [0; 1]).is_err(), "a stranger's tunnel has reached the socket");
    }
    // Nothing is taken out any more, and nothing of us is left.
    pair.agent.must("down").unwrap();
    assert!(!pair.agent.pins().exists());
}

#[test]
#[ignore = "needs root"]
fn status_sees_strict_filters_and_programs_that_are_gone() {
    let pair = Pair::new();
    pair.up();
    let ill = || -> Vec<(String, String)> {
        let (_, status) = pair.agent.status().unwrap();
        let findings = status["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] != "ok");
        let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        findings.map(|finding| (text(finding, "check"), text(finding, "fix"))).collect()
    };
    assert!(ill().iter().all(|(check, _)| check == "mtu"), "{:?}", ill());
    pair.server.sysctl("ipv4/conf/all/rp_filter", "1").unwrap();
    let socket = pair.socket(false);
    let reaches = || {
        pair.send(DIRECTOR.v4.into(), 4, &datagram(false, "strict"));
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        socket.recv_from(&mut [0; 16]).is_ok()
    };
    assert!(!reaches(), "the way back to clients is another interface");
    let filter = ill().into_iter().find(|(check, _)| check == "rp_filter").unwrap();
    assert_eq!(filter.1, "sysctl -w net.ipv4.conf.e0.rp_filter=2");
    let mut words = filter.1.split(' ');
    let fixed = pair.server.command(words.next().unwrap()).args(words).output().unwrap();
    assert!(fixed.status.success());
    assert!(reaches(), "what status advises helps");
    // Somebody takes the program off; `up` puts it back.
    let pins = std::fs::read_dir(pair.agent.pins()).unwrap().flatten().next().unwrap().path();
    for entry in std::fs::read_dir(pins.join("links")).unwrap().flatten() {
        std::fs::remove_file(entry.path()).unwrap();
    }
    assert!(!reaches());
    assert!(ill().iter().any(|(check, fix)| check == "programs" && fix.contains("real-server up")), "{:?}", ill());
    pair.up();
    assert!(reaches());
}
