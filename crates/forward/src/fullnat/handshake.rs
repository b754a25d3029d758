//! What a FullNAT connection remembers of its beginning, and of the connection that had its local port before.

use crate::Shared;
use crate::abi::Connection;

/// A primary's words that would be a next hop in others.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a>(pub &'a Connection);

impl Handshake<'_> {
    /// In the first word: the lower half is the server's initial sequence number.
    const KNOWN: u64 = 1 << 32;
    /// In the second word: the server has been told the client's address in a packet that completes the handshake. The
    /// lower half is the shift of the client's sequence numbers.
    const TOLD: u64 = 1 << 32;

    /// Remembers the server's initial sequence number.
    #[inline(always)]
    pub fn answered<T: Shared>(self, tables: &T, number: u32) {
        let word = number as u64 | Self::KNOWN;
        if self.0.hop.first().get() != word {
            tables.store64(self.0.hop.first(), word);
        }
    }

    /// True when the server has answered.
    #[inline(always)]
    pub fn is_answered(self) -> bool {
        self.0.hop.first().get() & Self::KNOWN != 0
    }

    /// True for the acknowledgement of the server's SYN and of nothing more.
    #[inline(always)]
    pub fn is_completed_by(self, acknowledgement: u32) -> bool {
        self.0.hop.first().get() == acknowledgement.wrapping_sub(1) as u64 | Self::KNOWN
    }

    /// True when the server has been told.
    #[inline(always)]
    pub fn is_told(self) -> bool {
        self.0.hop.second().get() & Self::TOLD != 0
    }

    /// Remembers that the server has been told.
    #[inline(always)]
    pub fn tell<T: Shared>(self, tables: &T) {
        tables.store64(self.0.hop.second(), self.0.hop.second().get() | Self::TOLD);
    }

    /// What is added to the client's sequence numbers.
    #[inline(always)]
    pub fn shift(self) -> u32 {
        self.0.hop.second().get() as u32
    }

    /// A new connection's words.
    #[inline(always)]
    pub const fn words(shift: u32) -> [u64; 2] {
        [0, shift as u64]
    }
}

/// What is added to a client's sequence numbers on a local port whose connection before ended at `end`: its server may
/// still wait there (TIME_WAIT), and takes a SYN for a new connection when its number is beyond. How far beyond is as
/// hard to guess as the client's own number.
#[inline(always)]
pub(super) const fn shift_beyond(end: u32, initial: u32) -> u32 {
    let shifted = end.wrapping_add(1 + (initial & 0x00ff_ffff));
    let shift = shifted.wrapping_sub(initial);
    // 0 stands for none; one number further is as good.
    if shift == 0 { 1 } else { shift }
}
