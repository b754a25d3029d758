//! IPv6 and its extension headers (RFC 8200).
#![expect(unsafe_code, reason = "implements Header")]

use crate::{Be16, Be32, Header, number::Bytes16};

/// The 40-byte IPv6 header.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6 {
    /// Version, traffic class and flow label.
    pub version_and_flow: Be32,
    /// What follows this header, extension headers included, in bytes.
    pub payload_length: Be16,
    /// Protocol or extension header that follows.
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Sender.
    pub source: Bytes16,
    /// Receiver.
    pub destination: Bytes16,
}

// SAFETY: bytes and byte arrays only.
unsafe impl Header for Ipv6 {}

impl Ipv6 {
    /// Length in bytes.
    pub const LENGTH: usize = size_of::<Self>();

    /// True when the version field says 6.
    #[inline(always)]
    pub const fn is_valid(&self) -> bool {
        self.version_and_flow.bits() & Be32::new(0xf000_0000).bits() == Be32::new(0x6000_0000).bits()
    }
}

/// The first eight bytes that every skippable extension header shares (RFC 8200 §4.3, §4.4, §4.6),
/// and the whole of a fragment header (§4.5).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Extension {
    /// Protocol or extension header that follows.
    pub next_header: u8,
    /// Length in units of eight bytes, not counting the first eight (reserved in a fragment header).
    pub length: u8,
    /// Offset and more-flag of a fragment header.
    pub fragment: Be16,
    /// The rest.
    pub rest: Be32,
}

// SAFETY: bytes and byte arrays only.
unsafe impl Header for Ipv6Extension {}

impl Ipv6Extension {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing.
    pub const ROUTING: u8 = 43;
    /// Fragment.
    pub const FRAGMENT: u8 = 44;
    /// Destination options.
    pub const DESTINATION: u8 = 60;

    /// Length of this header in bytes: 8 to 2048.
    #[inline(always)]
    pub const fn bytes(&self) -> usize {
        (self.length as usize + 1) * 8
    }

    /// Where a fragment belongs in its packet, in bytes.
    #[inline(always)]
    pub const fn fragment_offset(&self) -> usize {
        (self.fragment.get() & 0xfff8) as usize
    }

    /// True for a piece of a larger packet; an "atomic fragment" (RFC 6946) is whole.
    #[inline(always)]
    pub const fn is_fragment(&self) -> bool {
        self.fragment.bits() & Be16::new(0xfff9).bits() != 0
    }

    /// True for a fragment other than the first: it carries no transport header.
    #[inline(always)]
    pub const fn is_later_fragment(&self) -> bool {
        self.fragment.bits() & Be16::new(0xfff8).bits() != 0
    }
}

const _: () = assert!(Ipv6::LENGTH == 40 && size_of::<Ipv6Extension>() == 8);
