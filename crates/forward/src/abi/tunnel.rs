//! What is put around packets for a server that is reached by tunnel.

use super::Port;
use crate::{Cell32, Cell64, Family};
use wire::{Gre, GreChecksum, Gue, Ipv4, Ipv6, Udp};

/// Beside a [`super::RealServer`], by its id. 32 bytes. The outer destination is the server's own address.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Tunnel {
    /// Outer source: this host's address towards the server (IPv4 in the first word).
    pub source: [Cell64; 2],
    /// [`Outer`] as a word.
    pub outer: Cell32,
    /// The daemon's own note: how it was asked for.
    pub note: Cell32,
    /// Zero.
    pub reserved: [Cell32; 2],
}

/// The headers around a packet, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outer(pub u32);

/// What stands between the outer and the inner IP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Envelope {
    /// Nothing: IP in IP.
    Ipip,
    /// UDP to this port, and a GUE header of variant 0.
    Gue(Port),
    /// GRE.
    Gre,
}

impl Outer {
    const IPIP: u32 = 1;
    const GUE: u32 = 2;
    const GRE: u32 = 3;
    const KIND_SHIFT: u32 = 16;
    const KIND_MASK: u32 = 3;
    const SIX: u32 = 1 << 24;
    const CHECKSUM: u32 = 1 << 25;

    /// Headers of this family; `checksum` where there is one that may be left out.
    #[inline(always)]
    pub const fn new(family: Family, envelope: Envelope, checksum: bool) -> Self {
        let (kind, port) = match envelope {
            Envelope::Ipip => (Self::IPIP, 0),
            Envelope::Gue(port) => (Self::GUE, port.0 as u32),
            Envelope::Gre => (Self::GRE, 0),
        };
        let six = if matches!(family, Family::Ipv6) { Self::SIX } else { 0 };
        let checksum = if checksum { Self::CHECKSUM } else { 0 };
        Self(port | kind << Self::KIND_SHIFT | six | checksum)
    }

    /// The family of the outer IP header.
    #[inline(always)]
    pub const fn is_ipv6(self) -> bool {
        self.0 & Self::SIX != 0
    }

    /// True for UDP and a GUE header.
    #[inline(always)]
    pub const fn is_gue(self) -> bool {
        self.0 >> Self::KIND_SHIFT & Self::KIND_MASK == Self::GUE
    }

    /// True for a GRE header.
    #[inline(always)]
    pub const fn is_gre(self) -> bool {
        self.0 >> Self::KIND_SHIFT & Self::KIND_MASK == Self::GRE
    }

    /// The port of GUE.
    #[inline(always)]
    pub const fn port(self) -> Port {
        Port(self.0 as u16)
    }

    /// True where the outer packet has a checksum that could be left out.
    #[inline(always)]
    pub const fn has_checksum(self) -> bool {
        self.0 & Self::CHECKSUM != 0
    }

    /// The same without that checksum.
    #[inline(always)]
    pub const fn unchecked(self) -> Self {
        Self(self.0 & !Self::CHECKSUM)
    }

    /// Bytes of the outer IP header.
    #[inline(always)]
    pub const fn network_length(self) -> usize {
        if self.is_ipv6() { Ipv6::LENGTH } else { Ipv4::LENGTH }
    }

    /// Bytes of all headers around the packet.
    #[inline(always)]
    pub const fn length(self) -> usize {
        let envelope = if self.is_gue() {
            Udp::LENGTH + Gue::LENGTH
        } else if self.is_gre() && self.has_checksum() {
            Gre::LENGTH + GreChecksum::LENGTH
        } else if self.is_gre() {
            Gre::LENGTH
        } else {
            0
        };
        self.network_length() + envelope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_the_kernels() {
        let length = |family, envelope, checksum| Outer::new(family, envelope, checksum).length();
        let gue = Envelope::Gue(Port::new(6080));
        for (family, header) in [(Family::Ipv4, 20), (Family::Ipv6, 40)] {
            assert_eq!(length(family, Envelope::Ipip, false), header);
            assert_eq!([false, true].map(|sum| length(family, gue, sum)), [header + 12; 2]);
            assert_eq!([false, true].map(|sum| length(family, Envelope::Gre, sum)), [header + 4, header + 8]);
        }
    }

    #[test]
    fn a_word_holds_it_all() {
        let gue = Outer::new(Family::Ipv6, Envelope::Gue(Port::new(6080)), true);
        assert!(gue.is_ipv6() && gue.is_gue() && !gue.is_gre() && gue.has_checksum());
        assert_eq!(gue.port().get(), 6080);
        assert!(!gue.unchecked().has_checksum() && gue.unchecked().is_gue());
        let gre = Outer::new(Family::Ipv4, Envelope::Gre, false);
        assert!(gre.is_gre() && !gre.is_ipv6() && !gre.has_checksum());
    }
}
