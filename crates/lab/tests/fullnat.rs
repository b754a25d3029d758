//! FullNAT between real programs, by the real binary: each family over each topology. Servers on a bridge have no route to
//! the client and no gateway.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use lab::net::{Device, Namespace};
use lab::network::add_addresses;
use lab::node::{Agent, Cgroup, DEFERRED, Entry, Reuse, ServerKind, WEB, Xlvs};
use lab::topology::{Dual, address};
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

common::every_shape!(Mode::FullNat);

/// Local addresses of a second director.
const OTHER_LOCAL: Dual = address::back(0, 201);

/// nginx, which knows nothing of it, sees the clients' own addresses and ports, by way of two directors that serve one
/// virtual address, each from a local address of its own.
#[test]
#[ignore = "needs root"]
fn servers_see_their_clients() {
    let cgroup = Cgroup::enter().unwrap();
    let mut lab = Lab::build_with(Topology::bridged(Mode::FullNat), ServerKind::Nginx).unwrap();
    let other = second_director(&mut lab);
    let prefixes = [address::LOCAL, OTHER_LOCAL].map(|local| format!("{} {}", local.v4, local.v6)).join(" ");
    for server in &lab.servers {
        let agent = Agent::new(&server.host, lab.network.work());
        let line = format!("up --mode fullnat --director {prefixes} --cgroup {}", cgroup.path().display());
        agent.must(&line).unwrap();
    }
    let second = Xlvs::new(&other, "director2", &["d0", "d1"], lab.network.work(), Entry::Direct).unwrap();
    let mut directors = [(lab.director(Entry::Direct).unwrap(), address::LOCAL), (second, OTHER_LOCAL)];
    for (director, local) in &mut directors {
        director.start().unwrap();
        Family::ALL.iter().for_each(|family| configure(&lab, director, *family, &local.of(*family).to_string()));
    }
    let mut ends = BTreeSet::new();
    for host in [&lab.director, &other] {
        turn_to(&lab, host);
        Family::ALL.iter().for_each(|family| ends.append(&mut check_clients(&lab, *family)));
    }
    // Twice 2 x 1250 connections; a port that comes twice is one end.
    assert!(ends.len() > 4000, "{} ends of connections", ends.len());
    let logged = lab.servers.iter().flat_map(|server| server.logged_clients().unwrap());
    assert_eq!(logged.collect::<BTreeSet<_>>(), ends, "address and port, no more and no less");
    for (director, _) in &mut directors {
        let counters = director.status().unwrap()["counters"].clone();
        assert!(counters["forward_in"].as_u64().unwrap_or_default() > 1000, "both have served: {counters}");
        director.stop(false).unwrap();
    }
}

/// Another director on both segments. The virtual address is its, too.
fn second_director(lab: &mut Lab) -> Namespace {
    let host = lab.network.router("director2").unwrap();
    let sides =
        [("d0", "front", address::front(3), address::VIRTUAL), ("d1", "back", address::back(0, 3), OTHER_LOCAL)];
    for (name, segment, own, further) in sides {
        let device = Device::new(&host, name);
        let port = lab.network.plug(&device, segment, &format!("to-director2-{name}")).unwrap();
        lab.network.face_director(&port).unwrap();
        add_addresses(&device, own.with_prefix(address::PREFIX)).unwrap();
        add_addresses(&device, further.host()).unwrap();
    }
    host
}

/// From now on the client sends to the virtual address by way of this director.
fn turn_to(lab: &Lab, director: &Namespace) {
    let mac = Device::new(director, "d0").mac().unwrap().to_string();
    for (address, _) in address::VIRTUAL.host() {
        let mut ip = lab.client.host.command("ip");
        let address = address.to_string();
        let line = ["neighbour", "replace", &address, "lladdr", &mac, "dev", "c0", "nud", "permanent"];
        assert!(ip.args(line).status().unwrap().success());
    }
}

fn configure(lab: &Lab, director: &Xlvs, family: Family, local: &str) {
    for port in [WEB, DEFERRED] {
        let service = SocketAddr::new(address::VIRTUAL.of(family), port);
        director.ipvsadm(&format!("-A -t {service} -s rr --local-address {local}")).unwrap();
        for server in &lab.servers {
            let endpoint = SocketAddr::new(server.address.of(family), port);
            director.ipvsadm(&format!("-a -t {service} -r {endpoint} --fullnat")).unwrap();
        }
    }
    director.wait_for_servers().unwrap();
}

/// Asks by connections of one request, by ones that are kept for several, and where nginx is told late. Returns the
/// client's own ends.
fn check_clients(lab: &Lab, family: Family) -> BTreeSet<SocketAddr> {
    let service = |port| SocketAddr::new(address::VIRTUAL.of(family), port);
    let mut ends = BTreeSet::new();
    for (port, count) in [(WEB, 500), (DEFERRED, 250)] {
        let tally = lab.client.requests(service(port), count, Reuse::Close, |_| true).unwrap();
        assert_eq!(tally.ok, count, "{family}, port {port}: {:?}", tally.errors);
        assert_eq!(tally.client_seen, BTreeSet::from([address::CLIENT.of(family)]), "port {port}");
        ends.extend(tally.ends);
    }
    ends.extend((0..500).map(|_| ask_twice(lab, family)));
    assert_eq!(lab.counters().unwrap().checksum_errors, 0);
    ends
}

/// Two requests on one connection; returns the client's end of it.
fn ask_twice(lab: &Lab, family: Family) -> SocketAddr {
    let mut session = lab.client.connect(SocketAddr::new(address::VIRTUAL.of(family), WEB)).unwrap();
    for _ in 0..2 {
        assert_eq!(session.get(Reuse::KeepAlive).unwrap().client, address::CLIENT.of(family));
    }
    session.local().unwrap()
}

/// Local ports meet servers that still wait for the end of the connection before (TIME_WAIT): with 200 ports for one
/// server, each is used again fifty times in the minute that a server waits. Nothing fails, nothing is sent twice.
#[test]
#[ignore = "needs root"]
fn a_port_is_used_again_while_its_server_waits() {
    let lab = Lab::build(Topology::bridged(Mode::FullNat).with_servers(1)).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.start().unwrap();
    for family in Family::ALL {
        let port = 7000;
        let service = SocketAddr::new(address::VIRTUAL.of(family), port);
        let local = address::LOCAL.of(family);
        let local = if local.is_ipv6() { format!("[{local}]:20000-20199") } else { format!("{local}:20000-20199") };
        let endpoint = SocketAddr::new(lab.servers[0].address.of(family), port);
        director.ipvsadm(&format!("-A -t {service} -s rr --local-address {local}")).unwrap();
        director.ipvsadm(&format!("-a -t {service} -r {endpoint} --fullnat")).unwrap();
        director.wait_for_servers().unwrap();
        let count = std::env::var("XLVS_SHORT_CONNECTIONS").ok().and_then(|count| count.parse().ok());
        let short = short_connections(&lab, endpoint, service, count.unwrap_or(10_000));
        println!("{family}: {short:?}");
        assert_eq!((short.failed, short.slow), (0, 0), "{family}: {short:?}");
    }
    director.stop(false).unwrap();
}

/// What came of many short connections.
#[derive(Debug, Default)]
struct Short {
    done: u32,
    failed: u32,
    /// Longer than half a second: something was sent twice.
    slow: u32,
    longest: Duration,
    all: Duration,
}

/// One after the other; the server closes first.
fn short_connections(lab: &Lab, endpoint: SocketAddr, service: SocketAddr, count: u32) -> Short {
    let stop = Arc::new(AtomicBool::new(false));
    let serving = serve(&lab.servers[0].host, endpoint, &stop);
    let short = lab.client.host.run(|| {
        let mut short = Short::default();
        let all = Instant::now();
        // Enough to see what is wrong; the rest would take minutes.
        while short.done < count && short.failed + short.slow < 5 {
            let begin = Instant::now();
            short.failed += u32::from(!ask(service));
            let took = begin.elapsed();
            short.slow += u32::from(took > Duration::from_millis(500));
            short.longest = short.longest.max(took);
            short.done += 1;
        }
        short.all = all.elapsed();
        Ok(short)
    });
    stop.store(true, Ordering::Relaxed);
    serving.join().unwrap();
    short.unwrap()
}

fn ask(service: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&service, Duration::from_secs(5)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).is_ok() && answer == "hello"
}

/// Greets whoever connects and closes, until told to stop.
fn serve(host: &Namespace, endpoint: SocketAddr, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let stop = stop.clone();
    let place = SocketAddr::new(unspecified(endpoint), endpoint.port());
    let listener = host.run(|| Ok(TcpListener::bind(place)?)).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((mut stream, _)) => drop(stream.write_all(b"hello")),
                Err(_) => std::thread::sleep(Duration::from_micros(50)),
            }
        }
    })
}

fn unspecified(endpoint: SocketAddr) -> IpAddr {
    if endpoint.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) }
}

/// What is wrong with local addresses is said, and nothing is forwarded from an address that is not this node's.
#[test]
#[ignore = "needs root"]
fn a_local_address_is_this_nodes_or_nothing_goes() {
    let lab = Lab::build(Topology::bridged(Mode::FullNat).with_servers(1)).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.start().unwrap();
    let scenario = Scenario::usual(Family::V4);
    scenario.configure(&lab, &director).unwrap();
    let service = scenario.service();
    let saved = director.ipvsadm("-Sn").unwrap();
    let rule = format!("-A -t {service} -s rr --local-address {}", address::LOCAL.v4);
    assert!(saved.lines().any(|line| line == rule), "{saved}");
    assert!(saved.contains("--fullnat -w 1"), "{saved}");
    assert!(director.ipvsadm("-Ln").unwrap().contains("FullNat"), "listed");
    director.ipvsadm(&format!("-E -t {service} -s rr --local-address {}", OTHER_LOCAL.v4)).unwrap();
    let status = director.run(&["status"]).unwrap().stdout;
    let note = format!("local address {} of its service is not an address of this node", OTHER_LOCAL.v4);
    assert!(status.contains(&note), "{status}");
    assert!(lab.client.get(service).is_err(), "no server is eligible");
    add_addresses(&Device::new(&lab.director, "d1"), OTHER_LOCAL.host()).unwrap();
    director.wait_for_servers().unwrap();
    assert_eq!(lab.client.get(service).unwrap().client, OTHER_LOCAL.v4);
    assert!(director.ipvsadm(&format!("-E -t {service} -s rr")).is_err(), "its server would have no local address");
    let client = format!("{}:4000", address::CLIENT.v4);
    let explained = director.run(&["explain", &client, &service.to_string()]).unwrap().stdout;
    assert!(explained.contains(&format!("{}:{WEB}", lab.servers[0].address.v4)), "{explained}");
    director.stop(false).unwrap();
}
