//! The packet around a packet, built by the book: full sums, no shortcuts.

use super::packet::{PacketBuilder, Shown, packet};
use crate::Address;
use crate::abi::{Address4, Address6, Envelope};
use crate::encapsulate::mix;
use core::net::IpAddr;
use std::vec::Vec;
use wire::{Checksum, protocol};

/// Headers around a packet.
#[derive(Clone, Debug)]
pub struct Around {
    /// This host.
    pub source: IpAddr,
    /// The server.
    pub destination: IpAddr,
    /// What stands between the IP headers.
    pub envelope: Envelope,
    /// With the checksum that may be left out.
    pub checksum: bool,
}

impl Around {
    pub(super) fn wrap(&self, inside: &PacketBuilder) -> PacketBuilder {
        let shown = inside.shown();
        let (first, second) = shown.ends;
        let number = if first.is_ipv4() { protocol::IPV4 } else { protocol::IPV6 };
        let spread = mix(fold(first) ^ fold(second).rotate_left(16), shown.ports);
        let contents = contents(inside, &shown);
        let outer = packet()
            .ip(self.source, self.destination)
            .ethernet(shown.ethernet.0, shown.ethernet.1)
            .tagged(shown.tag)
            .hops(shown.hops)
            .traffic_class(if shown.traffic_class & 3 == 3 { shown.traffic_class - 1 } else { shown.traffic_class })
            .identification(identification(&shown, spread, &contents));
        let outer = if shown.whole && self.source.is_ipv4() { outer.fragment(0x4000) } else { outer };
        match self.envelope {
            Envelope::Ipip => outer.protocol(number).payload(&contents),
            Envelope::Gue(port) => {
                let source = 32768 + ((u64::from(spread >> 16) * (60999 - 32768)) >> 16) as u16;
                let outer = outer.udp(source, port.get()).payload(&[&[0, number, 0, 0], &contents[..]].concat());
                if self.checksum { outer } else { outer.no_checksum() }
            }
            Envelope::Gre => outer.protocol(protocol::GRE).payload(&self.gre(first, &contents)),
        }
    }

    fn gre(&self, inside: IpAddr, contents: &[u8]) -> Vec<u8> {
        let ether_type = if inside.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] };
        if !self.checksum {
            return [&[0, 0, ether_type[0], ether_type[1]], contents].concat();
        }
        let mut bytes = [&[0x80, 0, ether_type[0], ether_type[1], 0, 0, 0, 0], contents].concat();
        let sum = Checksum::new().add_bytes(&bytes).finish().bits().to_ne_bytes();
        bytes.splice(4..6, sum);
        bytes
    }
}

fn contents(inside: &PacketBuilder, shown: &Shown) -> Vec<u8> {
    let network = if shown.tag.is_some() { 18 } else { 14 };
    inside.build().bytes.split_off(network)
}

/// Zero where nobody may fragment; else another for each packet: of IPv6 the transport checksum tells them apart, of a
/// fragment its own header, or of the first one what stands behind that.
fn identification(shown: &Shown, spread: u32, contents: &[u8]) -> u16 {
    let place = match (shown.ends.0.is_ipv4(), shown.protocol) {
        (true, _) if shown.whole => return 0,
        (true, _) => return shown.identification.wrapping_add(spread as u16),
        (false, protocol::TCP) => shown.transport + 16,
        (false, protocol::UDP) => shown.transport + 6,
        (false, _) => shown.transport + 2,
    };
    let word = |place: usize| {
        let bytes = contents.get(place..place + 2).and_then(|bytes| bytes.try_into().ok());
        u16::from_be_bytes(bytes.unwrap_or_default())
    };
    let number = match shown.piece.filter(|_| shown.ends.0.is_ipv6()) {
        None => word(place),
        Some(true) => word(shown.transport + 2) ^ word(shown.transport + 6),
        Some(false) => word(40 + 2) ^ word(40 + 6),
    };
    number.wrapping_add(spread as u16)
}

fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => Address4::from(address).fold(),
        IpAddr::V6(address) => Address6::from(address).fold(),
    }
}
