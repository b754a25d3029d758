//! The fast lane: an XDP context as a frame, and a verdict as an XDP action.

use crate::bytes::Bytes;
use crate::lane::Lane;
use crate::maps;
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::{
    bpf_redirect, bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
};
use aya_ebpf::programs::XdpContext;
use forward::encapsulate::Headers;
use forward::fullnat::{Options, Task};
use forward::parse::{Parse, Walk};
use forward::{Action, Answer, Family, Frame, Shared, Time, Verdict, shift};
use wire::{Be16, Checksum, Header};

/// The frame of an XDP program.
pub(crate) struct XdpFrame(pub(crate) XdpContext);

impl XdpFrame {
    #[inline(always)]
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes { start: self.0.data(), end: self.0.data_end() }
    }
}

impl XdpFrame {
    /// Makes room at the front, and moves there what stands before `at`: the end of a frame may have none.
    #[inline(always)]
    pub(crate) fn grow(&mut self, at: usize, bytes: usize) -> Option<()> {
        self.make_room(bytes)?;
        shift::forwards(self, at, bytes)
    }
}

impl Frame for XdpFrame {
    #[inline(always)]
    fn read<H: Header>(&self, offset: usize) -> Option<H> {
        self.bytes().read(offset)
    }

    #[inline(always)]
    fn copy<H: Header>(&self, offset: usize) -> Option<H> {
        let mut header = core::mem::MaybeUninit::<H>::uninit();
        let (room, size) = (header.as_mut_ptr().cast(), size_of::<H>() as u32);
        // SAFETY: the helper checks the place and fills in all of the header, or refuses.
        unsafe { (bpf_xdp_load_bytes(self.0.ctx, offset as u32, room, size) == 0).then(|| header.assume_init()) }
    }

    #[inline(always)]
    fn write<H: Header>(&mut self, offset: usize, header: H) -> Option<()> {
        self.bytes().write(offset, header)
    }

    #[inline(always)]
    fn walk_extensions(&self, network: usize) -> Walk {
        // SAFETY: the context is valid for the whole program.
        Walk::from_word(unsafe { crate::functions::walk_extensions(self.0.ctx, network as u32) })
    }

    #[inline(always)]
    fn walk_to_fragment(&self, network: usize) -> Walk {
        // SAFETY: as above.
        Walk::from_word(unsafe { crate::functions::walk_to_fragment(self.0.ctx, network as u32) })
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: the context is valid for the whole program.
        unsafe { bpf_xdp_get_buff_len(self.0.ctx) as u32 }
    }

    #[inline(always)]
    fn has(&self, bytes: usize) -> bool {
        // SAFETY: the context is valid; the helper counts the parts of a multi-buffer frame too.
        self.bytes().length() >= bytes || unsafe { bpf_xdp_get_buff_len(self.0.ctx) } as usize >= bytes
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        // SAFETY: the context is valid for the whole program.
        unsafe { (*self.0.ctx).ingress_ifindex }
    }

    #[inline(always)]
    fn shorten(&mut self, bytes: usize) -> Option<()> {
        // SAFETY: the context is valid; the helper refuses what cannot be.
        unsafe {
            let surplus = bpf_xdp_get_buff_len(self.0.ctx) as i64 - bytes as i64;
            (surplus <= 0 || bpf_xdp_adjust_tail(self.0.ctx, -surplus as i32) == 0).then_some(())
        }
    }

    #[inline(always)]
    fn make_room(&mut self, bytes: usize) -> Option<()> {
        // SAFETY: as above.
        (unsafe { bpf_xdp_adjust_head(self.0.ctx, -(bytes as i32)) } == 0).then_some(())
    }

    #[inline(always)]
    fn drop_front(&mut self, bytes: usize) -> Option<()> {
        // SAFETY: as above.
        (unsafe { bpf_xdp_adjust_head(self.0.ctx, bytes as i32) } == 0).then_some(())
    }

    #[inline(always)]
    fn insert(&mut self, at: usize, bytes: usize) -> Option<()> {
        // SAFETY: the context is valid for the whole program.
        (unsafe { crate::functions::insert(self.0.ctx, at as u32, bytes as u32) } != 0).then_some(())
    }
    #[inline(always)]
    fn walk_options(&self, transport: usize, kinds: u32) -> Options {
        // SAFETY: as above.
        Options(unsafe { crate::functions::walk_options(self.0.ctx, transport as u32, kinds) })
    }

    #[inline(always)]
    fn next_option(&self, transport: usize, kinds: u32, found: Options) -> Options {
        // SAFETY: as above.
        Options(unsafe { crate::functions::next_option(self.0.ctx, transport as u32, kinds, found.0) })
    }

    #[inline(always)]
    fn blank(&mut self, transport: usize, at: usize, length: usize) -> Option<Checksum> {
        // SAFETY: as above.
        Checksum::from_word(unsafe { crate::functions::blank(self.0.ctx, transport as u32, at as u32, length as u32) })
    }

    #[inline(always)]
    fn inform(&mut self, task: &Task) -> Option<()> {
        // SAFETY: as above; a reference points to a whole task.
        (unsafe { crate::functions::inform(self.0.ctx, task) } != 0).then_some(())
    }

    #[inline(always)]
    fn name_client(&mut self, task: &Task) -> Option<()> {
        // SAFETY: as above; a reference points to a whole task.
        (unsafe { crate::functions::name_client(self.0.ctx, task) } != 0).then_some(())
    }

    #[inline(always)]
    fn sum(&self, from: usize, bytes: usize) -> Option<Checksum> {
        // SAFETY: the context is valid for the whole program.
        Checksum::from_word(unsafe { crate::functions::sum(self.0.ctx, from as u32, bytes as u32) })
    }

    #[inline(always)]
    fn answer<T: Shared>(&mut self, network: usize, answer: Answer, _tables: &T, _now: Time) -> bool {
        // SAFETY: the context is valid for the whole program.
        unsafe { crate::functions::answer(self.0.ctx, network as u32, answer.word()) != 0 }
    }

    #[inline(always)]
    fn encapsulate<A: Parse, T: Shared>(&mut self, headers: Headers, server: u32, _tables: &T) -> Verdict {
        // SAFETY: the context is valid for the whole program.
        Verdict::from_word(unsafe {
            match A::FAMILY {
                Family::Ipv4 => crate::functions::encapsulate4(self.0.ctx, headers.word(), server),
                Family::Ipv6 => crate::functions::encapsulate6(self.0.ctx, headers.word(), server),
            }
        })
    }

    #[inline(always)]
    fn adjust_checksum(&mut self, offset: usize, delta: Checksum, _pseudo: Checksum, udp: bool) -> Option<()> {
        let field = self.read::<Be16>(offset)?;
        self.write(offset, forward::frame::adjusted(field, delta, udp))
    }
}

impl Lane for XdpFrame {
    type Action = u32;

    #[inline(always)]
    fn is_own(&self) -> bool {
        false
    }

    /// (Programs of the other lane alone ask.)
    #[inline(always)]
    fn set_sent_on(&mut self) {}

    #[inline(always)]
    fn prepare(&mut self) {}

    #[inline(always)]
    fn jump(&self, index: u32) {
        // SAFETY: all members of the array are programs of this object for this lane.
        unsafe { maps::JUMPS.tail_call(&self.0, index) };
    }

    #[inline(always)]
    fn copy_to(&self, to: *mut u8, length: u32) -> Option<()> {
        // SAFETY: the context is valid for the whole program; the caller has room for so many bytes.
        (unsafe { bpf_xdp_load_bytes(self.0.ctx, 0, to.cast(), length) } == 0).then_some(())
    }

    #[inline(always)]
    fn capture_arrived(&self) {
        // SAFETY: the context is valid for the whole program.
        unsafe { crate::functions::capture_arrived(self.0.ctx) };
    }

    #[inline(always)]
    fn capture_concluded(&self, verdict: Verdict) {
        // SAFETY: the context is valid for the whole program.
        unsafe { crate::functions::capture_concluded(self.0.ctx, verdict.counter as u32, verdict.interface) };
    }

    #[inline(always)]
    fn action(&self, verdict: Verdict) -> u32 {
        match verdict.action {
            Action::Pass => xdp_action::XDP_PASS,
            Action::Drop => xdp_action::XDP_DROP,
            Action::Forward if verdict.interface == self.ingress() => xdp_action::XDP_TX,
            // SAFETY: a helper that takes numbers.
            Action::Forward => unsafe { bpf_redirect(verdict.interface, 0) as u32 },
        }
    }
}
