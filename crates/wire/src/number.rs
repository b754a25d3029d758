//! Big-endian numbers as they stand on the wire.
#![expect(unsafe_code, reason = "implements Header")]

use crate::Header;

macro_rules! big_endian {
    ($name:ident, $native:ty, $bytes:literal, $what:literal) => {
        #[doc = $what]
        #[repr(transparent)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
        pub struct $name([u8; $bytes]);

        // SAFETY: an array of bytes, alignment 1, no padding, every pattern valid.
        unsafe impl Header for $name {}

        impl $name {
            /// The number `value`, to be put on the wire.
            #[inline(always)]
            pub const fn new(value: $native) -> Self {
                Self(value.to_be_bytes())
            }

            /// The number it stands for.
            #[inline(always)]
            pub const fn get(self) -> $native {
                <$native>::from_be_bytes(self.0)
            }

            /// The same bytes as one native word, without a swap: for keys and sums, where order does not matter.
            #[inline(always)]
            pub const fn bits(self) -> $native {
                <$native>::from_ne_bytes(self.0)
            }

            /// The inverse of [`bits`](Self::bits).
            #[inline(always)]
            pub const fn from_bits(bits: $native) -> Self {
                Self(bits.to_ne_bytes())
            }
        }
    };
}

big_endian!(Be16, u16, 2, "A 16-bit number in network byte order, at any alignment.");
big_endian!(Be32, u32, 4, "A 32-bit number in network byte order, at any alignment.");

/// One byte.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Byte(pub u8);

// SAFETY: a byte.
unsafe impl Header for Byte {}

/// Eight bytes, whatever they are.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Bytes8(pub [u8; 8]);

// SAFETY: an array of bytes.
unsafe impl Header for Bytes8 {}

/// Sixteen bytes of an IPv6 address as they stand on the wire, kept as two halves so that each is one load.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Bytes16([u8; 8], [u8; 8]);

// SAFETY: arrays of bytes, alignment 1, no padding, every pattern valid.
unsafe impl Header for Bytes16 {}

impl Bytes16 {
    /// The two halves as native words, without a swap.
    #[inline(always)]
    pub const fn bits(&self) -> [u64; 2] {
        [u64::from_ne_bytes(self.0), u64::from_ne_bytes(self.1)]
    }

    /// The inverse of [`bits`](Self::bits).
    #[inline(always)]
    pub const fn from_bits([high, low]: [u64; 2]) -> Self {
        Self(high.to_ne_bytes(), low.to_ne_bytes())
    }
}
