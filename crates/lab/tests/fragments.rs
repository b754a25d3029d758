//! Datagrams larger than a frame: whole at the server, and whole back at the client.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use forward::host::packet;
use lab::capture;
use lab::net::Device;
use lab::node::{Entry, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Mode, Scenario, Topology};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Bytes of a datagram: six fragments.
const LARGE: usize = 8192;

#[test]
#[ignore = "needs root"]
fn large_datagrams_arrive_whole() {
    for (mode, lane) in every_mode() {
        let topology = Topology::point_to_point(mode);
        let topology = if lane == "tc" { topology.with_offload() } else { topology };
        let (lab, director) = started(topology, lane);
        for family in Family::ALL {
            let scenario = Scenario::usual(family);
            scenario.configure(&lab, &director).unwrap();
            if mode == Mode::Tun {
                learn_what_fits(&lab, &director, scenario.echo_service());
            }
            let before = lab.counters().unwrap().checksum_errors;
            let [forwarded, returned] = ["forward_in", "forward_out"].map(|name| counted(&director, name));
            for number in 0..30 {
                let text = format!("{number:0LARGE$}");
                lab.client.echo(scenario.echo_service(), &text).unwrap_or_else(|error| {
                    panic!("{topology}, {lane}, {family}, datagram {number}: {error:#}");
                });
            }
            assert_eq!(lab.counters().unwrap().checksum_errors, before, "{topology}, {lane}, {family}");
            // Thirty datagrams, six fragments each; answers are as large, and pass the director where they must.
            let pieces = 30 * 6;
            let back = if mode.is_direct() { 0 } else { pieces };
            assert_eq!(counted(&director, "forward_in") - forwarded, pieces, "{topology}, {lane}, {family}");
            assert_eq!(counted(&director, "forward_out") - returned, back, "{topology}, {lane}, {family}");
        }
        assert_eq!(counted(&director, "drop_fragment"), 0, "{topology}, {lane}");
    }
}

fn every_mode() -> Vec<(Mode, &'static str)> {
    let modes = [Mode::Nat, Mode::Dr, Mode::Tun, Mode::FullNat];
    ["xdp", "tc"].into_iter().flat_map(|lane| modes.map(|mode| (mode, lane))).collect()
}

/// The first fragment of a datagram as large as the client's own link takes does not fit into a tunnel: the client is told.
fn learn_what_fits(lab: &Lab, director: &Xlvs, service: SocketAddr) {
    let told = counted(director, "answer_sent");
    let text = "0".repeat(LARGE);
    let socket = lab.client.host.run(|| {
        let any: std::net::IpAddr = address::CLIENT.of(if service.is_ipv4() { Family::V4 } else { Family::V6 });
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(service)?;
        socket.send(text.as_bytes())?;
        Ok(socket)
    });
    let begin = Instant::now();
    while counted(director, "answer_sent") == told {
        assert!(begin.elapsed() < Duration::from_secs(30), "{service}: the client is not told what fits");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(socket);
}

/// Datagrams of a round: as many as may wait at a time, then those that make it a hundred.
const ROUNDS: [u16; 2] = [64, 36];

#[test]
#[ignore = "needs root"]
fn fragments_wait_for_their_first() {
    for (mode, lane) in every_mode() {
        let (lab, director) = started(Topology::point_to_point(mode), lane);
        // Of one sender's fragments a receiver gives up those that come too much out of order, whoever sent them on.
        lab.servers.iter().for_each(|server| server.host.sysctl("ipv4/ipfrag_max_dist", "0").unwrap());
        for family in Family::ALL {
            let scenario = Scenario::usual(family);
            scenario.configure(&lab, &director).unwrap();
            let socket = lab.client.host.run(|| {
                let socket = UdpSocket::bind((address::CLIENT.of(family), 0))?;
                socket.connect(scenario.echo_service())?;
                setsockopt(&socket, RcvBufForce, &(8 << 20))?;
                socket.set_read_timeout(Some(Duration::from_secs(10)))?;
                Ok(socket)
            });
            let socket = socket.unwrap();
            let rounds = ROUNDS.iter().zip(0..);
            let answered: usize = rounds.map(|(size, round)| answered_of_a_round(&lab, &socket, round, *size)).sum();
            assert_eq!(answered, 100, "{mode}, {lane}, {family}");
        }
        assert!(counted(&director, "hold_fragment") >= 1000, "{mode}, {lane}");
    }
}

/// One whose first never comes is dropped, and counted.
#[test]
#[ignore = "needs root"]
fn fragments_do_not_wait_for_ever() {
    let (lab, director) = started(Topology::point_to_point(Mode::Nat), "xdp");
    let scenario = Scenario::usual(Family::V4);
    scenario.configure(&lab, &director).unwrap();
    let pieces = pieces(&lab, scenario.echo_service(), 4000, 1);
    capture::send(&Device::new(&lab.client.host, "c0"), &pieces[1..]).unwrap();
    let begin = Instant::now();
    while counted(&director, "drop_fragment") < 5 {
        assert!(begin.elapsed() < Duration::from_secs(30), "{} dropped", counted(&director, "drop_fragment"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(counted(&director, "hold_fragment"), 5);
    capture::send(&Device::new(&lab.client.host, "c0"), &pieces[..1]).unwrap();
    assert_eq!(counted(&director, "drop_fragment"), 5);
}

/// Sends all later fragments of a round of datagrams, then their firsts; says how many echoes came. A round that this
/// machine could not send within the time for which fragments wait is sent again.
fn answered_of_a_round(lab: &Lab, socket: &UdpSocket, round: u16, size: u16) -> usize {
    let device = Device::new(&lab.client.host, "c0");
    for attempt in 0..50 {
        let numbers: Vec<u16> = (1..=size).map(|number| attempt * 1000 + round * 100 + number).collect();
        let (service, port) = (socket.peer_addr().unwrap(), socket.local_addr().unwrap().port());
        let datagrams: Vec<_> = numbers.iter().map(|number| pieces(lab, service, port, *number)).collect();
        let later: Vec<_> = datagrams.iter().flat_map(|pieces| pieces[1..].iter().rev().cloned()).collect();
        let first: Vec<_> = datagrams.iter().map(|pieces| pieces[0].clone()).collect();
        let begin = Instant::now();
        capture::send(&device, &[later, first].concat()).unwrap();
        let in_time = begin.elapsed() < Duration::from_millis(40);
        let mut missing: BTreeSet<u16> = numbers.into_iter().collect();
        let mut buffer = vec![0; 65_536];
        while !missing.is_empty() {
            let Ok(size) = socket.recv(&mut buffer) else { break };
            let number = std::str::from_utf8(&buffer[..size]).unwrap().rsplit('\n').next().unwrap().parse::<u16>();
            missing.remove(&number.unwrap());
        }
        if in_time {
            return usize::from(size) - missing.len();
        }
    }
    panic!("this machine does not send {size} datagrams within 40 ms");
}

/// The fragments of one datagram, which says its number.
fn pieces(lab: &Lab, service: SocketAddr, port: u16, number: u16) -> Vec<Vec<u8>> {
    const PIECE: usize = 1400;
    let (client, director) = (Device::new(&lab.client.host, "c0"), Device::new(&lab.director, "d0"));
    let family = if service.is_ipv4() { Family::V4 } else { Family::V6 };
    let packet = packet()
        .ethernet(client.mac().unwrap(), director.mac().unwrap())
        .ip(address::CLIENT.of(family), service.ip())
        .identification(number);
    let text = format!("{number:0LARGE$}");
    let whole = packet.clone().payload(text.as_bytes()).udp(port, service.port()).build().bytes;
    let datagram = &whole[if service.is_ipv4() { 34 } else { 54 }..];
    let count = datagram.len().div_ceil(PIECE);
    let piece = |(place, bytes): (usize, &[u8])| {
        let offset = u16::try_from(place * PIECE).unwrap();
        let more = u16::from(place + 1 < count);
        let packet = packet.clone().protocol(17).payload(bytes);
        let packet = if service.is_ipv4() {
            packet.fragment((more << 13) | (offset / 8))
        } else {
            let ([high, low], [first, second]) = ((offset | more).to_be_bytes(), number.to_be_bytes());
            packet.options(&[44, 17, 0, high, low, 0, 0, first, second])
        };
        packet.build().bytes
    };
    datagram.chunks(PIECE).enumerate().map(piece).collect()
}

fn counted(director: &Xlvs, name: &str) -> u64 {
    director.status().unwrap()["counters"][name].as_u64().unwrap()
}

fn started(topology: Topology, lane: &str) -> (Lab, Xlvs) {
    let lab = Lab::build(topology).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
    director.start().unwrap();
    (lab, director)
}
