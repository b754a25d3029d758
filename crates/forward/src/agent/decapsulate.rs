//! Tunnels: which packets are taken out of theirs, and how much that is.

use super::{Address, Bytes, Reception, Server};
use wire::{Be16, EtherType, Gre, Gue, Ipv4, Ipv6, Ipv6Extension, Udp, protocol};

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is no tunnel.
    Ordinary,
    /// It is a tunnel, but none of ours.
    Pass(Reception),
    /// It must not arrive.
    Drop(Reception),
    /// Its outer headers go.
    Strip(Strip),
}

/// The outer headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Strip {
    /// How long they are.
    pub bytes: usize,
    /// The outer packet is IPv6.
    pub outer_six: bool,
    /// The packet inside is IPv6.
    pub inner_six: bool,
    /// The packet inside has to be marked: its tunnel met congestion.
    pub congested: bool,
}

/// An outer IP header.
struct Outer {
    source: Address,
    destination: Address,
    six: bool,
    /// What follows it, and where.
    protocol: u8,
    next: usize,
    traffic_class: u8,
}

/// Where the packet inside begins.
struct Inside {
    offset: usize,
    six: bool,
    /// By a UDP port that is not ours.
    elsewhere: bool,
}

const ECN_MASK: u8 = 3;

/// Looks at a packet whose network header is at `network`.
#[inline(always)]
pub fn look<B: Bytes, S: Server>(packet: &B, ether_type: Be16, network: usize, server: &S) -> Outcome {
    tunnel(packet, EtherType::parse(ether_type), network, server).unwrap_or(Outcome::Ordinary)
}

/// `None` for what is no tunnel, or one that we know nothing of.
#[inline(always)]
fn tunnel<B: Bytes, S: Server>(packet: &B, ether_type: EtherType, network: usize, server: &S) -> Option<Outcome> {
    let outer = outer(packet, ether_type, network)?;
    let inside = inside(packet, &outer, server.gue_port())?;
    let (destination, class) = if inside.six {
        let header = packet.read::<Ipv6>(inside.offset).filter(Ipv6::is_valid)?;
        (Address::V6(header.destination), (header.version_and_flow.get() >> 20) as u8)
    } else {
        let header = packet.read::<Ipv4>(inside.offset).filter(Ipv4::is_valid)?;
        (Address::V4(header.destination), header.traffic_class)
    };
    if inside.elsewhere {
        let ours = server.serves(destination) && !server.serves(outer.destination) && server.trusts(outer.source);
        return ours.then_some(Outcome::Pass(Reception::TunnelToOtherPort));
    }
    // A client cannot reach into a tunnel by sending one to the service.
    if !server.serves(destination) || server.serves(outer.destination) {
        return Some(Outcome::Pass(Reception::TunnelForOthers));
    }
    if !server.trusts(outer.source) {
        return Some(Outcome::Pass(Reception::TunnelUntrusted));
    }
    let congested = outer.traffic_class & ECN_MASK == ECN_MASK;
    if congested && class & ECN_MASK == 0 {
        return Some(Outcome::Drop(Reception::TunnelCongested));
    }
    let (outer_six, inner_six, bytes) = (outer.six, inside.six, inside.offset - network);
    Some(Outcome::Strip(Strip { bytes, outer_six, inner_six, congested }))
}

#[inline(always)]
fn outer<B: Bytes>(packet: &B, ether_type: EtherType, network: usize) -> Option<Outer> {
    if ether_type == EtherType::Ipv4 {
        let header = packet.read::<Ipv4>(network).filter(|it| it.is_valid() && !it.is_fragment())?;
        return Some(Outer {
            source: Address::V4(header.source),
            destination: Address::V4(header.destination),
            six: false,
            protocol: header.protocol,
            next: network + header.header_length(),
            traffic_class: header.traffic_class,
        });
    }
    if ether_type != EtherType::Ipv6 {
        return None;
    }
    let header = packet.read::<Ipv6>(network).filter(Ipv6::is_valid)?;
    let mut outer = Outer {
        source: Address::V6(header.source),
        destination: Address::V6(header.destination),
        six: true,
        protocol: header.next_header,
        next: network + Ipv6::LENGTH,
        traffic_class: (header.version_and_flow.get() >> 20) as u8,
    };
    // Kernels write a limit of encapsulations before the packet inside.
    if outer.protocol == Ipv6Extension::DESTINATION {
        let options = packet.read::<Ipv6Extension>(outer.next)?;
        outer.protocol = options.next_header;
        outer.next += options.bytes();
    }
    Some(outer)
}

#[inline(always)]
fn inside<B: Bytes>(packet: &B, outer: &Outer, gue_port: Be16) -> Option<Inside> {
    match outer.protocol {
        protocol::IPV4 => Some(Inside { offset: outer.next, six: false, elsewhere: false }),
        protocol::IPV6 => Some(Inside { offset: outer.next, six: true, elsewhere: false }),
        protocol::GRE => {
            let header = packet.read::<Gre>(outer.next)?;
            let six = match EtherType::parse(header.ether_type) {
                EtherType::Ipv4 => false,
                EtherType::Ipv6 => true,
                _ => return None,
            };
            Some(Inside { offset: outer.next + header.whole_length()?, six, elsewhere: false })
        }
        protocol::UDP => {
            let elsewhere = packet.read::<Udp>(outer.next)?.destination != gue_port;
            let offset = outer.next + Udp::LENGTH;
            let header = packet.read::<Gue>(offset)?;
            // Options change what is inside (remote checksums): nobody who is configured so is understood.
            let plain = header.flags == Be16::new(0) && matches!(header.protocol, protocol::IPV4 | protocol::IPV6);
            let (offset, six) = (offset + header.whole_length()?, header.protocol == protocol::IPV6);
            plain.then_some(Inside { offset, six, elsewhere })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
