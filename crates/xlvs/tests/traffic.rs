//! Datagrams and connections through the real daemon, from one segment to another: by NAT, by direct routing, and to
//! the director itself. Answers come from threads of this test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "traffic/golden.rs"]
mod golden;
mod support;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use support::host::{Host, add_address};
use support::node::Node;

const PORT: u16 = 7;
const PATIENCE: Option<Duration> = Some(Duration::from_secs(5));

/// The addresses of one family.
struct Family {
    client: &'static str,
    client_network: &'static str,
    client_back: &'static str,
    virtual_address: &'static str,
    director: &'static str,
    servers: [&'static str; 2],
    prefix: &'static str,
}

const FAMILIES: [Family; 2] = [
    Family {
        client: "198.51.100.2",
        client_network: "198.51.100.0/24",
        client_back: "10.0.1.2",
        virtual_address: "198.51.100.10",
        director: "10.0.1.1",
        servers: ["10.0.1.11", "10.0.1.12"],
        prefix: "24",
    },
    Family {
        client: "2001:db8:1::2",
        client_network: "2001:db8:1::/64",
        client_back: "fd00:1::2",
        virtual_address: "2001:db8:1::10",
        director: "fd00:1::1",
        servers: ["fd00:1::11", "fd00:1::12"],
        prefix: "64",
    },
];

impl Family {
    fn service(&self) -> SocketAddr {
        endpoint(self.virtual_address)
    }
}

fn endpoint(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse::<IpAddr>().unwrap(), PORT)
}

/// A director that runs, a client, and two servers that answer with their names.
struct Lab {
    node: Node,
    client: Host,
    servers: [Host; 2],
}

impl Lab {
    /// `direct`: servers hold the virtual addresses and answer clients past the director.
    fn new(direct: bool) -> Self {
        Self::with(direct, "")
    }

    /// With more to say of the director in its file.
    fn with(direct: bool, settings: &str) -> Self {
        let mut node = Node::new();
        let client = Host::new("client");
        node.switch.plug(&client, "e0", "br0", &["198.51.100.2/24", "2001:db8:1::2/64"]);
        // Its leg on the servers' segment, where direct answers come in.
        node.switch.plug(&client, "e1", "br1", &["10.0.1.2/24", "fd00:1::2/64"]);
        let servers = [("one", 0), ("two", 1)].map(|(name, number)| {
            let server = Host::new(name);
            node.switch.plug(&server, "e0", "br1", &[]);
            for family in &FAMILIES {
                connect(&server, family, number, direct);
            }
            serve(&server, name);
            server
        });
        let file = node.write("xlvs.toml", &format!("[director]\ninterfaces = [\"e0\", \"e1\"]\n{settings}"));
        node.start(&["-c", &file]);
        Self { node, client, servers }
    }

    /// Adds a service of `kind` (`-t`, `-u`) with `servers`, and waits until all are reached.
    fn balance(&mut self, kind: &str, family: &Family, servers: &[SocketAddr], method: &str) {
        let service = family.service();
        self.node.ipvsadm(&format!("-A {kind} {service} -s rr"));
        for server in servers {
            self.node.ipvsadm(&format!("-a {kind} {service} -r {server} {method}"));
        }
        self.node.wait_for("the servers", |node| !node.status()["notes"].to_string().contains("not in the rotation"));
    }

    /// Who answers `count` new flows.
    fn answers(&self, kind: &str, family: &Family, count: usize) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for _ in 0..count {
            let text = self.client.run(|| if kind == "-u" { datagram(family) } else { connection(family) });
            let text = text.unwrap_or_else(|error| panic!("{kind} {}: {error}\n{}", family.client, self.node.status()));
            let (name, seen) = text.split_once(' ').unwrap();
            assert_eq!(seen, family.client, "the server sees another client");
            *answers.entry(name.to_owned()).or_default() += 1;
        }
        answers
    }

    /// The columns after the endpoint in a line of a listing.
    fn row(&self, line: &str, endpoint: SocketAddr) -> Vec<String> {
        let listing = self.node.ipvsadm(line);
        let row = listing.lines().find(|line| line.contains(&format!(" {endpoint} ")));
        let row = row.unwrap_or_else(|| panic!("no {endpoint}: {listing}")).split_whitespace();
        row.skip_while(|word| *word != endpoint.to_string()).skip(1).map(str::to_owned).collect()
    }

    /// Twelve flows of each protocol are listed by both programs, one line each.
    fn check_connections(&self, family: &Family) {
        let (service, [one, two]) = (family.service(), family.servers.map(endpoint));
        let listing = self.node.ipvsadm("-Lnc");
        let mut lines = listing.lines();
        assert_eq!(lines.next(), Some("IPVS connection entries"));
        assert_eq!(lines.next(), Some("pro expire state       source             virtual            destination"));
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
        for (protocol, state) in [("UDP", "UDP"), ("TCP", "TIME_WAIT")] {
            for server in [one, two] {
                let of_server = |row: &&Vec<&str>| {
                    // Client and server close at once, so that the last packets may come in either order.
                    let closed = row[2] == state || (protocol == "TCP" && ["FIN_WAIT", "CLOSE_WAIT"].contains(&row[2]));
                    row[0] == protocol && closed && row[4..] == [service.to_string(), server.to_string()]
                };
                let found: Vec<_> = rows.iter().filter(of_server).collect();
                assert_eq!(found.len(), 6, "{protocol} to {server}:\n{listing}");
                assert!(found.iter().all(|row| row[3].starts_with(&family.client.replace("2001", "[2001"))));
                let (minutes, seconds) = found[0][1].split_once(':').unwrap();
                assert!(minutes.parse::<u32>().unwrap() <= 5 && seconds.parse::<u32>().unwrap() < 60);
            }
        }
        let some = self.node.say(&format!("conns --json --server {} --state udp --limit 4", family.servers[0]));
        assert_eq!((some.code, some.out.lines().count()), (0, 4), "{}", some.err);
        let connection: serde_json::Value = serde_json::from_str(some.out.lines().next().unwrap()).unwrap();
        assert_eq!(connection["server"].as_str(), Some(one.to_string().as_str()));
        let none = self.node.say(&format!("conns --service {service} --client 203.0.113.99"));
        assert_eq!((none.code, none.out.lines().count()), (0, 2));
    }
}

fn connect(server: &Host, family: &Family, number: usize, direct: bool) {
    add_address(server, &format!("{}/{}", family.servers[number], family.prefix), "e0");
    if !direct {
        server.ip(&format!("route add default via {}", family.director));
        return;
    }
    server.sysctl("ipv4.conf.all.arp_ignore=1");
    server.sysctl("ipv4.conf.all.arp_announce=2");
    add_address(server, family.virtual_address, "lo");
    server.ip(&format!("route add {} via {}", family.client_network, family.client_back));
}

/// Answers connections to a port: by name, and with the client it sees.
fn serve_on(host: &Host, name: &'static str, port: u16) {
    let listener = host.run(|| TcpListener::bind(("::", port)).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let client = stream.peer_addr().unwrap().ip().to_canonical();
            let _ = (&stream).write_all(format!("{name} {client}").as_bytes());
        }
    });
}

/// Answers on every address, datagrams too.
fn serve(host: &Host, name: &'static str) {
    serve_on(host, name, PORT);
    for family in &FAMILIES {
        for address in [family.servers[0], family.servers[1], family.virtual_address] {
            // A socket for each address, so that answers leave from the one that was asked.
            let Ok(socket) = host.run(|| UdpSocket::bind(endpoint(address))) else { continue };
            std::thread::spawn(move || {
                let mut buffer = [0; 64];
                while let Ok((_, client)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(format!("{name} {}", client.ip()).as_bytes(), client);
                }
            });
        }
    }
}

/// From a port that no datagram came from yet: the kernel may give one twice, and the second datagram would rightly go
/// where the first one went.
fn datagram(family: &Family) -> io::Result<String> {
    static PORT: AtomicU16 = AtomicU16::new(20_000);
    let socket = UdpSocket::bind((family.client, PORT.fetch_add(1, Ordering::Relaxed)))?;
    socket.set_read_timeout(PATIENCE)?;
    socket.connect(family.service())?;
    socket.send(b"who")?;
    let mut buffer = [0; 64];
    let size = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..size]).into_owned())
}

fn connection(family: &Family) -> io::Result<String> {
    connection_to(family.service())
}

fn connection_to(service: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&service, Duration::from_secs(5))?;
    stream.set_read_timeout(PATIENCE)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn each(names: [&str; 2], count: usize) -> BTreeMap<String, usize> {
    names.map(|name| (name.to_owned(), count)).into()
}

#[test]
#[ignore = "needs root"]
fn datagrams_and_connections_are_balanced() {
    for (direct, method) in [(false, "-m"), (true, "-g")] {
        let mut lab = Lab::new(direct);
        for family in &FAMILIES {
            for kind in ["-u", "-t"] {
                lab.balance(kind, family, &family.servers.map(endpoint), method);
                assert_eq!(lab.answers(kind, family, 12), each(["one", "two"], 6), "{method} {kind} {}", family.client);
            }
            let service = family.service();
            for server in family.servers.map(endpoint) {
                // Six datagrams, six flows, none of them active; NAT sees the answers.
                let forward = if direct { "Route" } else { "Masq" };
                assert_eq!(lab.row(&format!("-Ln -u {service}"), server), [forward, "1", "0", "6"]);
                let replies = if direct { "0" } else { "6" };
                assert_eq!(lab.row(&format!("-Ln --stats -u {service}"), server)[..3], ["6", "6", replies]);
            }
            lab.check_connections(family);
        }
        assert_eq!(lab.node.status()["notes"].to_string(), "[]");
    }
}

#[test]
#[ignore = "needs root"]
fn port_0_of_a_server_is_the_port_of_the_service() {
    let mut lab = Lab::new(false);
    for family in &FAMILIES {
        let mut servers = family.servers.map(endpoint);
        servers[1].set_port(0);
        lab.balance("-t", family, &servers, "-m");
        assert_eq!(lab.answers("-t", family, 10), each(["one", "two"], 5));
        let line = format!("-Ln --stats -t {}", family.service());
        assert_eq!(lab.row(&line, servers[1])[0], "5");
    }
}

#[test]
#[ignore = "needs root"]
fn a_director_that_is_a_server_too_serves_by_direct_routing() {
    let mut lab = Lab::new(true);
    serve(&lab.node.host, "director");
    for family in &FAMILIES {
        for kind in ["-u", "-t"] {
            lab.balance(kind, family, &[endpoint(family.director), endpoint(family.servers[0])], "-g");
            let expected = each(["director", "one"], 10);
            assert_eq!(lab.answers(kind, family, 20), expected, "{kind} {}", family.client);
        }
    }
    let counters = &lab.node.status()["counters"];
    assert!(counters["pass_local_server"].as_u64().unwrap() >= 2 * (10 + 10 * 4), "{counters}");
}

#[test]
#[ignore = "needs root"]
fn a_tunnels_packets_arrive_inside_others() {
    let mut lab = Lab::new(false);
    for family in &FAMILIES {
        let service = family.service();
        let outer = lab.servers[1].run(|| raw_socket(family));
        lab.balance("-u", family, &[endpoint(family.servers[1])], "-i");
        lab.client.run(|| {
            let socket = UdpSocket::bind((family.client, 0)).unwrap();
            socket.send_to(b"question", service).unwrap();
        });
        let mut packet = [0; 256];
        let length =
            outer.recv(&mut packet).unwrap_or_else(|error| panic!("{service}: {error}: {}", lab.node.status()));
        assert!(packet[..length].ends_with(b"question"), "{:02x?}", &packet[..length]);
        assert_eq!(lab.row(&format!("-Ln -u {service}"), endpoint(family.servers[1])), ["Tunnel", "1", "0", "1"]);
    }
}

/// Receives packets that carry a packet of their own family.
#[expect(unsafe_code, reason = "no safe call makes a socket for a protocol by number")]
fn raw_socket(family: &Family) -> UdpSocket {
    use std::os::fd::{FromRawFd, OwnedFd};
    let (domain, protocol) = if family.service().is_ipv4() { (libc::AF_INET, 4) } else { (libc::AF_INET6, 41) };
    // SAFETY: a call with numbers.
    let descriptor = unsafe { libc::socket(domain, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    assert!(descriptor >= 0, "{}", io::Error::last_os_error());
    // SAFETY: a new descriptor, which nobody else owns.
    let socket = UdpSocket::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    socket.set_read_timeout(PATIENCE).unwrap();
    socket
}
