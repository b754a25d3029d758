//! Sockets: connections that begin, and the peers that applications are shown.

use crate::maps::{CLIENTS, SCRATCH, Scratch, Told, count, scratch};
use aya_ebpf::bindings::{
    BPF_SK_STORAGE_GET_F_CREATE, BPF_SOCK_OPS_PARSE_HDR_OPT_CB, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG,
    BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, BPF_SOCK_OPS_TCP_LISTEN_CB, bpf_sock_ops,
};
use aya_ebpf::helpers::generated::{bpf_getsockopt, bpf_setsockopt, bpf_sk_storage_get, bpf_sock_ops_cb_flags_set};
use aya_ebpf::programs::{SockAddrContext, SockOpsContext};
use core::ffi::c_void;
use forward::agent::{Bytes, Reception, Server, toa};
use wire::Header;

const AF_INET6: u32 = 10;
const IPPROTO_TCP: i32 = 6;
/// `TCP_SAVE_SYN`, `TCP_BPF_SYN` (linux/tcp.h, linux/bpf.h)
const SAVE_SYN: i32 = 27;
const SAVED_SYN: i32 = 1005;
/// Shortest TCP header.
const SHORTEST: u32 = 20;

/// The TCP header in the scratch space.
struct Copied(*const u8);

impl Bytes for Copied {
    #[inline(always)]
    fn read<H: Header>(&self, offset: usize) -> Option<H> {
        if offset > SCRATCH - size_of::<H>() {
            return None;
        }
        // SAFETY: the scratch space is SCRATCH bytes, the bounds were checked, `Header` promises alignment 1.
        Some(unsafe { self.0.add(offset & (SCRATCH - 1)).cast::<H>().read() })
    }
}

/// The whole program.
#[inline(always)]
pub(crate) fn connections(context: &SockOpsContext) {
    match context.op() {
        BPF_SOCK_OPS_TCP_LISTEN_CB => save_syns(context),
        BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB => established(context),
        BPF_SOCK_OPS_PARSE_HDR_OPT_CB => later(context),
        _ => {}
    }
}

fn save_syns(context: &SockOpsContext) {
    let mut on = 1_u32;
    // SAFETY: the context is valid; the option takes a number of four bytes.
    unsafe { bpf_setsockopt(context.ops.cast(), IPPROTO_TCP, SAVE_SYN, (&raw mut on).cast(), 4) };
}

/// A handshake has ended. The packet that ended it names the client, or the SYN did; else a later one may.
#[inline(always)]
fn established(context: &SockOpsContext) {
    if copy_packet(context).is_some_and(|length| crate::find_client(length) != 0) {
        believe(context, Reception::ToaAtHandshake);
    } else if copy_syn(context).is_some_and(|length| crate::find_client(length) != 0) {
        believe(context, Reception::ToaInSyn);
    } else if Told.trusts(peer(context)) {
        count(Reception::ToaMissing);
        watch(context, true);
    }
}

/// A packet with an option that the kernel does not know. Once the client has acknowledged an answer nobody is named.
#[inline(always)]
fn later(context: &SockOpsContext) {
    let found = copy_packet(context).is_some_and(|length| crate::find_client(length) != 0);
    if found {
        believe(context, Reception::ToaLate);
    }
    // SAFETY: the context is valid for the whole program.
    if found || unsafe { (&raw const (*context.ops).bytes_acked).read_volatile() } > 0 {
        watch(context, false);
    }
}

#[inline(always)]
fn watch(context: &SockOpsContext, on: bool) {
    let flag = BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG;
    let flags = if on { context.cb_flags() | flag } else { context.cb_flags() & !flag };
    // SAFETY: the context is valid for the whole program.
    unsafe { bpf_sock_ops_cb_flags_set(context.ops, flags as i32) };
}

/// Copies the header of the packet at hand; its length.
#[inline(always)]
fn copy_packet(context: &SockOpsContext) -> Option<u32> {
    let to = scratch()?;
    // SAFETY: the context is valid; each word is checked against the end of the packet before it is read.
    unsafe {
        let start = (&raw const (*context.ops).__bindgen_anon_3.skb_data).cast::<usize>().read_volatile();
        let end = (&raw const (*context.ops).__bindgen_anon_4.skb_data_end).cast::<usize>().read_volatile();
        let mut length = 0;
        for word in 0..toa::LONGEST_HEADER / 4 {
            let from = start + word * 4;
            if from + 4 > end {
                break;
            }
            (&raw mut (*to).header).cast::<u32>().add(word).write(*(from as *const u32));
            length += 4;
        }
        whole(to, length)
    }
}

/// Copies the SYN that was kept, from the TCP header on; its length.
#[inline(always)]
fn copy_syn(context: &SockOpsContext) -> Option<u32> {
    let to = scratch()?;
    // SAFETY: the context is valid, and the scratch space has so many bytes.
    unsafe {
        let (room, size) = ((&raw mut (*to).header).cast::<c_void>(), toa::LONGEST_HEADER as i32);
        let length = bpf_getsockopt(context.ops.cast(), IPPROTO_TCP, SAVED_SYN, room, size);
        if length < SHORTEST as i64 {
            return None;
        }
        whole(to, length as u32)
    }
}

/// The length that the header says it has, if so many bytes were copied.
#[inline(always)]
unsafe fn whole(header: *const Scratch, copied: u32) -> Option<u32> {
    if copied < SHORTEST {
        return None;
    }
    // SAFETY: the caller has a valid scratch space.
    let length = unsafe { (*header).header[12] } as u32 >> 4 << 2;
    (length <= copied).then_some(length)
}

/// Finds the client in the scratch space and leaves it there.
#[inline(always)]
pub(crate) fn find_client(length: u32) -> Option<()> {
    let space = scratch()?;
    // SAFETY: the scratch space of this CPU, which nobody else uses meanwhile.
    let client = toa::find(&Copied(unsafe { &raw const (*space).header }.cast()), length as usize, Told.kinds())?;
    // SAFETY: the same.
    unsafe { (*space).client = client };
    Some(())
}

/// Keeps the client that was found, if it was a director who named it.
#[inline(always)]
fn believe(context: &SockOpsContext, how: Reception) {
    if !Told.trusts(peer(context)) {
        return count(Reception::ToaUntrusted);
    }
    let Some(space) = scratch() else { return };
    // SAFETY: the context is valid; the kernel checks the socket and copies a client out of the scratch space.
    unsafe {
        let socket = (&raw const (*context.ops).__bindgen_anon_2.sk).cast::<*mut c_void>().read_volatile();
        if socket.is_null() {
            return;
        }
        let client = (&raw mut (*space).client).cast();
        let kept = bpf_sk_storage_get(
            (&raw const CLIENTS).cast_mut().cast(),
            socket,
            client,
            BPF_SK_STORAGE_GET_F_CREATE as u64,
        );
        if !kept.is_null() {
            count(how);
        }
    }
}

#[inline(always)]
fn peer(context: &SockOpsContext) -> forward::agent::Address {
    let ops: *const bpf_sock_ops = context.ops;
    // SAFETY: the context is valid. Volatile: joined into one, these loads would be of a changed context pointer.
    unsafe {
        let six = |word: usize| (&raw const (*ops).remote_ip6).cast::<u32>().add(word).read_volatile();
        let family = (&raw const (*ops).family).read_volatile();
        let four = (&raw const (*ops).remote_ip4).read_volatile();
        toa::peer(family == AF_INET6, four, [six(0), six(1), six(2), six(3)])
    }
}

/// Shows an application the client of its connection, if one was named.
#[inline(always)]
pub(crate) fn show(context: &SockAddrContext, six: bool) {
    // SAFETY: what is found belongs to the socket, which lives as long as the program runs.
    let Some(client) = (unsafe { CLIENTS.get_ptr_mut(context).as_ref() }) else { return };
    let Some([a, b, c, d]) = toa::shown(client, six) else { return };
    let address = context.sock_addr;
    // SAFETY: the context is valid for the whole program, and these fields may be written.
    unsafe {
        if six {
            (&raw mut (*address).user_ip6[0]).write_volatile(a);
            (&raw mut (*address).user_ip6[1]).write_volatile(b);
            (&raw mut (*address).user_ip6[2]).write_volatile(c);
            (&raw mut (*address).user_ip6[3]).write_volatile(d);
        } else {
            (&raw mut (*address).user_ip4).write_volatile(a);
        }
        (&raw mut (*address).user_port).write_volatile(client.port as u32);
    }
}
