//! The lane of the stack's own buffers (tc): a `__sk_buff` as a frame, and a verdict as a tc action.
//!
//! Frames come here with the offloads of the host's devices: larger than any MTU, with a transport checksum that was
//! only begun, or with a sum over all their bytes. The kernel's helper keeps all of these right.

use crate::bytes::Bytes;
use crate::lane::Lane;
use crate::maps;
use aya_ebpf::bindings::bpf_adj_room_mode::{BPF_ADJ_ROOM_MAC, BPF_ADJ_ROOM_NET};
use aya_ebpf::bindings::{
    BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6, BPF_F_ADJ_ROOM_ENCAP_L4_GRE,
    BPF_F_ADJ_ROOM_ENCAP_L4_UDP, BPF_F_ADJ_ROOM_FIXED_GSO, TC_ACT_SHOT, TC_ACT_UNSPEC,
};
use aya_ebpf::helpers::generated::{
    bpf_csum_update, bpf_l4_csum_replace, bpf_redirect, bpf_skb_adjust_room, bpf_skb_change_proto, bpf_skb_change_tail,
    bpf_skb_load_bytes, bpf_skb_pull_data, bpf_skb_vlan_pop, bpf_skb_vlan_push,
};
use aya_ebpf::programs::TcContext;
use forward::abi::Outer;
use forward::classify::NETWORK;
use forward::encapsulate::Headers;
use forward::fullnat::{Options, Task};
use forward::parse::{Parse, Walk};
use forward::{Action, Answer, Family, Frame, Shared, Time, Verdict, linear, shift};
use wire::{Checksum, Header, Ipv4, Ipv6, Vlan, protocol};

/// BPF_F_PSEUDO_HDR (linux/bpf.h)
const PSEUDO_HEADER: u64 = 1 << 4;
/// BPF_F_MARK_MANGLED_0 (linux/bpf.h): a sum of zero becomes 0xffff.
const NEVER_ZERO: u64 = 1 << 5;
/// ETH_P_IP as the context shows it.
const PROTOCOL_IPV4: u32 = 0x0800_u16.to_be() as u32;
/// ETH_P_IPV6 as the context shows it.
const PROTOCOL_IPV6: u32 = 0x86dd_u16.to_be() as u32;

/// By how much the kernel lengthens a packet that it makes IPv6.
const GROWTH: usize = Ipv6::LENGTH - Ipv4::LENGTH;

/// What `tc_index` says of a frame that was sent on here: "xl".
const SENT_ON: u32 = 0x786c;

/// The frame of a tc program.
pub(crate) struct SkbFrame(pub(crate) TcContext);

impl SkbFrame {
    #[inline(always)]
    fn bytes(&self) -> Bytes {
        Bytes { start: self.0.data(), end: self.0.data_end() }
    }

    /// Makes room at the end, and moves there what stands behind `at`: a checksum that was only begun counts from where
    /// its header is, which therefore must not move.
    #[inline(always)]
    pub(crate) fn grow(&mut self, at: usize, bytes: usize) -> Option<()> {
        let behind = (self.0.len() as usize).checked_sub(at)?;
        if behind > shift::MOST_BEHIND {
            return None;
        }
        // SAFETY: the context is valid; the helper refuses what cannot be.
        if unsafe { bpf_skb_change_tail(self.0.skb.skb, self.0.len() + bytes as u32, 0) } != 0 {
            return None;
        }
        shift::backwards(self, at, behind, bytes)
    }

    /// Brings the first `bytes` bytes, or all that there are, into the linear part.
    #[inline(always)]
    fn pull(&mut self, bytes: usize) {
        if self.bytes().length() < bytes {
            // A refusal leaves the frame as it is; what is read beyond its linear part is then missing.
            // SAFETY: the context is valid for the whole program.
            unsafe { bpf_skb_pull_data(self.0.skb.skb, (bytes as u32).min(self.0.len())) };
        }
    }
}

impl Frame for SkbFrame {
    #[inline(always)]
    fn read<H: Header>(&self, offset: usize) -> Option<H> {
        self.bytes().read(offset)
    }

    #[inline(always)]
    fn copy<H: Header>(&self, offset: usize) -> Option<H> {
        let mut header = core::mem::MaybeUninit::<H>::uninit();
        let (room, size) = (header.as_mut_ptr().cast(), size_of::<H>() as u32);
        // SAFETY: the helper checks the place and fills in all of the header, or refuses.
        unsafe {
            (bpf_skb_load_bytes(self.0.skb.skb.cast(), offset as u32, room, size) == 0).then(|| header.assume_init())
        }
    }

    #[inline(always)]
    fn write<H: Header>(&mut self, offset: usize, header: H) -> Option<()> {
        self.bytes().write(offset, header)
    }

    #[inline(always)]
    fn walk_extensions(&self, network: usize) -> Walk {
        // SAFETY: as in the other lane.
        Walk::from_word(unsafe { crate::functions::tc_walk_extensions(self.0.skb.skb, network as u32) })
    }

    #[inline(always)]
    fn walk_to_fragment(&self, network: usize) -> Walk {
        // SAFETY: as in the other lane.
        Walk::from_word(unsafe { crate::functions::tc_walk_to_fragment(self.0.skb.skb, network as u32) })
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        self.0.len()
    }

    #[inline(always)]
    fn has(&self, bytes: usize) -> bool {
        self.0.len() as usize >= bytes
    }

    #[inline(always)]
    fn joined(&self) -> u32 {
        // SAFETY: the context is valid for the whole program.
        if unsafe { (*self.0.skb.skb).gso_size } == 0 { 0 } else { self.0.len() }
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        // SAFETY: the context is valid for the whole program.
        unsafe { (*self.0.skb.skb).ingress_ifindex }
    }

    #[inline(always)]
    fn exceeds(&self, bytes: u32, mtu: u32) -> bool {
        bytes > mtu && !self.is_joined()
    }

    #[inline(always)]
    fn shorten(&mut self, bytes: usize) -> Option<()> {
        // The helper brings everything into the linear part, even where nothing is cut off.
        let bytes = (bytes as u32).min(self.0.len());
        // SAFETY: the context is valid; the helper refuses what cannot be.
        (unsafe { bpf_skb_change_tail(self.0.skb.skb, bytes, 0) } == 0).then_some(())
    }

    #[inline(always)]
    fn make_room(&mut self, bytes: usize) -> Option<()> {
        // SAFETY: as above.
        (unsafe { bpf_skb_adjust_room(self.0.skb.skb, bytes as i32, BPF_ADJ_ROOM_MAC, 0) } == 0).then_some(())
    }

    /// Where TCP segments were joined, each of them becomes shorter by the new headers. Datagrams cannot.
    #[inline(always)]
    fn make_tunnel_room(&mut self, outer: Outer, protocol: u8) -> Option<()> {
        let network = if outer.is_ipv6() { BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 } else { BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 };
        let envelope = if outer.is_gue() {
            BPF_F_ADJ_ROOM_ENCAP_L4_UDP
        } else if outer.is_gre() {
            BPF_F_ADJ_ROOM_ENCAP_L4_GRE
        } else {
            0
        };
        let parts = if protocol == protocol::TCP { 0 } else { BPF_F_ADJ_ROOM_FIXED_GSO };
        let (bytes, flags) = (outer.length() as i32, (network | envelope | parts) as u64);
        // SAFETY: as above.
        (unsafe { bpf_skb_adjust_room(self.0.skb.skb, bytes, BPF_ADJ_ROOM_MAC, flags) } == 0).then_some(())
    }

    /// Where the families differ, the kernel first makes the outer header one of the inner family, whatever stands in it.
    #[inline(always)]
    fn strip(&mut self, bytes: usize, outer: Family, inner: Family) -> Option<()> {
        let context = self.0.skb.skb;
        // SAFETY: the context is valid; the helpers refuse what cannot be.
        unsafe {
            let bytes = match (outer, inner) {
                (Family::Ipv6, Family::Ipv4) if bpf_skb_change_proto(context, PROTOCOL_IPV4 as u16, 0) == 0 => {
                    bytes - GROWTH
                }
                (Family::Ipv4, Family::Ipv6) if bpf_skb_change_proto(context, PROTOCOL_IPV6 as u16, 0) == 0 => {
                    bytes + GROWTH
                }
                (Family::Ipv4, Family::Ipv4) | (Family::Ipv6, Family::Ipv6) => bytes,
                _ => return None,
            };
            (bpf_skb_adjust_room(context, -(bytes as i32), BPF_ADJ_ROOM_MAC, 0) == 0).then_some(())
        }
    }

    /// Nothing needs it here: the helpers below keep tags.
    #[inline(always)]
    fn drop_front(&mut self, _bytes: usize) -> Option<()> {
        None
    }

    #[inline(always)]
    fn push_tag(&mut self, identifier: u16) -> Option<()> {
        // SAFETY: as above.
        (unsafe { bpf_skb_vlan_push(self.0.skb.skb, Vlan::ETHER_TYPE.bits(), identifier) } == 0).then_some(())
    }

    #[inline(always)]
    fn pop_tag(&mut self) -> Option<()> {
        // SAFETY: as above.
        (unsafe { bpf_skb_vlan_pop(self.0.skb.skb) } == 0).then_some(())
    }

    #[inline(always)]
    fn discard_tag(&mut self) -> Option<()> {
        self.pop_tag()
    }

    #[inline(always)]
    fn tag_is_aside(&self) -> bool {
        // SAFETY: the context is valid for the whole program.
        unsafe { (*self.0.skb.skb).vlan_present != 0 }
    }

    #[inline(always)]
    fn insert(&mut self, at: usize, bytes: usize) -> Option<()> {
        // SAFETY: the context is valid for the whole program.
        (unsafe { crate::functions::tc_insert(self.0.skb.skb, at as u32, bytes as u32) } != 0).then_some(())
    }

    /// In front of the transport header, which must not move: a checksum that was only begun counts from there.
    #[inline(always)]
    fn insert_behind(&mut self, network: usize, _header: usize, bytes: usize) -> Option<()> {
        // SAFETY: as above; the helper refuses what cannot be, without a change.
        (network == NETWORK && unsafe { bpf_skb_adjust_room(self.0.skb.skb, bytes as i32, BPF_ADJ_ROOM_NET, 0) } == 0)
            .then_some(())
    }

    #[inline(always)]
    fn resummed(&mut self, delta: Checksum) {
        // SAFETY: as above.
        unsafe { bpf_csum_update(self.0.skb.skb, delta.fold() as u32) };
    }

    #[inline(always)]
    fn can_grow(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.0.skb.skb).gso_size == 0 }
    }
    #[inline(always)]
    fn walk_options(&self, transport: usize, kinds: u32) -> Options {
        // SAFETY: as above.
        Options(unsafe { crate::functions::tc_walk_options(self.0.skb.skb, transport as u32, kinds) })
    }

    #[inline(always)]
    fn next_option(&self, transport: usize, kinds: u32, found: Options) -> Options {
        // SAFETY: as above.
        Options(unsafe { crate::functions::tc_next_option(self.0.skb.skb, transport as u32, kinds, found.0) })
    }

    #[inline(always)]
    fn blank(&mut self, transport: usize, at: usize, length: usize) -> Option<Checksum> {
        // SAFETY: as above.
        Checksum::from_word(unsafe {
            crate::functions::tc_blank(self.0.skb.skb, transport as u32, at as u32, length as u32)
        })
    }

    #[inline(always)]
    fn inform(&mut self, task: &Task) -> Option<()> {
        // SAFETY: as above; a reference points to a whole task.
        (unsafe { crate::functions::tc_inform(self.0.skb.skb, task) } != 0).then_some(())
    }

    #[inline(always)]
    fn name_client(&mut self, task: &Task) -> Option<()> {
        // SAFETY: as above; a reference points to a whole task.
        (unsafe { crate::functions::tc_name_client(self.0.skb.skb, task) } != 0).then_some(())
    }

    #[inline(always)]
    fn sum(&self, from: usize, bytes: usize) -> Option<Checksum> {
        // SAFETY: the context is valid for the whole program.
        Checksum::from_word(unsafe { crate::functions::tc_sum(self.0.skb.skb, from as u32, bytes as u32) })
    }

    #[inline(always)]
    fn answer<T: Shared>(&mut self, network: usize, answer: Answer, _tables: &T, _now: Time) -> bool {
        // SAFETY: the context is valid for the whole program.
        unsafe { crate::functions::tc_answer(self.0.skb.skb, network as u32, answer.word()) != 0 }
    }

    /// A sum that was only begun holds nothing but the pseudo-header: the helper leaves out what is not of it.
    #[inline(always)]
    fn encapsulate<A: Parse, T: Shared>(&mut self, headers: Headers, server: u32, _tables: &T) -> Verdict {
        // SAFETY: the context is valid for the whole program.
        Verdict::from_word(unsafe {
            match A::FAMILY {
                Family::Ipv4 => crate::functions::tc_encapsulate4(self.0.skb.skb, headers.word(), server),
                Family::Ipv6 => crate::functions::tc_encapsulate6(self.0.skb.skb, headers.word(), server),
            }
        })
    }

    #[inline(always)]
    fn adjust_checksum(&mut self, offset: usize, delta: Checksum, pseudo: Checksum, udp: bool) -> Option<()> {
        let context = self.0.skb.skb;
        let flags = if udp { NEVER_ZERO } else { 0 };
        let (rest, pseudo) = (delta.remove16(pseudo.fold()).fold(), pseudo.fold());
        // SAFETY: the context is valid for the whole program; the helper checks the offset.
        unsafe {
            if bpf_l4_csum_replace(context, offset as u32, 0, rest as u64, flags) != 0
                || bpf_l4_csum_replace(context, offset as u32, 0, pseudo as u64, flags | PSEUDO_HEADER) != 0
            {
                return None;
            }
            // Where a device gave a sum over all bytes, the helper takes the change of an address out of it. An IPv4
            // header's own checksum makes that right; in IPv6 the addresses have already done it.
            if (*context).protocol == PROTOCOL_IPV6 {
                bpf_csum_update(context, pseudo as u32);
            }
        }
        Some(())
    }
}

impl Lane for SkbFrame {
    type Action = i32;

    #[inline(always)]
    fn is_own(&self) -> bool {
        // SAFETY: the context is valid for the whole program.
        self.ingress() == 0 && unsafe { (*self.0.skb.skb).tc_index } != SENT_ON
    }

    #[inline(always)]
    fn set_sent_on(&mut self) {
        // SAFETY: the context is valid for the whole program.
        unsafe { (*self.0.skb.skb).tc_index = SENT_ON };
    }

    #[inline(always)]
    fn prepare(&mut self) {
        self.pull(linear::LEAST);
        self.pull(linear::wanted(self, NETWORK));
    }

    #[inline(always)]
    fn jump(&self, index: u32) {
        // SAFETY: all members of the array are programs of this object for this lane.
        unsafe { maps::TC_JUMPS.tail_call(&self.0, index) };
    }

    #[inline(always)]
    fn copy_to(&self, to: *mut u8, length: u32) -> Option<()> {
        // SAFETY: the context is valid for the whole program; the caller has room for so many bytes.
        (unsafe { bpf_skb_load_bytes(self.0.skb.skb.cast(), 0, to.cast(), length) } == 0).then_some(())
    }

    #[inline(always)]
    fn capture_arrived(&self) {
        // SAFETY: the context is valid for the whole program.
        unsafe { crate::functions::tc_capture_arrived(self.0.skb.skb) };
    }

    #[inline(always)]
    fn capture_concluded(&self, verdict: Verdict) {
        // SAFETY: the context is valid for the whole program.
        unsafe { crate::functions::tc_capture_concluded(self.0.skb.skb, verdict.counter as u32, verdict.interface) };
    }

    #[inline(always)]
    fn action(&self, verdict: Verdict) -> i32 {
        match verdict.action {
            // Whoever else is attached sees it next, then the stack.
            Action::Pass => TC_ACT_UNSPEC,
            Action::Drop => TC_ACT_SHOT,
            // SAFETY: the context is valid for the whole program.
            Action::Forward => unsafe {
                // It may leave by an interface where a program of ours sees it once more.
                (*self.0.skb.skb).tc_index = SENT_ON;
                bpf_redirect(verdict.interface, 0) as i32
            },
        }
    }
}
