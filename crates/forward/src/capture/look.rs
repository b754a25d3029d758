//! What the ends of a packet are read from: a frame in a program, or bytes that were copied from one.
#![expect(unsafe_code, reason = "reads headers from bytes")]

use crate::Frame;
use wire::Header;

/// Headers by their place.
pub(super) trait Headers {
    /// The header of type `H` at `offset`, if it is there.
    fn header<H: Header>(&self, offset: usize) -> Option<H>;
}

impl<F: Frame> Headers for F {
    #[inline(always)]
    fn header<H: Header>(&self, offset: usize) -> Option<H> {
        self.read(offset)
    }
}

/// Bytes of a frame.
pub(super) struct Look<'b>(pub(super) &'b [u8]);

impl Headers for Look<'_> {
    fn header<H: Header>(&self, offset: usize) -> Option<H> {
        let bytes = self.0.get(offset..offset.checked_add(size_of::<H>())?)?;
        // SAFETY: the bytes are there, `Header` promises alignment 1 and that every pattern is a value.
        Some(unsafe { bytes.as_ptr().cast::<H>().read() })
    }
}
