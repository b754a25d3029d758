//! Room in the middle of a frame: what stands before is moved to a new front, or what follows to a new end.

use crate::Frame;
use wire::Be16;
use wire::number::Bytes8;

/// Headers in front of what is inserted, at most.
pub const MOST_BEFORE: usize = 128;
/// Bytes behind it, at most, where those are moved.
pub const MOST_BEHIND: usize = 2048;

/// A place as a number that only the machine knows, below 8192. The compiler would join neighbouring places into pointers
/// that go back, and leave out looking at one where another is further on; the verifier understands neither.
#[inline(always)]
fn known(place: usize) -> usize {
    core::hint::black_box(place) & 0x1fff
}

/// The place before one that is not the first, to read two bytes there: a verifier learns nothing of a place from a
/// comparison of exactly one byte.
#[inline(always)]
pub fn before(place: usize) -> usize {
    known(place - 1)
}

/// Moves the first `before` bytes to the front of a frame that has grown by `bytes` there. Headers are whole words.
#[inline(always)]
pub fn forwards<F: Frame>(frame: &mut F, before: usize, bytes: usize) -> Option<()> {
    let mut at = 0;
    for _ in 0..MOST_BEFORE / size_of::<Be16>() {
        if at >= before {
            return Some(());
        }
        let word = frame.read::<Be16>(at + bytes)?;
        frame.write(known(at), word)?;
        at += size_of::<Be16>();
    }
    (at >= before).then_some(())
}

/// Moves `behind` bytes from `at` (not the beginning) on towards the end of a frame that has grown by `bytes` there, at least eight.
#[inline(always)]
pub fn backwards<F: Frame>(frame: &mut F, at: usize, behind: usize, bytes: usize) -> Option<()> {
    let mut left = behind;
    for _ in 0..MOST_BEHIND / size_of::<Bytes8>() {
        if left < size_of::<Bytes8>() {
            break;
        }
        left -= size_of::<Bytes8>();
        let place = known(at + (left & (MOST_BEHIND - 1)));
        let word = frame.read::<Bytes8>(place)?;
        frame.write(known(place + bytes), word)?;
    }
    for _ in 0..size_of::<Bytes8>() {
        if left == 0 {
            return Some(());
        }
        left -= 1;
        // With the byte before it, which goes the same way.
        let place = before(at + (left & (MOST_BEHIND - 1)));
        let pair = frame.read::<Be16>(place)?;
        frame.write(known(place + bytes), pair)?;
    }
    (left == 0).then_some(())
}
