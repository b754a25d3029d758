//! Headers of IPv6.

use super::{LATER_FRAGMENT, MALFORMED, PROTOCOL, Packet, Parse, Walk};
use crate::abi::Address6;
use crate::encapsulate::{Headers, Inside, ends};
use crate::fragment::Piece;
use crate::{Counter, Family, Frame};
use wire::{Be16, Checksum, Ethernet, Icmp, Ipv6, Ipv6Extension, Tcp, Udp, protocol};

impl Parse for Address6 {
    const FAMILY: Family = Family::Ipv6;
    const ICMP: u8 = protocol::ICMPV6;

    #[inline(always)]
    fn network<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv6>(offset).ok_or(MALFORMED)?;
        if !ip.is_valid() {
            return Err(MALFORMED);
        }
        packet.flow.source = Self(ip.source.bits());
        packet.flow.destination = Self(ip.destination.bits());
        packet.flow.protocol = ip.next_header;
        packet.network = offset;
        packet.transport = offset + Ipv6::LENGTH;
        packet.bytes = Ipv6::LENGTH as u32 + ip.payload_length.get() as u32;
        packet.hops = ip.hop_limit;
        if packet.flow.protocol != protocol::TCP && packet.flow.protocol != protocol::UDP {
            skip_extensions(frame, packet)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn quoted<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter> {
        Self::network(frame, offset, packet)
    }

    #[inline(always)]
    fn piece<F: Frame>(frame: &F, network: usize, piece: &mut Piece<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv6>(network).ok_or(MALFORMED)?;
        let walk = frame.walk_to_fragment(network);
        let header = frame.read::<Ipv6Extension>(walk.place()).filter(|_| walk.is_found()).ok_or(MALFORMED)?;
        piece.at = walk.place();
        if !ip.is_valid() {
            return Err(MALFORMED);
        }
        piece.key.source = Self(ip.source.bits());
        piece.key.destination = Self(ip.destination.bits());
        piece.key.identification = header.rest.bits();
        piece.protocol = header.next_header;
        piece.offset = header.fragment_offset();
        piece.bytes = Ipv6::LENGTH as u32 + ip.payload_length.get() as u32;
        piece.hops = ip.hop_limit;
        Ok(())
    }

    #[inline(always)]
    fn may_be_fragmented<F: Frame>(_frame: &F, _network: usize) -> bool {
        false
    }

    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        kind & Icmp::INFORMATIONAL6 == 0
    }

    const INSIDE: u8 = protocol::IPV6;
    const ETHER_TYPE: Be16 = Ethernet::IPV6;

    /// It has no word about fragments. The transport checksum is what differs most, of a fragment its own header.
    #[inline(always)]
    fn inside<F: Frame>(frame: &F, headers: Headers) -> Option<Inside> {
        let field = match headers.protocol() {
            protocol::TCP => core::mem::offset_of!(Tcp, checksum),
            protocol::UDP => core::mem::offset_of!(Udp, checksum),
            _ => core::mem::offset_of!(Icmp, checksum),
        };
        let identification = if headers.protocol() == 0 {
            let header = frame.read::<Ipv6Extension>(headers.transport());
            header.map_or(0, |header| header.rest.get() as u16 ^ header.fragment.get())
        } else {
            frame.read::<Be16>(headers.transport() + field).map_or(0, |sum| sum.get())
        };
        let ip = frame.read::<Ipv6>(headers.network())?;
        Some(Inside {
            traffic_class: (ip.version_and_flow.get() >> 20) as u8,
            hops: ip.hop_limit,
            bytes: ip.payload_length.get().saturating_add(Ipv6::LENGTH as u16),
            whole: false,
            fragment: false,
            identification,
            ends: ends(Self(ip.source.bits()), Self(ip.destination.bits())),
        })
    }

    /// (The addresses are in the header and in the pseudo-header. A fragment's protocol is zero here.)
    #[inline(always)]
    fn sum_inside<F: Frame>(frame: &F, headers: Headers) -> Option<Checksum> {
        if headers.protocol() == 0 || headers.transport() != headers.network() + Ipv6::LENGTH {
            return None;
        }
        let ip = frame.read::<Ipv6>(headers.network())?;
        let next = u16::from_ne_bytes([ip.next_header, ip.hop_limit]);
        let header = Checksum::new().add32(ip.version_and_flow.bits()).add16(ip.payload_length.bits()).add16(next);
        let length = ip.payload_length.bits();
        Some(header.remove16((headers.protocol() as u16).to_be()).remove16(length))
    }
}

/// Takes over what a walk found.
#[inline(always)]
fn skip_extensions<F: Frame>(frame: &F, packet: &mut Packet<Address6>) -> Result<(), Counter> {
    match frame.walk_extensions(packet.network) {
        Walk::MALFORMED => return Err(MALFORMED),
        Walk::LATER_FRAGMENT => return Err(LATER_FRAGMENT),
        Walk::TOO_LONG => return Err(PROTOCOL),
        found => {
            packet.transport = found.place();
            packet.flow.protocol = found.protocol();
            packet.fragment = found.is_fragment();
        }
    }
    Ok(())
}
