//! The linear part of a frame, as both lanes have it: every access is checked against its end.

use wire::Header;

/// Where the bytes begin and end.
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Bytes {
    /// How many there are.
    #[inline(always)]
    pub(crate) fn length(self) -> usize {
        self.end - self.start
    }

    /// Where `T` lies at `offset`, if it lies inside.
    #[inline(always)]
    fn place<T>(self, offset: usize) -> Option<*mut T> {
        let start = self.start + offset;
        (start + size_of::<T>() <= self.end).then_some(start as *mut T)
    }

    /// A copy of a map key at `offset`.
    #[inline(always)]
    pub(crate) fn key<K: Copy>(self, offset: usize) -> Option<K> {
        // SAFETY: `place` checked the bounds; keys are plain bytes.
        self.place::<K>(offset).map(|place| unsafe { place.read_unaligned() })
    }

    /// The header at `offset`.
    #[inline(always)]
    pub(crate) fn read<H: Header>(self, offset: usize) -> Option<H> {
        let from = self.place::<H>(offset)?;
        let mut header = core::mem::MaybeUninit::<H>::uninit();
        // SAFETY: `place` checked the bounds; `Header` promises that every pattern of bytes is a value.
        unsafe {
            copy(from.cast(), header.as_mut_ptr().cast(), size_of::<H>());
            Some(header.assume_init())
        }
    }

    /// Puts a header at `offset`.
    #[inline(always)]
    pub(crate) fn write<H: Header>(self, offset: usize, header: H) -> Option<()> {
        let to = self.place::<H>(offset)?;
        // SAFETY: `place` checked the bounds.
        unsafe { copy((&raw const header).cast(), to.cast(), size_of::<H>()) };
        Some(())
    }
}

/// Copies `length` bytes, a number known at compile time, by whole words where the packet is concerned. The compiler
/// believes packet bytes to be aligned; the machine and the verifier do not mind that they are not, and without the
/// pretence every word would be moved in eight pieces.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, length: usize) {
    let mut at = 0;
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        while at + 8 <= length {
            to.add(at).cast::<u64>().write(from.add(at).cast::<u64>().read());
            at += 8;
        }
        if at + 4 <= length {
            to.add(at).cast::<u32>().write(from.add(at).cast::<u32>().read());
            at += 4;
        }
        if at + 2 <= length {
            to.add(at).cast::<u16>().write(from.add(at).cast::<u16>().read());
            at += 2;
        }
        if at < length {
            to.add(at).write(from.add(at).read());
        }
    }
}
