//! Headers of IPv4.

use super::{LATER_FRAGMENT, MALFORMED, Packet, Parse};
use crate::abi::Address4;
use crate::encapsulate::{Headers, Inside, ends};
use crate::fragment::Piece;
use crate::{Counter, Family, Frame};
use wire::{Be16, Be32, Checksum, Ethernet, Icmp, Ipv4, protocol};

/// Words of IPv4 options, at most.
const MAX_OPTION_WORDS: usize = 10;

impl Parse for Address4 {
    const FAMILY: Family = Family::Ipv4;
    const ICMP: u8 = protocol::ICMP;

    #[inline(always)]
    fn network<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv4>(offset).ok_or(MALFORMED)?;
        if !ip.is_valid() || !is_intact(frame, offset, &ip) {
            return Err(MALFORMED);
        }
        take4(&ip, offset, packet)?;
        if packet.bytes == 0 {
            packet.bytes = joined(frame, offset);
        }
        Ok(())
    }

    #[inline(always)]
    fn quoted<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv4>(offset).ok_or(MALFORMED)?;
        if !ip.is_valid() {
            return Err(MALFORMED);
        }
        take4(&ip, offset, packet)
    }

    #[inline(always)]
    fn piece<F: Frame>(frame: &F, network: usize, piece: &mut Piece<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv4>(network).ok_or(MALFORMED)?;
        if !ip.is_valid() || !is_intact(frame, network, &ip) {
            return Err(MALFORMED);
        }
        piece.key.source = Self(ip.source.bits());
        piece.key.destination = Self(ip.destination.bits());
        piece.key.identification = ip.identification.bits() as u32;
        piece.key.protocol = ip.protocol;
        piece.protocol = ip.protocol;
        piece.offset = ip.fragment_offset();
        piece.at = network;
        piece.bytes = ip.total_length.get() as u32;
        piece.hops = ip.time_to_live;
        Ok(())
    }

    #[inline(always)]
    fn may_be_fragmented<F: Frame>(frame: &F, network: usize) -> bool {
        frame.read::<Ipv4>(network).is_some_and(|ip| ip.may_be_fragmented())
    }

    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        matches!(kind, Icmp::UNREACHABLE | Icmp::SOURCE_QUENCH | Icmp::TIME_EXCEEDED)
    }

    const INSIDE: u8 = protocol::IPV4;
    const ETHER_TYPE: Be16 = Ethernet::IPV4;

    #[inline(always)]
    fn inside<F: Frame>(frame: &F, headers: Headers) -> Option<Inside> {
        let ip = frame.read::<Ipv4>(headers.network())?;
        Some(Inside {
            traffic_class: ip.traffic_class,
            hops: ip.time_to_live,
            bytes: ip.total_length.get(),
            whole: !ip.may_be_fragmented(),
            fragment: ip.is_fragment(),
            identification: ip.identification.get(),
            ends: ends(Self(ip.source.bits()), Self(ip.destination.bits())),
        })
    }

    /// (The header's own checksum makes the header nothing.)
    #[inline(always)]
    fn sum_inside<F: Frame>(frame: &F, headers: Headers) -> Option<Checksum> {
        let ip = frame.read::<Ipv4>(headers.network())?;
        if ip.protocol == protocol::ICMP {
            return Some(Checksum::new());
        }
        let length = ip.total_length.get() as usize - (headers.transport() - headers.network());
        let sum = Checksum::new().remove32(ip.source.bits()).remove32(ip.destination.bits());
        Some(sum.remove16((ip.protocol as u16).to_be()).remove16((length as u16).to_be()))
    }
}

/// Length of a packet whose header does not say it, because it is larger than it could (BIG TCP).
#[inline(always)]
fn joined<F: Frame>(frame: &F, network: usize) -> u32 {
    frame.joined().saturating_sub(network as u32)
}

#[inline(always)]
fn take4(ip: &Ipv4, offset: usize, packet: &mut Packet<Address4>) -> Result<(), Counter> {
    if ip.is_later_fragment() {
        return Err(LATER_FRAGMENT);
    }
    packet.flow.source = Address4(ip.source.bits());
    packet.flow.destination = Address4(ip.destination.bits());
    packet.flow.protocol = ip.protocol;
    packet.network = offset;
    packet.transport = offset + ip.header_length();
    packet.bytes = ip.total_length.get() as u32;
    packet.hops = ip.time_to_live;
    packet.fragment = ip.is_fragment();
    Ok(())
}

/// The header checksum holds. A router has to look (RFC 1812 §5.2.2), or it would send on an address nobody wrote.
#[inline(always)]
fn is_intact<F: Frame>(frame: &F, network: usize, ip: &Ipv4) -> bool {
    let mut sum = ip.sum();
    let mut offset = Ipv4::LENGTH;
    for _ in 0..MAX_OPTION_WORDS {
        if offset >= ip.header_length() {
            break;
        }
        let Some(word) = frame.read::<Be32>(network + offset) else { return false };
        sum = sum.add32(word.bits());
        offset += size_of::<Be32>();
    }
    sum.fold() == 0xffff
}
