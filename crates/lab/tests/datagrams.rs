//! UDP servers of FullNAT see their clients: by a real director, in both lanes, each family, with a program that knows one
//! socket and with one that connects a socket for each client.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::net::Namespace;
use lab::network::{DEFAULT, add_routes};
use lab::node::{Agent, Cgroup, Entry, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Mode, Topology};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{ReusePort, UdpGsoSegment};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PORT: u16 = 5300;
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
#[ignore = "needs root"]
fn servers_see_who_sends_by_xdp() {
    prove(Topology::bridged(Mode::FullNat), "xdp");
}

#[test]
#[ignore = "needs root"]
fn servers_see_who_sends_by_tc_with_offload() {
    prove(Topology::bridged(Mode::FullNat).with_offload(), "tc");
}

fn prove(topology: Topology, lane: &str) {
    let cgroup = Cgroup::enter().unwrap();
    let lab = Lab::build(topology.with_servers(1)).unwrap();
    // A program answers the client it sees: its stack must know some way there.
    add_routes(&lab.servers[0].host, DEFAULT, address::LOCAL).unwrap();
    let agent = Agent::new(&lab.servers[0].host, lab.network.work());
    let up = format!(
        "up --mode fullnat --director {} {} --cgroup {}",
        address::LOCAL.v4,
        address::LOCAL.v6,
        cgroup.path().display()
    );
    agent.must(&up).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
    director.start().unwrap();
    assert_eq!(director.lane().unwrap(), lane);
    for family in Family::ALL {
        for connects in [false, true] {
            let service = configure(&lab, &director, family, PORT + u16::from(connects));
            let server = Server::start(&lab.servers[0].host, unspecified(family), service.port(), connects);
            see(&lab, service);
            drop(server);
        }
        forget(&lab, &agent, &up, &configure(&lab, &director, family, PORT + 2));
    }
    if lane == "tc" {
        joined(&lab, configure(&lab, &director, Family::V4, PORT + 3));
    }
    assert_eq!(lab.counters().unwrap().checksum_errors, 0);
    director.stop(false).unwrap();
}

/// A service over the one server.
fn configure(lab: &Lab, director: &Xlvs, family: Family, port: u16) -> SocketAddr {
    let service = SocketAddr::new(address::VIRTUAL.of(family), port);
    let endpoint = SocketAddr::new(lab.servers[0].address.of(family), port);
    director.ipvsadm(&format!("-A -u {service} -s rr --local-address {}", address::LOCAL.of(family))).unwrap();
    director.ipvsadm(&format!("-a -u {service} -r {endpoint} --fullnat")).unwrap();
    director.wait_for_servers().unwrap();
    service
}

/// Clients with some datagrams each: every answer says the client's own address and port. Some are larger than what
/// has room for the option, some are empty.
fn see(lab: &Lab, service: SocketAddr) {
    for number in 0..20 {
        let socket = client(lab, service);
        let own = socket.local_addr().unwrap().to_string();
        for size in [10, 1450 - number, 0, 700, 3] {
            assert_eq!(ask(&socket, size).as_deref(), Some(own.as_str()), "{service}, {size} bytes");
        }
    }
}

/// A server that is prepared anew has forgotten its clients, and learns them within seconds.
fn forget(lab: &Lab, agent: &Agent, up: &str, service: &SocketAddr) {
    let family = if service.is_ipv4() { Family::V4 } else { Family::V6 };
    let _server = Server::start(&lab.servers[0].host, unspecified(family), service.port(), false);
    let socket = client(lab, *service);
    let own = socket.local_addr().unwrap().to_string();
    for _ in 0..5 {
        assert_eq!(ask(&socket, 10).as_deref(), Some(own.as_str()));
    }
    agent.must("down").unwrap();
    agent.must(up).unwrap();
    let begin = Instant::now();
    while ask(&socket, 10).as_deref() != Some(own.as_str()) {
        assert!(begin.elapsed() < Duration::from_secs(10), "the server does not learn its client anew");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Datagrams that the client's stack hands over as one: they arrive, all, though nothing is told by them.
fn joined(lab: &Lab, service: SocketAddr) {
    let _server = Server::start(&lab.servers[0].host, unspecified(Family::V4), service.port(), false);
    let socket = client(lab, service);
    setsockopt(&socket, UdpGsoSegment, &1000).unwrap();
    socket.send(&[7; 4000]).unwrap();
    let local = address::LOCAL.v4.to_string();
    for _ in 0..4 {
        let seen = answer(&socket).unwrap();
        assert!(seen.starts_with(&local), "{seen}");
    }
    setsockopt(&socket, UdpGsoSegment, &0).unwrap();
    assert_eq!(ask(&socket, 10), Some(socket.local_addr().unwrap().to_string()));
}

fn client(lab: &Lab, service: SocketAddr) -> UdpSocket {
    let any = if service.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let socket = lab.client.host.run(|| Ok(UdpSocket::bind((any, 0))?)).unwrap();
    lab.client.host.run(|| Ok(socket.connect(service)?)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Whom the server sees.
fn ask(socket: &UdpSocket, size: usize) -> Option<String> {
    socket.send(&vec![7; size]).unwrap();
    answer(socket)
}

fn answer(socket: &UdpSocket) -> Option<String> {
    let mut buffer = [0; 100];
    let length = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([0; 4]),
        Family::V6 => IpAddr::from([0; 16]),
    }
}

/// Tells everybody who they are, until dropped.
struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(host: &Namespace, address: IpAddr, port: u16, connects: bool) -> Self {
        let socket = shared(host, SocketAddr::new(address, port));
        let stop = Arc::new(AtomicBool::new(false));
        let (told, host) = (stop.clone(), host.clone());
        let thread = std::thread::spawn(move || serve(&host, &socket, connects, &told));
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A socket that is not the only one of its port.
fn shared(host: &Namespace, place: SocketAddr) -> UdpSocket {
    host.run(|| {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, socket};
        use std::os::fd::AsRawFd;
        let family = if place.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&socket, ReusePort, &true)?;
        bind(socket.as_raw_fd(), &SockaddrStorage::from(place))?;
        let socket = UdpSocket::from(socket);
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(socket)
    })
    .unwrap()
}

/// Answers each first datagram; where it connects, a socket of the client's own answers whatever follows.
fn serve(host: &Namespace, socket: &UdpSocket, connects: bool, stop: &AtomicBool) {
    let mut connected: Vec<UdpSocket> = Vec::new();
    let mut buffer = [0; 2000];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((_, client)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(client.to_string().as_bytes(), client);
            if connects {
                let own = shared(host, socket.local_addr().unwrap());
                own.connect(client).unwrap();
                own.set_nonblocking(true).unwrap();
                connected.push(own);
                socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            }
        }
        for own in &connected {
            while own.recv(&mut buffer).is_ok() {
                let _ = own.send(own.peer_addr().unwrap().to_string().as_bytes());
            }
        }
    }
}
