//! Headers between an outer and an inner IP header: GRE (RFC 2784) and generic UDP encapsulation, variant 0.
#![expect(unsafe_code, reason = "implements Header")]

use crate::{Be16, Header};

/// The four bytes that every GRE header begins with.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gre {
    /// Which optional fields follow, and the version.
    pub flags: Be16,
    /// What is inside, as an ether type.
    pub ether_type: Be16,
}

// SAFETY: byte arrays only.
unsafe impl Header for Gre {}

impl Gre {
    /// Length in bytes, without optional fields.
    pub const LENGTH: usize = size_of::<Self>();
    /// A [`GreChecksum`] follows.
    pub const CHECKSUM: Be16 = Be16::new(0x8000);

    /// Length with the optional fields that are there (RFC 2890), for version 0.
    #[inline(always)]
    pub const fn whole_length(&self) -> Option<usize> {
        let flags = self.flags.get();
        let fields = (flags >> 15 & 1) + (flags >> 13 & 1) + (flags >> 12 & 1);
        if flags & 0x4fff != 0 { None } else { Some(Self::LENGTH + fields as usize * 4) }
    }
}

/// The optional field with the checksum.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GreChecksum {
    /// Over GRE header and payload.
    pub checksum: Be16,
    /// Zero.
    pub reserved: Be16,
}

// SAFETY: byte arrays only.
unsafe impl Header for GreChecksum {}

impl GreChecksum {
    /// Length in bytes.
    pub const LENGTH: usize = size_of::<Self>();
}

/// The four bytes of a GUE header without optional fields.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gue {
    /// Variant, control bit and the length of optional fields in words: all zero for data without any.
    pub control_and_length: u8,
    /// What is inside ([`crate::protocol`]).
    pub protocol: u8,
    /// Which optional fields follow.
    pub flags: Be16,
}

// SAFETY: bytes and byte arrays only.
unsafe impl Header for Gue {}

impl Gue {
    /// Length in bytes, without optional fields.
    pub const LENGTH: usize = size_of::<Self>();

    /// Length with optional fields; `None` for control messages and other variants.
    #[inline(always)]
    pub const fn whole_length(&self) -> Option<usize> {
        let length = self.control_and_length as usize;
        if length & 0xe0 != 0 { None } else { Some(Self::LENGTH + length * 4) }
    }
}

const _: () = assert!(Gre::LENGTH == 4 && GreChecksum::LENGTH == 4 && Gue::LENGTH == 4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_fields_count() {
        let gre = |flags| Gre { flags: Be16::new(flags), ether_type: Be16::new(0x0800) }.whole_length();
        assert_eq!([0, 0x8000, 0x2000, 0xb000].map(gre), [Some(4), Some(8), Some(8), Some(16)]);
        assert_eq!([0x4000, 0x0001].map(gre), [None, None]);
        let gue = |first| Gue { control_and_length: first, protocol: 4, flags: Be16::new(0) }.whole_length();
        assert_eq!([0, 1, 0x1f, 0x20, 0x40].map(gue), [Some(4), Some(8), Some(128), None, None]);
    }
}
