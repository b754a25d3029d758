//! The headers around a packet.

use super::{Ends, Inside};
use crate::abi::{Address4, Address6, Outer};
use crate::steer::FITS_EVERYWHERE;
use crate::{Address, Frame, address};
use wire::number::Bytes16;
use wire::{Be16, Be32, Checksum, Ethernet, Gre, GreChecksum, Gue, Ipv4, Ipv6, Udp, protocol};

/// Source ports of GUE, as the kernel chooses them: from its own range of local ports.
const FIRST_PORT: u32 = 32768;
const LAST_PORT: u32 = 60999;
/// ECN (RFC 3168).
const ECN_MASK: u8 = 3;
const ECN_CAPABLE: u8 = 2;
const DONT_FRAGMENT: Be16 = Be16::new(0x4000);

/// All that the headers say.
pub(super) struct Wrapping<'a> {
    pub(super) outer: Outer,
    pub(super) ends: Ends<'a>,
    pub(super) inside: &'a Inside,
    /// What differs from flow to flow.
    pub(super) spread: Spread,
    /// What is inside, as a protocol and as an ether type.
    pub(super) protocol: u8,
    pub(super) ether_type: Be16,
    /// Sum over the packet inside, where the outer packet has a checksum.
    pub(super) sum: Checksum,
}

/// A number that is the same for all packets of a flow, and an identification, in one word: there is little room for more.
#[derive(Clone, Copy)]
pub(super) struct Spread(u32);

impl Spread {
    /// Of a flow; the identification differs from packet to packet of it.
    #[inline(always)]
    pub(super) const fn new(flow: u32, identification: u16) -> Self {
        Self((flow & 0xffff_0000) | identification.wrapping_add(flow as u16) as u32)
    }

    /// A source port of GUE.
    #[inline(always)]
    const fn port(self) -> u16 {
        (FIRST_PORT + (((self.0 >> 16) * (LAST_PORT - FIRST_PORT)) >> 16)) as u16
    }

    #[inline(always)]
    const fn identification(self) -> u16 {
        self.0 as u16
    }
}

impl Wrapping<'_> {
    /// Writes the headers from `network` on, the next hop's link header apart; its ether type.
    #[inline(always)]
    pub(super) fn write<F: Frame>(&self, frame: &mut F, network: usize) -> Option<Be16> {
        let follows = if self.outer.is_gue() {
            protocol::UDP
        } else if self.outer.is_gre() {
            protocol::GRE
        } else {
            self.protocol
        };
        let (envelope, pseudo, ether_type) = if self.outer.is_ipv6() {
            (network + Ipv6::LENGTH, self.write6(frame, network, follows)?, Ethernet::IPV6)
        } else {
            (network + Ipv4::LENGTH, self.write4(frame, network, follows)?, Ethernet::IPV4)
        };
        if self.outer.is_gue() {
            self.write_gue(frame, envelope, pseudo)?;
        } else if self.outer.is_gre() {
            self.write_gre(frame, envelope)?;
        }
        Some(ether_type)
    }

    /// Bytes from the outer IP header on; a frame that will be parted may be too long to tell.
    #[inline(always)]
    fn length(&self) -> usize {
        let length = self.inside.bytes as usize + self.outer.length();
        if length > u16::MAX as usize { u16::MAX as usize } else { length }
    }

    /// As for a packet inside, but congestion already met there is not met again (RFC 3168 §9.1.1).
    #[inline(always)]
    fn traffic_class(&self) -> u8 {
        let class = self.inside.traffic_class;
        if class & ECN_MASK == ECN_MASK { class & !ECN_MASK | ECN_CAPABLE } else { class }
    }

    /// Whether a router may fragment it. Of IPv6 nobody could but the sender; what fits everywhere must arrive, whatever the
    /// links (RFC 4213 §3.2.2).
    #[inline(always)]
    fn fragmenting(&self) -> Be16 {
        if self.inside.whole {
            return DONT_FRAGMENT;
        }
        // Without a branch: the compiler would decide early, and keep what it decided on a stack that has no room.
        let large = FITS_EVERYWHERE.wrapping_sub(self.inside.bytes as u32) >> 31;
        Be16::new((large * (self.protocol == protocol::IPV6) as u32 * DONT_FRAGMENT.get() as u32) as u16)
    }

    /// Writes the outer header; the sum over its addresses.
    #[inline(always)]
    fn write4<F: Frame>(&self, frame: &mut F, network: usize, follows: u8) -> Option<Checksum> {
        let source = address::load::<Address4>(self.ends.source);
        let destination = address::load::<Address4>(self.ends.destination);
        let identification = if self.inside.whole { 0 } else { self.spread.identification() };
        let mut header = Ipv4 {
            version_and_length: 0x45,
            traffic_class: self.traffic_class(),
            total_length: Be16::new(self.length() as u16),
            identification: Be16::new(identification),
            fragment: self.fragmenting(),
            time_to_live: self.inside.hops.wrapping_sub(1),
            protocol: follows,
            checksum: Be16::new(0),
            source: Be32::from_bits(source.0),
            destination: Be32::from_bits(destination.0),
        };
        header.checksum = header.sum().finish();
        frame.write(network, header)?;
        Some(source.sum().join(destination.sum()))
    }

    #[inline(always)]
    fn write6<F: Frame>(&self, frame: &mut F, network: usize, follows: u8) -> Option<Checksum> {
        let source = address::load::<Address6>(self.ends.source);
        let destination = address::load::<Address6>(self.ends.destination);
        let header = Ipv6 {
            version_and_flow: Be32::new(0x6000_0000 | (self.traffic_class() as u32) << 20),
            payload_length: Be16::new((self.length() - Ipv6::LENGTH) as u16),
            next_header: follows,
            hop_limit: self.inside.hops.wrapping_sub(1),
            source: Bytes16::from_bits(source.0),
            destination: Bytes16::from_bits(destination.0),
        };
        frame.write(network, header)?;
        Some(source.sum().join(destination.sum()))
    }

    #[inline(always)]
    fn write_gue<F: Frame>(&self, frame: &mut F, offset: usize, pseudo: Checksum) -> Option<()> {
        let length = (self.length() - self.outer.network_length()) as u16;
        let mut udp = Udp {
            source: Be16::new(self.spread.port()),
            destination: Be16::from_bits(self.outer.port().0),
            length: Be16::new(length),
            checksum: Be16::new(0),
        };
        if self.outer.has_checksum() {
            let ports = Checksum::new().add16(udp.source.bits()).add16(udp.destination.bits());
            // The length counts twice: in the header, and before it.
            let header = ports.add16(length.to_be()).add16(length.to_be()).add16((protocol::UDP as u16).to_be());
            let gue = u16::from_ne_bytes([0, self.protocol]);
            let sum = pseudo.join(header).add16(gue).join(self.sum).finish();
            udp.checksum = if sum.bits() == 0 { Be16::from_bits(0xffff) } else { sum };
        }
        frame.write(offset, udp)?;
        let gue = Gue { control_and_length: 0, protocol: self.protocol, flags: Be16::new(0) };
        frame.write(offset + Udp::LENGTH, gue)
    }

    #[inline(always)]
    fn write_gre<F: Frame>(&self, frame: &mut F, offset: usize) -> Option<()> {
        if !self.outer.has_checksum() {
            return frame.write(offset, Gre { flags: Be16::new(0), ether_type: self.ether_type });
        }
        frame.write(offset, Gre { flags: Gre::CHECKSUM, ether_type: self.ether_type })?;
        let words = Checksum::new().add16(Gre::CHECKSUM.bits()).add16(self.ether_type.bits());
        let checksum = words.join(self.sum).finish();
        frame.write(offset + Gre::LENGTH, GreChecksum { checksum, reserved: Be16::new(0) })
    }
}
