//! Datagrams: shown as their client's when they come in, sent back to the director when they are answers.

use crate::maps::{DATAGRAMS, PIECES, Told, WAYS, count};
use crate::skb::Skb;
use aya_ebpf::bindings::bpf_adj_room_mode::BPF_ADJ_ROOM_NET;
use aya_ebpf::bindings::{
    __sk_buff, BPF_F_ADJ_ROOM_FIXED_GSO, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, BPF_F_RECOMPUTE_CSUM, TC_ACT_SHOT,
    TC_ACT_UNSPEC,
};
use aya_ebpf::helpers::generated::{
    bpf_csum_diff, bpf_l4_csum_replace, bpf_redirect_neigh, bpf_skb_adjust_room, bpf_skb_store_bytes,
};
use aya_ebpf::programs::TcContext;
use forward::agent::abi::{Client, Endpoints, Piece, Way};
use forward::agent::uoa::{self, Change, Datagrams, Fate};
use forward::agent::{Bytes, Reception, rewrite};
use wire::{Be16, Ethernet, Header, Ipv4, Ipv6};

/// What the maps remember.
struct Remembered;

impl Datagrams for Remembered {
    #[inline(always)]
    fn client(&self, from_director: &Endpoints) -> Option<Client> {
        // SAFETY: a copy; whoever writes at the same time writes a whole client of the same flow.
        unsafe { DATAGRAMS.get(from_director).copied() }
    }

    #[inline(always)]
    fn learn(&self, from_director: &Endpoints, client: &Client, to_client: &Endpoints, way: &Way) {
        // Where there is no room the next datagram that names a client tries again.
        let _ = DATAGRAMS.insert(from_director, client, 0);
        let _ = WAYS.insert(to_client, way, 0);
    }

    #[inline(always)]
    fn way(&self, to_client: &Endpoints) -> Option<Way> {
        // SAFETY: as above.
        unsafe { WAYS.get(to_client).copied() }
    }

    #[inline(always)]
    fn way_of_piece(&self, piece: &Piece) -> Option<Way> {
        // SAFETY: as above.
        unsafe { PIECES.get(piece).copied() }
    }

    #[inline(always)]
    fn remember_piece(&self, piece: &Piece, way: &Way) {
        let _ = PIECES.insert(piece, way, 0);
    }
}

/// The program for frames that come in.
#[inline(always)]
pub(crate) fn incoming(context: &TcContext) -> i32 {
    // SAFETY: the context is valid for the whole program.
    let (protocol, interface, aside) = unsafe {
        let skb = context.skb.skb;
        ((*skb).protocol as u16, (*skb).ifindex, (*skb).vlan_present != 0)
    };
    if aside {
        return TC_ACT_UNSPEC;
    }
    let fate = uoa::incoming(&Skb(context), Be16::from_bits(protocol), Ethernet::LENGTH, interface, &Told, &Remembered);
    carry_out(context, fate, Side::Source)
}

/// The program for frames that go out.
#[inline(always)]
pub(crate) fn outgoing(context: &TcContext) -> i32 {
    // SAFETY: the context is valid for the whole program.
    let protocol = unsafe { (*context.skb.skb).protocol as u16 };
    let fate = uoa::outgoing(&Skb(context), Be16::from_bits(protocol), Ethernet::LENGTH, &Remembered);
    carry_out(context, fate, Side::Destination)
}

/// Which address changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

#[inline(always)]
fn carry_out(context: &TcContext, fate: Fate, side: Side) -> i32 {
    match fate {
        Fate::Ordinary => TC_ACT_UNSPEC,
        Fate::Pass(reception) => {
            count(reception);
            TC_ACT_UNSPEC
        }
        Fate::Change(change) => {
            let changed = if change.six { change6(context, &change, side) } else { change4(context, &change, side) };
            if changed.and_then(|()| change_transport(context.skb.skb, &change, side)).is_none() {
                count(Reception::UoaRefused);
                return TC_ACT_SHOT;
            }
            count(change.reception);
            if change.interface == 0 {
                return TC_ACT_UNSPEC;
            }
            // It was routed to the client; the director may be elsewhere.
            // SAFETY: the kernel finds the next hop of the new destination by itself.
            unsafe { bpf_redirect_neigh(change.interface, core::ptr::null_mut(), 0, 0) as i32 }
        }
    }
}

#[inline(always)]
fn change4(context: &TcContext, change: &Change, side: Side) -> Option<()> {
    let header = Skb(context).read::<Ipv4>(Ethernet::LENGTH)?;
    let header = rewrite::header4(header, change, side == Side::Source);
    cut(context.skb.skb, change)?;
    store(context.skb.skb, Ethernet::LENGTH, &header, BPF_F_RECOMPUTE_CSUM as u64)
}

#[inline(always)]
fn change6(context: &TcContext, change: &Change, side: Side) -> Option<()> {
    let header = Skb(context).read::<Ipv6>(Ethernet::LENGTH)?;
    let header = rewrite::header6(header, change, side == Side::Source);
    cut(context.skb.skb, change)?;
    store(context.skb.skb, Ethernet::LENGTH, &header, BPF_F_RECOMPUTE_CSUM as u64)
}

/// Cuts the option out, which stands directly behind the fixed header.
#[inline(always)]
fn cut(skb: *mut __sk_buff, change: &Change) -> Option<()> {
    if change.cut == 0 {
        return Some(());
    }
    let (bytes, flags) = (-(change.cut as i32), BPF_F_ADJ_ROOM_FIXED_GSO as u64);
    // SAFETY: the context is valid for the whole program; the helper refuses what cannot be.
    (unsafe { bpf_skb_adjust_room(skb, bytes, BPF_ADJ_ROOM_NET, flags) } == 0).then_some(())
}

#[inline(always)]
fn store<H: Header>(skb: *mut __sk_buff, offset: usize, header: &H, flags: u64) -> Option<()> {
    let (from, size) = (core::ptr::from_ref(header).cast(), size_of::<H>() as u32);
    // SAFETY: the context is valid for the whole program; the helper checks the place.
    (unsafe { bpf_skb_store_bytes(skb, offset as u32, from, size, flags) } == 0).then_some(())
}

/// The port, and the checksum over it and the addresses.
#[inline(always)]
fn change_transport(skb: *mut __sk_buff, change: &Change, side: Side) -> Option<()> {
    const CHECKSUM: usize = 6;
    const PORT_BYTES: u64 = 2;
    if change.transport == 0 {
        return Some(());
    }
    let (mut before, mut after) = (change.before.address, change.after.address);
    let bytes = if change.six { 16 } else { 4 };
    let (checksum, flags) = ((change.transport + CHECKSUM) as u32, BPF_F_MARK_MANGLED_0 as u64);
    // SAFETY: the context is valid for the whole program; the helpers check the offset.
    unsafe {
        let difference = bpf_csum_diff(before.as_mut_ptr(), bytes, after.as_mut_ptr(), bytes, 0);
        if difference < 0 {
            return None;
        }
        if bpf_l4_csum_replace(skb, checksum, 0, difference as u64, flags | BPF_F_PSEUDO_HDR as u64) != 0 {
            return None;
        }
        let (from, to) = (change.before.port as u64, change.after.port as u64);
        if bpf_l4_csum_replace(skb, checksum, from, to, flags | PORT_BYTES) != 0 {
            return None;
        }
    }
    let port = Be16::from_bits(change.after.port);
    store(skb, change.transport + if side == Side::Source { 0 } else { 2 }, &port, 0)
}
