//! Is a frame a valid packet? Judged from its bytes alone, by full sums: the referee of tests and fuzzers.
#![expect(clippy::indexing_slicing, reason = "every length is checked before")]

use wire::{Checksum, protocol};

/// The first thing that is wrong with an IPv4 or IPv6 frame carrying TCP, UDP or an ICMP error: lengths and checksums,
/// those of the quoted packet too, as far as it is quoted.
pub fn defect(frame: &[u8]) -> Option<&'static str> {
    if frame.len() < 14 + 20 {
        return Some("too short");
    }
    match (frame[12], frame[13]) {
        (0x08, 0x00) => defect4(&frame[14..]),
        (0x86, 0xdd) => defect6(&frame[14..]),
        _ => Some("neither IPv4 nor IPv6"),
    }
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

fn defect4(ip: &[u8]) -> Option<&'static str> {
    let header = usize::from(ip[0] & 15) * 4;
    let total = word(ip, 2);
    if header < 20 || total < header || total > ip.len() {
        return Some("IPv4 lengths");
    }
    if Checksum::new().add_bytes(&ip[..header]).fold() != 0xffff {
        return Some("IPv4 header checksum");
    }
    if ip[8] == 0 {
        return Some("time to live");
    }
    // A fragment has a part of a segment, or none of its header.
    if word(ip, 6) & 0x3fff != 0 {
        return None;
    }
    let pseudo = Checksum::new().add_bytes(&ip[12..20]);
    transport(ip[9], pseudo, &ip[header..total], true)
}

fn defect6(ip: &[u8]) -> Option<&'static str> {
    if ip.len() < 40 || 40 + word(ip, 4) > ip.len() {
        return Some("IPv6 lengths");
    }
    if ip[7] == 0 {
        return Some("hop limit");
    }
    let end = 40 + word(ip, 4);
    let (mut next, mut at) = (ip[6], 40);
    while matches!(next, 0 | 43 | 44 | 60) {
        if at + 8 > end {
            return Some("extension headers");
        }
        if next == 44 && word(ip, at + 2) & 0xfff9 != 0 {
            return None;
        }
        let length = if next == 44 { 8 } else { (usize::from(ip[at + 1]) + 1) * 8 };
        next = ip[at];
        at += length;
    }
    if at > end {
        return Some("extension headers");
    }
    transport(next, Checksum::new().add_bytes(&ip[8..40]), &ip[at..end], false)
}

/// An error: its own checksum, then the headers it quotes.
fn error(number: u8, pseudo: Checksum, message: &[u8]) -> Option<&'static str> {
    let six = number == protocol::ICMPV6;
    let pseudo = pseudo.add16((message.len() as u16).to_be()).add16(u16::from(number).to_be());
    let pseudo = if six { pseudo } else { Checksum::new() };
    if message.len() < 8 {
        return Some("ICMP length");
    }
    if pseudo.add_bytes(message).fold() != 0xffff {
        return Some("ICMP checksum");
    }
    let quoted = &message[8..];
    if six { quoted6(quoted) } else { quoted4(quoted) }
}

fn quoted4(ip: &[u8]) -> Option<&'static str> {
    let header = usize::from(ip.first().copied().unwrap_or(0) & 15) * 4;
    if header < 20 || ip.len() < header {
        return Some("quoted IPv4 header");
    }
    if Checksum::new().add_bytes(&ip[..header]).fold() != 0xffff {
        return Some("quoted IPv4 header checksum");
    }
    let whole = word(ip, 2) == ip.len();
    whole.then(|| transport(ip[9], Checksum::new().add_bytes(&ip[12..20]), &ip[header..], true)).flatten()
}

fn quoted6(ip: &[u8]) -> Option<&'static str> {
    if ip.len() < 40 {
        return Some("quoted IPv6 header");
    }
    let whole = 40 + word(ip, 4) == ip.len() && matches!(ip[6], protocol::TCP | protocol::UDP);
    whole.then(|| transport(ip[6], Checksum::new().add_bytes(&ip[8..40]), &ip[40..], false)).flatten()
}

fn transport(number: u8, pseudo: Checksum, segment: &[u8], may_be_unsummed: bool) -> Option<&'static str> {
    let (shortest, field) = match number {
        protocol::TCP => (20, 16),
        protocol::UDP => (8, 6),
        protocol::ICMP | protocol::ICMPV6 => return error(number, pseudo, segment),
        _ => return Some("transport protocol"),
    };
    if segment.len() < shortest {
        return Some("transport length");
    }
    if number == protocol::UDP && may_be_unsummed && segment[field..field + 2] == [0, 0] {
        return None;
    }
    let sum = pseudo.add16((segment.len() as u16).to_be()).add16(u16::from(number).to_be()).add_bytes(segment).fold();
    (sum != 0xffff).then_some("transport checksum")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Envelope, Method, Port, SchedulerKind};
    use crate::host::world::{DIRECTOR4, DIRECTOR6, hop};
    use crate::host::{Around, ServerSpec, World, packet};
    use crate::{Action, Counter};
    use core::net::{IpAddr, SocketAddr};
    use proptest::prelude::*;
    use std::vec::Vec;
    use wire::TcpFlags;

    fn addresses() -> impl Strategy<Value = [IpAddr; 3]> {
        prop_oneof![
            any::<[[u8; 4]; 3]>().prop_map(|all| all.map(IpAddr::from)),
            any::<[[u16; 8]; 3]>().prop_map(|all| all.map(IpAddr::from)),
        ]
        .prop_filter("three addresses", |[a, b, c]| a != b && b != c && a != c)
    }

    proptest! {
        /// Any valid packet of any flow, out and back: what leaves is valid, and the reply comes from the service.
        #[test]
        fn what_leaves_is_valid(
            [client, vip, server] in addresses(),
            [cport, vport, rport] in any::<[u16; 3]>(),
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            tcp in any::<bool>(),
            nat in any::<bool>(),
            hops in 2_u8..,
        ) {
            let number = if tcp { protocol::TCP } else { protocol::UDP };
            let method = if nat { Method::Nat } else { Method::DirectRouting };
            let mut world = World::new(10);
            let spec = ServerSpec { endpoint: SocketAddr::new(server, rport), method, weight: 1, interface: 2 };
            world.service(number, SocketAddr::new(vip, vport), SchedulerKind::RoundRobin, &[spec], &[]);
            let make = |from: IpAddr, to: IpAddr, from_port, to_port, flags| {
                let packet = packet().ip(from, to).hops(hops).payload(&payload);
                if tcp { packet.tcp(from_port, to_port).flags(flags).build() } else { packet.udp(from_port, to_port).build() }
            };
            let mut frame = make(client, vip, cport, vport, TcpFlags::SYN);
            prop_assert_eq!(defect(&frame.bytes), None);
            let verdict = world.send(&mut frame);
            prop_assert_eq!((verdict.action, verdict.counter), (Action::Forward, Counter::ForwardIn));
            prop_assert_eq!(defect(&frame.bytes), None);
            if nat {
                let mut reply = make(server, client, rport, cport, TcpFlags::SYN | TcpFlags::ACK);
                let verdict = world.send(&mut reply);
                prop_assert_eq!((verdict.action, verdict.counter), (Action::Forward, Counter::ForwardOut));
                prop_assert_eq!(defect(&reply.bytes), None);
                let as_sent = make(vip, client, vport, cport, TcpFlags::SYN | TcpFlags::ACK);
                prop_assert_eq!(reply.bytes.len(), as_sent.bytes.len());
                prop_assert_eq!(&reply.bytes[reply.bytes.len() - payload.len()..], &payload[..]);
            }
        }

        /// Any packet through any tunnel comes out as the book has it: full sums around it, and it unchanged but for a hop.
        #[test]
        fn what_goes_into_a_tunnel_is_wrapped_by_the_book(
            [client, vip, _] in addresses(),
            [_, _, server] in addresses(),
            [cport, vport, gue] in any::<[u16; 3]>(),
            payload in proptest::collection::vec(any::<u8>(), 0..100),
            kind in 0..3,
            [tcp, checksum, whole] in any::<[bool; 3]>(),
            [hops, class] in any::<[u8; 2]>(),
            identification in any::<u16>(),
        ) {
            let envelope = [Envelope::Ipip, Envelope::Gue(Port::new(gue)), Envelope::Gre][kind as usize];
            let mut world = World::new(10);
            let number = if tcp { protocol::TCP } else { protocol::UDP };
            let spec = ServerSpec { endpoint: SocketAddr::new(vip, vport), method: Method::Tunnel, weight: 1, interface: 2 };
            world.service(number, SocketAddr::new(vip, vport), SchedulerKind::RoundRobin, &[spec], &[]);
            world.dig(1, server, envelope, checksum);
            let begun = packet().ip(client, vip).payload(&payload).traffic_class(class).identification(identification);
            let begun = begun.fragment(if whole && client.is_ipv4() { 0x4000 } else { 0 });
            let begun = if tcp { begun.tcp(cport, vport).syn() } else { begun.udp(cport, vport) };
            let mut frame = begun.clone().hops(hops.max(2)).build();
            let verdict = world.send(&mut frame);
            prop_assert_eq!((verdict.action, verdict.counter), (Action::Forward, Counter::ForwardIn));
            let source: IpAddr = if server.is_ipv4() { DIRECTOR4.into() } else { DIRECTOR6.into() };
            let hop = hop(1, 2);
            let around = Around { source, destination: server, envelope, checksum };
            let expected = begun.hops(hops.max(2) - 1).ethernet(hop.source, hop.destination).inside(around).build();
            prop_assert_eq!(frame.bytes, expected.bytes);
        }

        /// An error about any packet of any flow, cut anywhere, to either end: what leaves is valid, and tells the ports
        /// that the receiver knows.
        #[test]
        fn errors_that_leave_are_valid(
            [client, vip, server] in addresses(),
            router in any::<[u8; 16]>(),
            [cport, vport, rport] in any::<[u16; 3]>(),
            payload in proptest::collection::vec(any::<u8>(), 0..100),
            cut in 8_usize..120,
            tcp in any::<bool>(),
            nat in any::<bool>(),
            hops in 2_u8..,
        ) {
            let number = if tcp { protocol::TCP } else { protocol::UDP };
            let method = if nat { Method::Nat } else { Method::DirectRouting };
            let mut world = World::new(10);
            let spec = ServerSpec { endpoint: SocketAddr::new(server, rport), method, weight: 1, interface: 2 };
            world.service(number, SocketAddr::new(vip, vport), SchedulerKind::RoundRobin, &[spec], &[]);
            let six = client.is_ipv6();
            let router = if six { IpAddr::from(router) } else { IpAddr::from([router[0], router[1], router[2], router[3]]) };
            let make = |from: IpAddr, to: IpAddr, from_port, to_port| {
                let packet = packet().ip(from, to).hops(hops).payload(&payload);
                if tcp { packet.tcp(from_port, to_port).syn() } else { packet.udp(from_port, to_port) }
            };
            let forwarded = world.send(&mut make(client, vip, cport, vport).build());
            prop_assert_eq!(forwarded.counter, Counter::ForwardIn);
            let (kind, cut) = if six { (1, cut + 40) } else { (3, cut + 20) };
            let about = |to: IpAddr, quoted: &crate::host::PacketBuilder| {
                packet().ip(router, to).hops(hops).icmp(kind, 3, 0).quote(quoted, cut)
            };
            let mut inward = about(vip, &make(vip, client, vport, cport)).build();
            prop_assert_eq!(defect(&inward.bytes), None);
            prop_assert_eq!(world.send(&mut inward).counter, Counter::ForwardIcmpIn);
            prop_assert_eq!(defect(&inward.bytes), None);
            let quoted_ports = |bytes: &[u8]| if six { bytes[102..106].to_vec() } else { bytes[62..66].to_vec() };
            let known = if nat { rport } else { vport };
            prop_assert_eq!(quoted_ports(&inward.bytes), [known.to_be_bytes(), cport.to_be_bytes()].concat());
            if nat {
                let mut outward = about(client, &make(client, server, cport, rport)).build();
                prop_assert_eq!(world.send(&mut outward).counter, Counter::ForwardIcmpOut);
                prop_assert_eq!(defect(&outward.bytes), None);
                prop_assert_eq!(quoted_ports(&outward.bytes), [cport.to_be_bytes(), vport.to_be_bytes()].concat());
            }
        }

        /// Noise over a valid packet: never a panic, and what is not forwarded is not touched.
        #[test]
        fn noise_is_survived(places in proptest::collection::vec((0_usize..80, any::<u8>()), 0..6), six in any::<bool>()) {
            let address = |last: u8| if six { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)]) } else { IpAddr::from([10, 0, 0, last]) };
            let mut world = World::new(10);
            let spec = ServerSpec { endpoint: SocketAddr::new(address(9), 8080), method: Method::Nat, weight: 1, interface: 2 };
            world.service(protocol::TCP, SocketAddr::new(address(1), 80), SchedulerKind::WeightedLeastConnection, &[spec], &[]);
            let mut frame = packet().ip(address(2), address(1)).tcp(4000, 80).syn().payload(b"noise").build();
            for (place, value) in places {
                if let Some(byte) = frame.bytes.get_mut(place) { *byte = value; }
            }
            let before: Vec<u8> = frame.bytes.clone();
            let verdict = world.send(&mut frame);
            if verdict.action != Action::Forward {
                prop_assert_eq!(frame.bytes, before);
            } else if let Some(defect) = defect(&frame.bytes) {
                // The network header was checked; the transport checksum is the receiver's to judge, and is kept wrong, in
                // the quotation of an error about an expired packet, too.
                prop_assert_eq!(defect, "transport checksum");
                let mut alive = before;
                if six { alive[14 + 7] = 64; }
                prop_assert_eq!(super::defect(&alive), Some("transport checksum"));
            }
        }
    }
}
