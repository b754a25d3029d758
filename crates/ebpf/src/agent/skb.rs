//! Frames of the stack: their headers read, and taken off.
//!
//! Frames come here joined to more than any MTU, or with a transport checksum that was only begun: the kernel's helpers
//! keep all of that right.

use crate::maps::{Told, count};
use aya_ebpf::bindings::bpf_adj_room_mode::BPF_ADJ_ROOM_MAC;
use aya_ebpf::bindings::{BPF_F_ADJ_ROOM_FIXED_GSO, TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::helpers::generated::{
    bpf_skb_adjust_room, bpf_skb_change_proto, bpf_skb_ecn_set_ce, bpf_skb_load_bytes, bpf_skb_store_bytes,
};
use aya_ebpf::programs::TcContext;
use core::mem::MaybeUninit;
use forward::agent::{Bytes, Outcome, Reception, Strip, decapsulate};
use wire::{Be16, Ethernet, Header, Ipv4, Ipv6};

/// Ether types as the kernel takes them.
const IPV4: u16 = 0x0800_u16.to_be();
const IPV6: u16 = 0x86dd_u16.to_be();
/// Where the ether type stands.
const ETHER_TYPE: u32 = 12;
/// By how much the kernel lengthens a packet that it makes IPv6.
const GROWTH: usize = Ipv6::LENGTH - Ipv4::LENGTH;

/// A frame of the stack.
pub(crate) struct Skb<'a>(pub(crate) &'a TcContext);

impl Bytes for Skb<'_> {
    #[inline(always)]
    fn read<H: Header>(&self, offset: usize) -> Option<H> {
        let mut header = MaybeUninit::<H>::uninit();
        let (room, size) = (header.as_mut_ptr().cast(), size_of::<H>() as u32);
        // SAFETY: the helper checks the place and fills in all of the header, or refuses.
        unsafe {
            (bpf_skb_load_bytes(self.0.skb.skb.cast(), offset as u32, room, size) == 0).then(|| header.assume_init())
        }
    }
}

/// The whole program.
#[inline(always)]
pub(crate) fn decapsulate(context: &TcContext) -> i32 {
    // SAFETY: the context is valid for the whole program.
    let (protocol, aside) = unsafe { ((*context.skb.skb).protocol as u16, (*context.skb.skb).vlan_present != 0) };
    if aside {
        return TC_ACT_UNSPEC;
    }
    match decapsulate::look(&Skb(context), Be16::from_bits(protocol), Ethernet::LENGTH, &Told) {
        Outcome::Ordinary => TC_ACT_UNSPEC,
        Outcome::Pass(reception) => {
            count(reception);
            TC_ACT_UNSPEC
        }
        Outcome::Drop(reception) => {
            count(reception);
            TC_ACT_SHOT
        }
        Outcome::Strip(strip) => {
            let done = take_off(context, strip).is_some();
            count(if done { Reception::Decapsulated } else { Reception::TunnelRefused });
            if done { TC_ACT_UNSPEC } else { TC_ACT_SHOT }
        }
    }
}

/// Where the families differ, the kernel first makes the outer header one of the inner family, whatever stands in it.
#[inline(always)]
fn take_off(context: &TcContext, strip: Strip) -> Option<()> {
    let skb = context.skb.skb;
    let (ether_type, bytes) = match (strip.outer_six, strip.inner_six) {
        (true, false) => (Some(IPV4), strip.bytes - GROWTH),
        (false, true) => (Some(IPV6), strip.bytes + GROWTH),
        _ => (None, strip.bytes),
    };
    // SAFETY: the context is valid for the whole program; the helpers refuse what cannot be.
    unsafe {
        if let Some(ether_type) = ether_type
            && bpf_skb_change_proto(skb, ether_type, 0) != 0
        {
            return None;
        }
        if bpf_skb_adjust_room(skb, -(bytes as i32), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO as u64) != 0 {
            return None;
        }
        if let Some(ether_type) = ether_type
            && bpf_skb_store_bytes(skb, ETHER_TYPE, (&raw const ether_type).cast(), 2, 0) != 0
        {
            return None;
        }
        if strip.congested {
            bpf_skb_ecn_set_ce(skb);
        }
    }
    Some(())
}
