//! The prefilter: one bit test that spares "not ours" every table lookup.

use crate::abi::FILTER_BITS;

/// One bit for each hash of an address that is virtual and owned, or a NAT server's. False positives cost a lookup.
#[repr(C)]
#[derive(Clone)]
pub struct Filter {
    /// The bits, 64 a word.
    pub words: [u64; FILTER_BITS as usize / 64],
}

impl Filter {
    /// An empty filter.
    pub const EMPTY: Self = Self { words: [0; FILTER_BITS as usize / 64] };

    /// Word and bit of a 16-bit hash ([`crate::Address::filter_hash`]).
    #[inline(always)]
    pub const fn place(hash: u16) -> (usize, u64) {
        (hash as usize >> 6, 1 << (hash & 63))
    }

    /// True when the bit of `hash` is set.
    #[inline(always)]
    pub fn may_contain(&self, hash: u16) -> bool {
        let (word, bit) = Self::place(hash);
        match self.words.get(word) {
            Some(word) => word & bit != 0,
            None => false,
        }
    }

    /// Sets the bit of `hash`.
    pub fn insert(&mut self, hash: u16) {
        let (word, bit) = Self::place(hash);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }
}
