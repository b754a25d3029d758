//! An XDP context as a `forward::Frame`, and a verdict as an XDP action.

use crate::Context;
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::{bpf_redirect, bpf_xdp_get_buff_len};
use forward::parse::Walk;
use forward::{Action, Frame, Verdict};
use wire::{Be16, Checksum, Header};

/// The frame of an XDP program.
pub(crate) struct XdpFrame(pub(crate) Context);

impl XdpFrame {
    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        // SAFETY: the context is valid for the whole program.
        unsafe { ((*self.0).data as usize, (*self.0).data_end as usize) }
    }

    /// Where `T` lies at `offset`, if it lies in the linear part.
    #[inline(always)]
    fn place<T>(&self, offset: usize) -> Option<*mut T> {
        let (data, end) = self.bounds();
        let start = data + offset;
        (start + size_of::<T>() <= end).then_some(start as *mut T)
    }

    /// A copy of a map key at `offset`.
    #[inline(always)]
    pub(crate) fn key<K: Copy>(&self, offset: usize) -> Option<K> {
        // SAFETY: `place` checked the bounds; keys are plain bytes.
        self.place::<K>(offset).map(|place| unsafe { place.read_unaligned() })
    }
}

impl Frame for XdpFrame {
    #[inline(always)]
    fn read<H: Header>(&self, offset: usize) -> Option<H> {
        let from = self.place::<H>(offset)?;
        let mut header = core::mem::MaybeUninit::<H>::uninit();
        // SAFETY: `place` checked the bounds; `Header` promises that every pattern of bytes is a value.
        unsafe {
            copy(from.cast(), header.as_mut_ptr().cast(), size_of::<H>());
            Some(header.assume_init())
        }
    }

    #[inline(always)]
    fn write<H: Header>(&mut self, offset: usize, header: H) -> Option<()> {
        let to = self.place::<H>(offset)?;
        // SAFETY: `place` checked the bounds.
        unsafe { copy((&raw const header).cast(), to.cast(), size_of::<H>()) };
        Some(())
    }

    #[inline(always)]
    fn walk_extensions(&self, _network: usize) -> Walk {
        // The function takes the context alone and begins at NETWORK, the one offset the programs use.
        // SAFETY: the context is valid for the whole program.
        Walk::from_word(unsafe { crate::walk_extensions(self.0) })
    }

    #[inline(always)]
    fn has(&self, bytes: usize) -> bool {
        let (data, end) = self.bounds();
        // SAFETY: the context is valid; the helper counts the parts of a multi-buffer frame too.
        end - data >= bytes || unsafe { bpf_xdp_get_buff_len(self.0) } as usize >= bytes
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        // SAFETY: the context is valid for the whole program.
        unsafe { (*self.0).ingress_ifindex }
    }

    #[inline(always)]
    fn adjust_checksum(&mut self, offset: usize, delta: Checksum, _pseudo: Checksum, udp: bool) -> Option<()> {
        let field = self.read::<Be16>(offset)?;
        self.write(offset, forward::frame::adjusted(field, delta, udp))
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

/// The one place where a verdict becomes an action.
#[inline(always)]
pub(crate) fn action(context: Context, verdict: Verdict) -> u32 {
    match verdict.action {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => xdp_action::XDP_DROP,
        Action::Forward if verdict.interface == XdpFrame(context).ingress() => xdp_action::XDP_TX,
        // SAFETY: a helper that takes numbers.
        Action::Forward => unsafe { bpf_redirect(verdict.interface, 0) as u32 },
    }
}
