//! The client's address at a FullNAT server of datagrams: to a program that uses recvfrom, and to one that connects its
//! sockets; their answers go back to the director.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use forward::host::packet::packet;
use lab::net::{Device, Namespace, Offload};
use lab::network::{DEFAULT, Network, add_addresses, add_routes};
use lab::node::{Agent, Cgroup};
use lab::topology::{Dual, address};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

const SERVER: Dual = address::back(0, 11);
const LOCAL: Dual = address::back(0, 100);
const STRANGER: Dual = address::back(0, 200);
const CLIENT: Dual = address::CLIENT;
/// Another way out than to the director.
const ROUTER: Dual = address::back(1, 1);
const PORT: u16 = 53;
const LOCAL_PORT: u16 = 20_000;
const CLIENT_PORT: u16 = 4660;
const PATIENCE: Option<Duration> = Some(Duration::from_secs(5));

/// A director that does nothing by itself, and a server whose way to clients is another one.
struct Wire {
    director: Namespace,
    server: Namespace,
    agent: Agent,
    cgroup: Cgroup,
    _network: Network,
}

impl Wire {
    fn new(offload: bool) -> Self {
        let cgroup = Cgroup::enter().unwrap();
        let mut network = Network::new().unwrap();
        let (director, server) = (network.host("director").unwrap(), network.host("server1").unwrap());
        let (near, aside) = (Device::new(&server, "e0"), Device::new(&server, "e1"));
        for (near, far) in [(&near, "d0"), (&aside, "d1")] {
            let far = Device::new(&director, far);
            network.link(near, &far).unwrap();
            if !offload {
                near.set_offload(Offload::TransmitChecksum, false).unwrap();
                far.set_offload(Offload::TransmitChecksum, false).unwrap();
            }
        }
        add_addresses(&near, SERVER.with_prefix((24, 64))).unwrap();
        add_addresses(&aside, address::back(1, 11).with_prefix((24, 64))).unwrap();
        add_addresses(&Device::new(&director, "d1"), ROUTER.with_prefix((24, 64))).unwrap();
        for address in [LOCAL, STRANGER] {
            add_addresses(&Device::new(&director, "d0"), address.with_prefix((24, 64))).unwrap();
        }
        add_routes(&server, DEFAULT, ROUTER).unwrap();
        let agent = Agent::new(&server, network.work());
        Self { director, server, agent, cgroup, _network: network }
    }

    fn up(&self) {
        let cgroup = self.cgroup.path().display();
        let line = format!("up --mode fullnat --director {} {} --cgroup {cgroup}", LOCAL.v4, LOCAL.v6);
        self.agent.must(&line).unwrap();
    }

    /// A socket of the director's, where answers come.
    fn local(&self, address: IpAddr) -> UdpSocket {
        bound(&self.director, SocketAddr::new(address, LOCAL_PORT))
    }

    fn counted(&self, name: &str) -> u64 {
        self.agent.status().unwrap().1["programs"]["counters"][name].as_u64().unwrap()
    }

    /// A datagram with the option, by a packet socket: as a director writes it.
    fn name(&self, six: bool, from: Dual, text: &str) {
        let (from, to, client) = (of(from, six), of(SERVER, six), of(CLIENT, six));
        let macs =
            [("d0", &self.director), ("e0", &self.server)].map(|(name, host)| Device::new(host, name).mac().unwrap());
        let plain = packet().ethernet(macs[0], macs[1]).ip(from, to);
        let frame = match client {
            IpAddr::V4(client) => {
                let option = [&[31, 8][..], &CLIENT_PORT.to_be_bytes(), &client.octets()].concat();
                plain.options(&option).udp(LOCAL_PORT, PORT).payload(text.as_bytes()).build().bytes
            }
            IpAddr::V6(client) => {
                let header = [&[17, 2, 0x1e, 0x12][..], &CLIENT_PORT.to_be_bytes(), &client.octets(), &[1, 0]].concat();
                let plain = plain.udp(LOCAL_PORT, PORT).payload(text.as_bytes()).build().bytes;
                let mut bytes = [&plain[..54], &header, &plain[54..]].concat();
                let length = u16::from_be_bytes([bytes[18], bytes[19]]) + 24;
                bytes[18..20].copy_from_slice(&length.to_be_bytes());
                bytes[20] = 60;
                bytes
            }
        };
        let program = "import socket, sys\n\
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n\
            s.bind(('d0', 0))\n\
            s.send(bytes.fromhex(sys.argv[1]))\n";
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        let sent = self.director.command("python3").args(["-c", program, &hex]).output().unwrap();
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }
}

fn bound(host: &Namespace, to: SocketAddr) -> UdpSocket {
    let socket = host.run(|| Ok(UdpSocket::bind(to)?)).unwrap();
    socket.set_read_timeout(PATIENCE).unwrap();
    socket
}

fn of(address: Dual, six: bool) -> IpAddr {
    if six { address.v6.into() } else { address.v4.into() }
}

fn received(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 10_000];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (String::from_utf8_lossy(&buffer[..length]).into_owned(), from)
}

#[test]
#[ignore = "needs root"]
fn datagrams_show_their_client_and_answers_find_the_director() {
    for offload in [true, false] {
        let wire = Wire::new(offload);
        wire.up();
        for six in [false, true] {
            let server = bound(&wire.server, SocketAddr::new(of(SERVER, six), PORT));
            let local = wire.local(of(LOCAL, six));
            let (client, place) =
                (SocketAddr::new(of(CLIENT, six), CLIENT_PORT), SocketAddr::new(of(SERVER, six), PORT));
            // Before anybody was named it is the director who asks.
            local.send_to(b"early", place).unwrap();
            assert_eq!(received(&server), ("early".to_owned(), local.local_addr().unwrap()));
            wire.name(six, LOCAL, "named");
            assert_eq!(received(&server), ("named".to_owned(), client), "offload {offload}");
            // From now on the kernel's own datagrams, whose checksums are left to devices.
            for text in ["one", "two"] {
                local.send_to(text.as_bytes(), place).unwrap();
                assert_eq!(received(&server), (text.to_owned(), client));
                server.send_to(format!("re: {text}").as_bytes(), client).unwrap();
                assert_eq!(received(&local), (format!("re: {text}"), place), "offload {offload}");
            }
            // An answer in fragments is whole again at the director.
            let large = "x".repeat(8000);
            server.send_to(large.as_bytes(), client).unwrap();
            assert_eq!(received(&local), (large, place));
            // A connected socket is as good as one of the client's own.
            server.connect(client).unwrap();
            assert_eq!(server.peer_addr().unwrap(), client);
            local.send_to(b"connected", place).unwrap();
            let mut buffer = [0; 100];
            let length = server.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"connected");
            server.send(b"connected, too").unwrap();
            assert_eq!(received(&local), ("connected, too".to_owned(), place));
        }
        assert_eq!(wire.counted("uoa_named"), 2);
        assert_eq!(wire.counted("uoa_refused"), 0);
    }
}

#[test]
#[ignore = "needs root"]
fn a_stranger_names_nobody() {
    let wire = Wire::new(true);
    wire.up();
    let server = bound(&wire.server, SocketAddr::new(SERVER.v4.into(), PORT));
    wire.name(false, STRANGER, "forged");
    assert_eq!(received(&server), ("forged".to_owned(), SocketAddr::new(STRANGER.v4.into(), LOCAL_PORT)));
    assert_eq!((wire.counted("uoa_untrusted"), wire.counted("uoa_named")), (1, 0));
    wire.agent.must("down").unwrap();
    wire.name(false, LOCAL, "after down");
    assert_eq!(received(&server).1, SocketAddr::new(LOCAL.v4.into(), LOCAL_PORT));
}
