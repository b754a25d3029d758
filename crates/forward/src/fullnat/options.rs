//! The options of a TCP header.

use crate::Frame;
use crate::shift::before;
use wire::{Be16, Checksum, Tcp};

/// Longest TCP header.
pub(super) const LONGEST: usize = 60;
const END: u8 = 0;
const NOTHING: u8 = 1;
const SEGMENT_SIZE: u8 = 2;
const SELECTIVE: u8 = 5;
const TIMESTAMPS: u8 = 8;
/// Lengths of the options whose length is given.
const SEGMENT_SIZE_LENGTH: usize = 4;
/// Length of timestamps.
pub(super) const TIMESTAMPS_LENGTH: usize = 10;
/// Length of a client's address, IPv4.
pub(super) const ADDRESS4_LENGTH: usize = 8;
/// Length of a client's address, IPv6.
pub(super) const ADDRESS6_LENGTH: usize = 20;

/// Where options stand, from the beginning of the TCP header on; 0 for none. One byte each in one word, for a BPF
/// function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options(pub u64);

impl Options {
    const SEGMENT_SIZE: u32 = 0;
    const TIMESTAMPS: u32 = 8;
    const SELECTIVE: u32 = 16;
    const SELECTIVE_LENGTH: u32 = 24;
    const ADDRESS: u32 = 32;
    const ADDRESS_LENGTH: u32 = 40;
    /// While they are looked for: the place of the next.
    const PLACE: u32 = 48;
    /// There are no more.
    const OVER: u64 = 1 << 56;

    #[inline(always)]
    const fn is_over(self) -> bool {
        self.0 & Self::OVER != 0
    }

    #[inline(always)]
    const fn at(self, place: usize) -> Self {
        Self(self.0 & !(0xff << Self::PLACE)).with(Self::PLACE, place)
    }

    #[inline(always)]
    const fn get(self, field: u32) -> usize {
        // Within a header, which every verifier understands.
        (self.0 >> field) as usize & 63
    }

    #[inline(always)]
    const fn with(self, field: u32, value: usize) -> Self {
        Self(self.0 | (value as u64 & 63) << field)
    }

    /// The maximum segment size.
    #[inline(always)]
    pub const fn segment_size(self) -> usize {
        self.get(Self::SEGMENT_SIZE)
    }

    /// Timestamps.
    #[inline(always)]
    pub const fn timestamps(self) -> usize {
        self.get(Self::TIMESTAMPS)
    }

    /// Selective acknowledgements, and how many bytes of edges.
    #[inline(always)]
    pub const fn selective(self) -> (usize, usize) {
        (self.get(Self::SELECTIVE), self.get(Self::SELECTIVE_LENGTH))
    }

    /// The first client address, and its length.
    #[inline(always)]
    pub const fn address(self) -> (usize, usize) {
        (self.get(Self::ADDRESS), self.get(Self::ADDRESS_LENGTH))
    }
}

/// Looks for options. `kinds` are those of client addresses: of IPv4 in the lowest byte, of IPv6 in the next.
#[inline(always)]
pub fn walk<F: Frame>(frame: &F, transport: usize, kinds: u32) -> Options {
    let mut found = Options(0).with(Options::PLACE, Tcp::LENGTH);
    for _ in 0..LONGEST - Tcp::LENGTH {
        found = frame.next_option(transport, kinds, found);
        if found.is_over() {
            break;
        }
    }
    found
}

/// One step of a walk: looks at one option. A verifier knows nothing of what a function returns, so that all turns of
/// the loop around it look alike.
#[inline(always)]
pub fn next<F: Frame>(frame: &F, transport: usize, kinds: u32, found: Options) -> Options {
    step(frame, transport, kinds, found).unwrap_or(Options(found.0 | Options::OVER))
}

#[inline(always)]
fn step<F: Frame>(frame: &F, transport: usize, kinds: u32, found: Options) -> Option<Options> {
    let at = found.get(Options::PLACE);
    let end = (frame.read::<Tcp>(transport)?.data_offset >> 4) as usize * 4;
    if at < Tcp::LENGTH || at >= end {
        return None;
    }
    let kind = byte(frame, transport + at)?;
    if kind == END {
        return None;
    }
    if kind == NOTHING {
        return Some(found.at(at + 1));
    }
    let length = byte(frame, transport + at + 1)? as usize;
    if length < 2 || at + length > end {
        return None;
    }
    Some(note(found, kind, length, at, kinds).at(at + length))
}

#[inline(always)]
const fn note(found: Options, kind: u8, length: usize, at: usize, kinds: u32) -> Options {
    if kind == SEGMENT_SIZE && length == SEGMENT_SIZE_LENGTH {
        return found.with(Options::SEGMENT_SIZE, at);
    }
    if kind == TIMESTAMPS && length == TIMESTAMPS_LENGTH {
        return found.with(Options::TIMESTAMPS, at);
    }
    if kind == SELECTIVE && found.selective().0 == 0 {
        return found.with(Options::SELECTIVE, at).with(Options::SELECTIVE_LENGTH, length - 2);
    }
    let four = kind == kinds as u8 && length == ADDRESS4_LENGTH;
    let six = kind == (kinds >> 8) as u8 && length == ADDRESS6_LENGTH;
    if (four || six) && found.address().0 == 0 {
        return found.with(Options::ADDRESS, at).with(Options::ADDRESS_LENGTH, length);
    }
    found
}

/// The byte at a place that is not the first.
#[inline(always)]
fn byte<F: Frame>(frame: &F, place: usize) -> Option<u8> {
    let [_, byte] = frame.read::<Be16>(before(place))?.bits().to_ne_bytes();
    Some(byte)
}

/// Blanks so many bytes of options (no operation). Returns what changed, for the checksum.
#[inline(always)]
pub fn blank<F: Frame>(frame: &mut F, transport: usize, at: usize, length: usize) -> Option<Checksum> {
    let mut delta = Checksum::new();
    for step in 0..ADDRESS6_LENGTH {
        if step >= length {
            break;
        }
        let place = (at + step) & 63;
        let [other, byte] = frame.read::<Be16>(before(transport + place))?.bits().to_ne_bytes();
        frame.write(before(transport + place), Be16::from_bits(u16::from_ne_bytes([other, NOTHING])))?;
        delta = delta.remove16(word(byte, place)).add16(word(NOTHING, place));
    }
    Some(delta)
}

/// The word of a sum that a byte at this place of the header is half of.
#[inline(always)]
const fn word(byte: u8, place: usize) -> u16 {
    if place & 1 == 0 { u16::from_ne_bytes([byte, 0]) } else { u16::from_ne_bytes([0, byte]) }
}

/// A change of whole words at this place of the header: at an odd one they lie across the words of the sum.
#[inline(always)]
pub(super) const fn at_place(delta: Checksum, place: usize) -> Checksum {
    if place & 1 == 0 { delta } else { Checksum::new().add16(delta.fold().swap_bytes()) }
}
