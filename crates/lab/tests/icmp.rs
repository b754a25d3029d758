//! ICMP by the programs that need it: traceroute, ping, path MTU discovery, refused datagrams; tshark judges checksums.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "what the tools said is what one wants to see")]

#[path = "common/judge.rs"]
mod judge;

use judge::{LIMIT, counted, judge, run};
use lab::net::{Device, Namespace};
use lab::network::{DEFAULT, add_addresses, add_routes};
use lab::node::{Client, Entry, Xlvs};
use lab::topology::{Dual, address};
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Where nobody listens, and which services it stands behind.
const CLOSED: u16 = 9;
/// Smaller than every other link's.
const NARROW: &str = "1300";
const BULK: u64 = 1 << 20;

#[test]
#[ignore = "needs root"]
fn the_director_and_the_server_are_hops() {
    for mode in [Mode::Nat, Mode::Dr] {
        let (lab, director) = ready(mode, &Family::ALL);
        for family in Family::ALL {
            let vip = address::VIRTUAL.of(family);
            let text = run(&lab.client.host, &format!("traceroute -n -T -p 80 -q 1 -w 5 -m 4 {vip}"));
            println!("{mode}, {family}:\n{text}");
            let hops: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
            assert_eq!(hops, [vip.to_string(), vip.to_string()], "{text}");
            let text = run(&lab.client.host, &format!("ping -n -c 3 -i 0.2 -W 5 {vip}"));
            assert!(text.contains(" 0% packet loss"), "{text}");
        }
        assert!(counted(&director, "answer_sent") >= 2);
        assert!(counted(&director, "pass_icmp") >= 6);
        judge(&lab);
    }
}

#[test]
#[ignore = "needs root"]
fn closed_ports_refuse() {
    let (lab, director) = ready(Mode::Nat, &[]);
    for family in Family::ALL {
        let service = SocketAddr::new(address::VIRTUAL.of(family), 4000);
        director.ipvsadm(&format!("-A -u {service}")).unwrap();
        assert_eq!(refused(&lab.client.host, service), ErrorKind::ConnectionRefused, "no server: {family}");
        let server = SocketAddr::new(lab.servers[0].address.of(family), CLOSED);
        director.ipvsadm(&format!("-a -u {service} -r {server} -m")).unwrap();
        director.wait_for_servers().unwrap();
        let translated = counted(&director, "forward_icmp_out");
        assert_eq!(refused(&lab.client.host, service), ErrorKind::ConnectionRefused, "closed port: {family}");
        assert_eq!(counted(&director, "forward_icmp_out"), translated + 1);
    }
    judge(&lab);
}

/// Links that are narrower than both ends know: towards the servers, and beyond a router of the client's side.
#[test]
#[ignore = "needs root"]
fn path_mtus_are_discovered() {
    for mode in [Mode::Nat, Mode::Dr] {
        let (lab, director) = ready(mode, &Family::ALL);
        let far = beyond_a_router(&lab);
        for family in Family::ALL {
            let service = Scenario::usual(family).service();
            let related = counted(&director, "forward_icmp_in");
            assert!(far.download(service, BULK, |_| ()).unwrap(), "{mode}, {family}: from the servers");
            assert!(counted(&director, "forward_icmp_in") > related, "{mode}, {family}: nobody told the servers");
        }
        for number in 1..=lab.servers.len() {
            narrow(&lab.director, &format!("d{number}"));
        }
        for family in Family::ALL {
            let service = Scenario::usual(family).service();
            let (begin, told) = (Instant::now(), counted(&director, "drop_too_big"));
            while counted(&director, "drop_too_big") == told {
                let answer = lab.client.upload(service, BULK).unwrap();
                assert!(answer.starts_with(&format!("bytes={BULK}\n")), "{mode}, {family}: {answer}");
                assert!(begin.elapsed() < LIMIT, "{mode}, {family}: nobody told the client");
            }
        }
        judge(&lab);
    }
}

/// The client's side narrows: the stack tells the servers of NAT.
#[test]
#[ignore = "needs root"]
fn servers_are_told_by_the_stack() {
    let (lab, director) = ready(Mode::Nat, &Family::ALL);
    narrow(&lab.director, "d0");
    for family in Family::ALL {
        let service = Scenario::usual(family).service();
        let begin = Instant::now();
        let told = counted(&director, "pass_unforwardable");
        while counted(&director, "pass_unforwardable") == told {
            assert!(lab.client.download(service, BULK, |_| ()).unwrap(), "{family}");
            assert!(begin.elapsed() < LIMIT, "{family}: nobody told the servers");
        }
    }
    judge(&lab);
}

fn ready(mode: Mode, families: &[Family]) -> (Lab, Xlvs) {
    let lab = Lab::build(Topology::point_to_point(mode)).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.start().unwrap();
    for family in families {
        Scenario::usual(*family).configure(&lab, &director).unwrap();
    }
    (lab, director)
}

/// A client behind a router (the usual client), whose link to it is narrow on the router's side only.
fn beyond_a_router(lab: &Lab) -> Client {
    let router = &lab.client.host;
    router.sysctl("ipv4/ip_forward", "1").unwrap();
    router.sysctl("ipv6/conf/all/forwarding", "1").unwrap();
    let far = lab.network.host("far").unwrap();
    let (near, device) = (Device::new(router, "far0"), Device::new(&far, "f0"));
    near.connect(&device).unwrap();
    let dual = |host: u8| Dual { v4: Ipv4Addr::new(192, 0, 2, host), v6: far6(host) };
    add_addresses(&near, dual(1).with_prefix(address::PREFIX)).unwrap();
    add_addresses(&device, dual(2).with_prefix(address::PREFIX)).unwrap();
    add_routes(&far, DEFAULT, dual(1)).unwrap();
    add_routes(&lab.director, dual(0).with_prefix(address::PREFIX), address::CLIENT).unwrap();
    narrow(router, "far0");
    Client { host: far }
}

fn far6(host: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, u16::from(host))
}

fn narrow(host: &Namespace, device: &str) {
    run(host, &format!("ip link set dev {device} mtu {NARROW}"));
}

/// How a datagram that nobody takes comes back.
fn refused(host: &Namespace, service: SocketAddr) -> ErrorKind {
    let kind = host.run(|| {
        let any: IpAddr = if service.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(service)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.send(b"hello")?;
        Ok(socket.recv(&mut [0; 16]).map_or_else(|error| error.kind(), |_| ErrorKind::Other))
    });
    kind.unwrap()
}
