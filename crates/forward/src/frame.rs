//! Access to the bytes of a frame: the one thing that differs between lanes and the host.

use crate::parse::Walk;
use wire::{Be16, Checksum, Header};

/// A frame whose headers can be read and written. Implementations check every access against the end of the frame.
///
/// Headers are copied, not borrowed: a BPF program then moves whole words between packet and registers, where a
/// reference to bytes of alignment 1 would be read byte by byte.
pub trait Frame {
    /// The header of type `H` at `offset`, if it lies inside the frame's linear part.
    fn read<H: Header>(&self, offset: usize) -> Option<H>;

    /// Puts a header at `offset`.
    fn write<H: Header>(&mut self, offset: usize, header: H) -> Option<()>;

    /// [`crate::parse::walk_extensions`]. A method, because its loop is verified once, in a BPF function of its own:
    /// otherwise every program is followed anew for every number of extension headers.
    fn walk_extensions(&self, network: usize) -> Walk;

    /// True when the frame has at least `bytes` bytes, all its parts counted.
    fn has(&self, bytes: usize) -> bool;

    /// Index of the interface it came in by.
    fn ingress(&self) -> u32;

    /// Makes good the transport checksum at `offset` after the change recorded in `delta` (`pseudo` tells the part of
    /// it that belongs to the pseudo-header, which a lane with partial checksums must treat apart). `udp`: zero means
    /// "none" and is never produced.
    fn adjust_checksum(&mut self, offset: usize, delta: Checksum, pseudo: Checksum, udp: bool) -> Option<()>;
}

/// A checksum field after a change (RFC 1624); UDP never shows zero, which would mean "none" (RFC 768).
#[inline(always)]
pub const fn adjusted(field: Be16, delta: Checksum, udp: bool) -> Be16 {
    let sum = delta.update(field);
    if udp && sum.bits() == 0 { Be16::from_bits(0xffff) } else { sum }
}
