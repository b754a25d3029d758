//! IPv4 (RFC 791).
#![expect(unsafe_code, reason = "implements Header; reads the header as words")]

use crate::{Be16, Be32, Checksum, Header};

/// The fixed 20 bytes of an IPv4 header; options follow when [`header_length`](Self::header_length) is more.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4 {
    /// Version (high nibble) and header length in words (low nibble).
    pub version_and_length: u8,
    /// Differentiated services and ECN.
    pub traffic_class: u8,
    /// Header and payload, in bytes.
    pub total_length: Be16,
    /// Identification of the datagram a fragment belongs to.
    pub identification: Be16,
    /// Flags (DF, MF) and offset in units of eight bytes.
    pub fragment: Be16,
    /// Hops left.
    pub time_to_live: u8,
    /// What follows ([`crate::protocol`]).
    pub protocol: u8,
    /// Header checksum.
    pub checksum: Be16,
    /// Sender.
    pub source: Be32,
    /// Receiver.
    pub destination: Be32,
}

// SAFETY: bytes and byte arrays only.
unsafe impl Header for Ipv4 {}

impl Ipv4 {
    /// Length of the fixed part in bytes.
    pub const LENGTH: usize = size_of::<Self>();

    /// True for version 4 with a header length of at least five words.
    #[inline(always)]
    pub const fn is_valid(&self) -> bool {
        self.version_and_length >= 0x45 && self.version_and_length <= 0x4f
    }

    /// Header length with options, in bytes: 20 to 60 for a valid header.
    #[inline(always)]
    pub const fn header_length(&self) -> usize {
        (self.version_and_length as usize & 0x0f) * 4
    }

    /// Sum of the fixed part, checksum included: folds to 0xffff when there are no options and no bit has flipped.
    #[inline(always)]
    pub const fn sum(&self) -> Checksum {
        // SAFETY: both are 20 bytes without padding and without an invalid pattern.
        let words: Words = unsafe { core::mem::transmute(*self) };
        let sum = Checksum::new().add64(u64::from_ne_bytes(words.0)).add64(u64::from_ne_bytes(words.1));
        sum.add32(u32::from_ne_bytes(words.2))
    }

    /// True for a piece of a larger datagram: more fragments follow, or this one does not start at zero.
    #[inline(always)]
    pub const fn is_fragment(&self) -> bool {
        self.fragment.bits() & Be16::new(0x3fff).bits() != 0
    }

    /// Where a fragment belongs in its datagram, in bytes.
    #[inline(always)]
    pub const fn fragment_offset(&self) -> usize {
        (self.fragment.get() & 0x1fff) as usize * 8
    }

    /// True unless the sender said "don't fragment".
    #[inline(always)]
    pub const fn may_be_fragmented(&self) -> bool {
        self.fragment.bits() & Be16::new(0x4000).bits() == 0
    }

    /// True for a fragment other than the first: it carries no transport header.
    #[inline(always)]
    pub const fn is_later_fragment(&self) -> bool {
        self.fragment.bits() & Be16::new(0x1fff).bits() != 0
    }
}

/// The fixed part by words that are one load each.
#[repr(C)]
struct Words([u8; 8], [u8; 8], [u8; 4]);

const _: () = assert!(Ipv4::LENGTH == 20 && size_of::<Words>() == 20);
