//! The real server's programs: entry points and nothing else. What they do stands in `forward::agent`.
//!
//! An object of its own: a real server loads nothing of the director's, and a director nothing of these.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(not(target_arch = "bpf"), allow(dead_code))]
#![allow(unreachable_pub)] // entry points are public for the loader, not for Rust
#![expect(unsafe_code, reason = "BPF maps and contexts are raw pointers")]

mod datagrams;
mod maps;
mod skb;
mod sockets;

use aya_ebpf::macros::{cgroup_sock_addr, classifier, sock_ops};
use aya_ebpf::programs::{SockAddrContext, SockOpsContext, TcContext};

/// Frames that come in: out of their tunnels.
#[classifier]
pub fn decapsulate(context: TcContext) -> i32 {
    skb::decapsulate(&context)
}

/// Datagrams that come in: shown as their client's.
#[classifier]
pub fn datagrams_in(context: TcContext) -> i32 {
    datagrams::incoming(&context)
}

/// Datagrams that go out: answers, back to the director.
#[classifier]
pub fn datagrams_out(context: TcContext) -> i32 {
    datagrams::outgoing(&context)
}

/// Connections that begin: who is their client.
#[sock_ops]
pub fn connections(context: SockOpsContext) -> u32 {
    sockets::connections(&context);
    1
}

/// An application asks for its peer.
#[cgroup_sock_addr(getpeername4)]
pub fn peer4(context: SockAddrContext) -> i32 {
    sockets::show(&context, false);
    1
}

/// The same for a socket of IPv6.
#[cgroup_sock_addr(getpeername6)]
pub fn peer6(context: SockAddrContext) -> i32 {
    sockets::show(&context, true);
    1
}

/// The walk through the options of the header in the scratch space: a loop, verified once. 0: no client is named.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn find_client(length: u32) -> u32 {
    sockets::find_client(length).is_some() as u32
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}

/// GPL-compatible, as the helpers demand.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
