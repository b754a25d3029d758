//! The fast lane: an XDP context as a frame, and a verdict as an XDP action.

use crate::bytes::Bytes;
use crate::lane::Lane;
use crate::maps;
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::{bpf_redirect, bpf_xdp_get_buff_len};
use aya_ebpf::programs::XdpContext;
use forward::parse::Walk;
use forward::{Action, Frame, Verdict};
use wire::{Be16, Checksum, Header};

/// The frame of an XDP program.
pub(crate) struct XdpFrame(pub(crate) XdpContext);

impl XdpFrame {
    #[inline(always)]
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes { start: self.0.data(), end: self.0.data_end() }
    }
}

impl Frame for XdpFrame {
    #[inline(always)]
    fn read<H: Header>(&self, offset: usize) -> Option<H> {
        self.bytes().read(offset)
    }

    #[inline(always)]
    fn write<H: Header>(&mut self, offset: usize, header: H) -> Option<()> {
        self.bytes().write(offset, header)
    }

    #[inline(always)]
    fn walk_extensions(&self, network: usize) -> Walk {
        // SAFETY: the context is valid for the whole program.
        Walk::from_word(unsafe { crate::walk_extensions(self.0.ctx, network as u32) })
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
    fn adjust_checksum(&mut self, offset: usize, delta: Checksum, _pseudo: Checksum, udp: bool) -> Option<()> {
        let field = self.read::<Be16>(offset)?;
        self.write(offset, forward::frame::adjusted(field, delta, udp))
    }
}

impl Lane for XdpFrame {
    type Action = u32;

    #[inline(always)]
    fn prepare(&mut self) {}

    #[inline(always)]
    fn jump(&self, index: u32) {
        // SAFETY: all members of the array are programs of this object for this lane.
        unsafe { maps::JUMPS.tail_call(&self.0, index) };
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
