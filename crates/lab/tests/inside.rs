//! A router with a small MTU stands between the director and the end of its tunnels: what it tells the director about
//! outer packets, clients learn about their own. Nobody touches an MTU of theirs.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "what the tools said is what one wants to see")]

#[path = "common/judge.rs"]
mod judge;

use judge::{counted, judge, run};
use lab::net::Device;
use lab::network::{DEFAULT, add_addresses, add_routes, end_tunnels};
use lab::node::{Entry, RealServer, ServerKind, ServerPlan, Xlvs};
use lab::topology::{Dual, Tunnel, address};
use lab::{Family, Lab, Mode, Scenario, Topology};

/// Of the link behind the router, as the router sees it.
const NARROW: u32 = 1400;
const BULK: u64 = 1 << 20;
const TUNNELS: [Tunnel; 5] = [Tunnel::Ipip, Tunnel::Gue, Tunnel::GueChecksum, Tunnel::Gre, Tunnel::GreChecksum];

#[test]
#[ignore = "needs root"]
fn clients_learn_of_a_narrow_link_behind_the_director() {
    for lane in ["xdp", "tc"] {
        let topology = Topology::point_to_point(Mode::Tun).with_servers(1);
        let mut lab = Lab::build(if lane == "tc" { topology.with_offload() } else { topology }).unwrap();
        let end = behind_a_router(&mut lab);
        let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
        director.start().unwrap();
        for family in Family::ALL {
            for tunnel in TUNNELS {
                for mixed in [false, true] {
                    upload(&lab, &director, &end, family, topology.with_tunnel(tunnel, mixed), lane);
                }
            }
        }
        judge(&lab);
    }
}

/// The router between is a hop of the way, too.
#[test]
#[ignore = "needs root"]
fn the_router_between_is_a_hop() {
    let topology = Topology::point_to_point(Mode::Tun).with_servers(1);
    let mut lab = Lab::build(topology).unwrap();
    let end = behind_a_router(&mut lab);
    let mut director = lab.director(Entry::Direct).unwrap();
    director.start().unwrap();
    for family in Family::ALL {
        for mixed in [false, true] {
            configure(&director, &end, family, topology.with_tunnel(Tunnel::Ipip, mixed));
            let vip = address::VIRTUAL.of(family);
            let text = run(&lab.client.host, &format!("traceroute -n -T -p 80 -q 1 -w 5 -m 5 {vip}"));
            println!("{family}, {}:\n{text}", topology.with_tunnel(Tunnel::Ipip, mixed));
            let hops: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
            assert_eq!(hops, [vip.to_string(), vip.to_string(), vip.to_string()], "{text}");
        }
    }
    judge(&lab);
}

/// One large upload; the client first learns what the tunnel takes, then what the link behind the router leaves.
fn upload(lab: &Lab, director: &Xlvs, end: &RealServer, family: Family, topology: Topology, lane: &str) {
    let service = configure(director, end, family, topology);
    for line in ["ip route flush cache", "ip -6 route flush cache"] {
        run(&lab.client.host, line);
    }
    let before = (counted(director, "forward_icmp_out"), lab.counters().unwrap().checksum_errors);
    let answer = lab.client.upload(service, BULK).unwrap();
    assert!(answer.starts_with(&format!("bytes={BULK}\n")), "{topology}, {lane}, {family}: {answer}");
    let relayed = counted(director, "forward_icmp_out") - before.0;
    let route = run(&lab.client.host, &format!("ip route get {}", service.ip()));
    println!("{topology}, {lane}, {family}: {relayed} errors relayed; {}", route.trim().replace('\n', " "));
    assert!(relayed > 0, "{topology}, {lane}, {family}: nobody told the client");
    assert_eq!(lab.counters().unwrap().checksum_errors, before.1, "{topology}, {lane}, {family}");
    let outer = if topology.mixed { family.other() } else { family };
    let mtu = NARROW - overhead(topology.tunnel, outer);
    assert!(route.contains(&format!("mtu {mtu}")), "{topology}, {lane}, {family}: not {mtu}: {route}");
}

const fn overhead(tunnel: Tunnel, outer: Family) -> u32 {
    let envelope = match tunnel {
        Tunnel::Ipip => 0,
        Tunnel::Gue | Tunnel::GueChecksum => 12,
        Tunnel::Gre => 4,
        Tunnel::GreChecksum => 8,
    };
    envelope + if matches!(outer, Family::V4) { 20 } else { 40 }
}

fn configure(director: &Xlvs, end: &RealServer, family: Family, topology: Topology) -> std::net::SocketAddr {
    let service = Scenario::usual(family).service();
    let outer = if topology.mixed { family.other() } else { family };
    let server = std::net::SocketAddr::new(end.address.of(outer), service.port());
    director.ipvsadm("-C").unwrap();
    director.ipvsadm(&format!("-A -t {service} -s rr")).unwrap();
    director.ipvsadm(&format!("-a -t {service} -r {server} {}", topology.flags())).unwrap();
    director.wait_for_servers().unwrap();
    service
}

/// A server behind a router of its own, beside those of the topology.
fn behind_a_router(lab: &mut Lab) -> RealServer {
    let router = lab.network.router("router").unwrap();
    let host = lab.network.host("end").unwrap();
    let (near, far) = (Device::new(&router, "r0"), Device::new(&lab.director, "d9"));
    let (down, end) = (Device::new(&router, "r1"), Device::new(&host, "e0"));
    lab.network.link(&near, &far).unwrap();
    lab.network.face_director(&near).unwrap();
    end.connect(&down).unwrap();
    let [dip, up, gateway, rip] = [(77, 1), (77, 2), (78, 1), (78, 2)].map(|(net, host)| address::back(net, host));
    for (device, address) in [(&far, dip), (&near, up), (&down, gateway), (&end, rip)] {
        add_addresses(device, address.with_prefix(address::PREFIX)).unwrap();
    }
    let behind: Dual = address::back(78, 0);
    add_routes(&lab.director, behind.with_prefix(address::PREFIX), up).unwrap();
    add_routes(&router, DEFAULT, dip).unwrap();
    add_routes(&host, DEFAULT, gateway).unwrap();
    lab.director.sysctl("ipv4/conf/d9/accept_local", "1").unwrap();
    down.set_mtu(NARROW).unwrap();
    lab.interfaces.push(far.name);
    end_tunnels(&host, address::VIRTUAL, lab.network.work()).unwrap();
    let listens: Vec<_> = [rip, address::VIRTUAL].iter().flat_map(|both| both.host().map(|(it, _)| it)).collect();
    let directory = lab.network.work().path();
    let (name, kind) = ("end", ServerKind::Embedded);
    RealServer::start(&ServerPlan {
        name,
        host: &host,
        address: rip,
        listens: &listens,
        kind,
        directory,
        bulk: BULK,
        logs: false,
    })
    .unwrap()
}
