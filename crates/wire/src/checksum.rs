//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! A one's-complement sum does not depend on byte order as long as all words are read the same way, so
//! everything here works on native words ([`crate::Be16::bits`]) and nothing is ever swapped.

use crate::Be16;

/// A running one's-complement sum of native 16-bit words, not yet folded.
///
/// The accumulator holds at least 2^31 words before it could overflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct Checksum(u64);

impl Checksum {
    /// An empty sum.
    #[inline(always)]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds one 16-bit word.
    #[inline(always)]
    pub const fn add16(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds one 32-bit word: two 16-bit words at once.
    #[inline(always)]
    pub const fn add32(self, word: u32) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds one 64-bit word: four 16-bit words at once.
    #[inline(always)]
    pub const fn add64(self, word: u64) -> Self {
        Self(self.0 + (word & 0xffff_ffff) + (word >> 32))
    }

    /// Takes one 16-bit word out (adds its complement).
    #[inline(always)]
    pub const fn remove16(self, word: u16) -> Self {
        self.add16(!word)
    }

    /// Takes one 32-bit word out.
    #[inline(always)]
    pub const fn remove32(self, word: u32) -> Self {
        self.add32(!word)
    }

    /// Takes one 64-bit word out.
    #[inline(always)]
    pub const fn remove64(self, word: u64) -> Self {
        self.add64(!word)
    }

    /// Joins two sums.
    #[inline(always)]
    pub const fn join(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The sum folded into 16 bits, not inverted: what a partial checksum field holds.
    #[inline(always)]
    pub const fn fold(self) -> u16 {
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        sum as u16
    }

    /// The sum folded, in a word that a BPF function returns; more than 16 bits for none.
    #[inline(always)]
    pub const fn word_of(sum: Option<Self>) -> u32 {
        match sum {
            Some(sum) => sum.fold() as u32,
            None => u32::MAX,
        }
    }

    /// The inverse of [`word_of`](Self::word_of).
    #[inline(always)]
    pub const fn from_word(word: u32) -> Option<Self> {
        if word > u16::MAX as u32 { None } else { Some(Self(word as u64)) }
    }

    /// `field` after the words in this sum changed as recorded with `remove` and `add` (RFC 1624, equation 3).
    #[inline(always)]
    pub const fn update(self, field: Be16) -> Be16 {
        Be16::from_bits(!self.add16(!field.bits()).fold())
    }

    /// The checksum field of a message whose words, field excluded, are in this sum.
    #[inline(always)]
    pub const fn finish(self) -> Be16 {
        Be16::from_bits(!self.fold())
    }

    /// Adds a run of bytes, an odd last one padded with zero. Not for BPF programs: the loop has no constant bound.
    pub fn add_bytes(self, bytes: &[u8]) -> Self {
        let pairs = bytes.chunks(2);
        pairs.fold(self, |sum, pair| match *pair {
            [first, second] => sum.add16(u16::from_ne_bytes([first, second])),
            [last] => sum.add16(u16::from_ne_bytes([last, 0])),
            _ => sum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let sum = Checksum::new().add_bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(Be16::from_bits(sum.fold()).get(), 0xddf2);
    }

    proptest! {
        #[test]
        fn an_update_equals_a_fresh_sum(mut bytes in proptest::collection::vec(any::<u8>(), 40), new in any::<u64>()) {
            let before = Checksum::new().add_bytes(&bytes).finish();
            let old = u64::from_ne_bytes(bytes[8..16].try_into().unwrap());
            bytes[8..16].copy_from_slice(&new.to_ne_bytes());
            let after = Checksum::new().remove64(old).add64(new).update(before);
            let fresh = Checksum::new().add_bytes(&bytes).finish();
            // +0 and -0 are the same number; only an all-zero message could show the difference.
            prop_assert!(after == fresh || after.bits() ^ fresh.bits() == 0xffff);
        }
    }
}
