//! The law of datagrams in pieces: wherever they are cut, they arrive as if they had not been.

use crate::abi::{Envelope, Method, Port, SchedulerKind};
use crate::host::verify::defect;
use crate::host::world::hop;
use crate::host::{PacketBuilder, ServerSpec, SliceFrame, World, packet};
use crate::{Action, Counter};
use core::net::{IpAddr, SocketAddr};
use proptest::prelude::*;
use std::vec::Vec;
use wire::protocol;

const METHODS: [Method; 4] = [Method::Nat, Method::DirectRouting, Method::Tunnel, Method::FullNat];

fn address(six: bool, last: u8) -> IpAddr {
    if six { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)]) } else { IpAddr::from([10, 0, 0, last]) }
}

fn world(six: bool, method: Method) -> World {
    let mut world = World::new(10);
    let port = if matches!(method, Method::Nat | Method::FullNat) { 8080 } else { 80 };
    let servers = [9, 10, 11].map(|last| ServerSpec {
        endpoint: SocketAddr::new(address(six, last), port),
        method,
        weight: 1,
        interface: 2,
    });
    let vip = SocketAddr::new(address(six, 1), 80);
    world.service(protocol::UDP, vip, SchedulerKind::RoundRobin, &servers, &[]);
    world.localize(0, vip.ip(), &[(address(six, 50), 1, 20_000, 100)]);
    world
}

/// The datagram from its transport header on, cut at these places.
fn pieces(whole: &PacketBuilder, six: bool, number: u16, cuts: &[usize]) -> Vec<SliceFrame> {
    let bytes = whole.build().bytes.split_off(if six { 54 } else { 34 });
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut * 8).filter(|cut| (8..bytes.len()).contains(cut)).collect();
    if places.is_empty() {
        places.push(8);
    }
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.dedup();
    let piece = |ends: &[usize]| {
        let (more, at) = (u16::from(ends[1] < bytes.len()), ends[0] as u16);
        let packet =
            packet().ip(address(six, 2), address(six, 1)).protocol(protocol::UDP).payload(&bytes[ends[0]..ends[1]]);
        let packet = if six {
            let ([high, low], [first, second]) = ((at | more).to_be_bytes(), number.to_be_bytes());
            packet.options(&[44, protocol::UDP, 0, high, low, 0, 0, first, second])
        } else {
            packet.identification(number).fragment((more << 13) | (at / 8))
        };
        packet.build()
    };
    places.windows(2).map(piece).collect()
}

/// What a server puts together of what left for it: addresses, and the datagram from its transport header on.
fn arrived(frames: &[Vec<u8>], six: bool, around: usize) -> Vec<u8> {
    let (header, mut parts) = (if six { 40 } else { 20 }, Vec::new());
    for frame in frames {
        let ip = &frame[14 + around..];
        let word = |at: usize| usize::from(u16::from_be_bytes([ip[at], ip[at + 1]]));
        let fragment = six && ip[6] == 44;
        let (begin, at) = match (six, fragment) {
            (false, _) => (20, (word(6) & 0x1fff) * 8),
            (true, false) => (40, 0),
            (true, true) => (48, word(42) & 0xfff8),
        };
        parts.push((at, ip[begin..].to_vec(), ip[if six { 8 } else { 12 }..header].to_vec()));
    }
    parts.sort();
    assert!(parts.windows(2).all(|two| two[0].2 == two[1].2), "to one server, from one client");
    let mut whole = parts[0].2.clone();
    parts.iter().for_each(|(at, bytes, _)| {
        assert_eq!(whole.len() - parts[0].2.len(), *at, "a gap");
        whole.extend_from_slice(bytes);
    });
    whole
}

proptest! {
    /// In any order behind the first, through any method: the same server, and the same bytes.
    #[test]
    fn pieces_arrive_as_the_whole_would(
        six in any::<bool>(),
        method in 0..4_usize,
        kind in 0..3_usize,
        number in any::<u16>(),
        payload in proptest::collection::vec(any::<u8>(), 9..1000),
        cuts in proptest::collection::vec(1_usize..125, 1..6),
        order in any::<u64>(),
        checked in any::<bool>(),
    ) {
        let method = METHODS[method];
        let envelope = [Envelope::Ipip, Envelope::Gue(Port::new(6080)), Envelope::Gre][kind];
        let make = || {
            let mut world = world(six, method);
            if method == Method::Tunnel {
                (1..=3).for_each(|id| world.dig(id, address(six, 8 + id as u8), envelope, true));
            }
            world
        };
        let envelope = match envelope {
            Envelope::Ipip => 0,
            Envelope::Gue(_) => 12,
            Envelope::Gre => 4,
        };
        let outer = if six { 40 } else { 20 } + envelope;
        let around = |whole: bool| match (method, kind) {
            (Method::Tunnel, 2) if whole && (checked || six) => outer + 4,
            (Method::Tunnel, _) => outer,
            _ => 0,
        };
        let whole = packet().ip(address(six, 2), address(six, 1)).udp(4000, 80).payload(&payload);
        let whole = if checked || six { whole } else { whole.no_checksum() };
        let mut frame = whole.build();
        prop_assert_eq!(make().send(&mut frame).counter, Counter::ForwardIn);
        let expected = arrived(&[frame.bytes], six, around(true));

        let mut pieces = pieces(&whole, six, number, &cuts);
        // Any order, the first one ahead.
        let count = pieces.len() - 1;
        if count > 0 {
            pieces[1..].rotate_left((order % count as u64) as usize);
            if order & 1 << 63 != 0 {
                pieces[1..].reverse();
            }
        }
        let (mut world, mut left) = (make(), Vec::new());
        for mut piece in pieces {
            let verdict = world.send(&mut piece);
            prop_assert_eq!((verdict.action, verdict.counter), (Action::Forward, Counter::ForwardIn));
            prop_assert_eq!(&piece.bytes[..6], &hop(3, 2).destination.0[..]);
            if method != Method::Tunnel {
                prop_assert_eq!(defect(&piece.bytes), None);
            }
            left.push(piece.bytes);
        }
        prop_assert_eq!(arrived(&left, six, around(false)), expected);
    }
}
