//! The BPF programs: entry points and nothing else. What they do stands in `forward`.
//!
//! A packet goes entry → steer{4,6} → establish{4,6} by tail calls, each step only when the one before had no verdict.
//! `expire{4,6}` and `explain` are run by the daemon through BPF_PROG_TEST_RUN and never attached.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(core_intrinsics))]
#![cfg_attr(target_arch = "bpf", allow(internal_features))]
#![cfg_attr(not(target_arch = "bpf"), allow(dead_code))]
#![allow(unreachable_pub)] // entry points are public for the loader, not for Rust
#![expect(unsafe_code, reason = "BPF maps and contexts are raw pointers")]

mod atomic;
mod frame;
mod maps;
mod tables;

use aya_ebpf::{bindings::xdp_md, helpers::generated::bpf_ktime_get_coarse_ns, macros::xdp, programs::XdpContext};
use forward::abi::{Address4, Address6, FlowKey, Service};
use forward::classify::{self, NETWORK};
use forward::{Counter, Family, Time, Verdict, decide, establish, expire, parse, schedule, steer};
use frame::XdpFrame;
use maps::{JUMP_ESTABLISH4, JUMP_ESTABLISH6, JUMP_STEER4, JUMP_STEER6};
use tables::{LIVE, REHEARSAL};

/// Every frame of an attached interface begins here.
#[xdp(frags)]
pub fn entry(context: XdpContext) -> u32 {
    match classify::classify(&XdpFrame(context.ctx), &LIVE) {
        Ok(Family::Ipv4) => jump(&context, JUMP_STEER4),
        Ok(Family::Ipv6) => jump(&context, JUMP_STEER6),
        Err(counter) => frame::action(context.ctx, decide::conclude(Verdict::because(counter), &LIVE)),
    }
}

macro_rules! family {
    ($address:ty, $steer:ident, $establish:ident, $expire:ident, $next:ident) => {
        /// Known flows of one family.
        #[xdp(frags)]
        pub fn $steer(context: XdpContext) -> u32 {
            let mut frame = XdpFrame(context.ctx);
            match steer::steer::<$address, _, _>(&mut frame, NETWORK, &LIVE, now()) {
                Some(verdict) => frame::action(context.ctx, decide::conclude(verdict, &LIVE)),
                None => jump(&context, $next),
            }
        }

        /// New flows of one family.
        #[xdp(frags)]
        pub fn $establish(context: XdpContext) -> u32 {
            let mut frame = XdpFrame(context.ctx);
            let verdict = establish::establish::<$address, _, _>(&mut frame, NETWORK, &LIVE, now());
            frame::action(context.ctx, decide::conclude(verdict, &LIVE))
        }

        /// Retires and removes entries; the frame holds keys behind an Ethernet header's length. Returns how many were removed.
        #[xdp(frags)]
        pub fn $expire(context: XdpContext) -> u32 {
            let frame = XdpFrame(context.ctx);
            let mut removed = 0;
            let mut offset = NETWORK;
            for _ in 0..64 {
                let Some(key) = frame.key::<FlowKey<$address>>(offset) else { break };
                removed += (expire::expire(&key, &LIVE, now()) == expire::Outcome::Removed) as u32;
                offset += size_of::<FlowKey<$address>>();
            }
            removed
        }
    };
}

family!(Address4, steer4, establish4, expire4, JUMP_ESTABLISH4);
family!(Address6, steer6, establish6, expire6, JUMP_ESTABLISH6);

/// What would become of a frame: the same steps over tables that remember nothing. The reason goes to `EXPLANATION`.
#[xdp(frags)]
pub fn explain(context: XdpContext) -> u32 {
    let verdict = decide::process(&mut XdpFrame(context.ctx), &REHEARSAL, now());
    maps::explain(verdict.counter);
    frame::action(context.ctx, verdict)
}

/// A traversal of a service's list: a loop, verified once, in a function of its own.
///
/// # Safety
/// `service` is null or points to a whole [`Service`].
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn scan_servers(service: *const Service, from: u32, minimum: u32) -> u64 {
    // SAFETY: the caller's promise; the verifier checks it again.
    match unsafe { service.as_ref() } {
        Some(service) => schedule::scan(&LIVE, service, from, minimum).word(),
        None => 0,
    }
}

/// The choice of lc and wlc: the other loop.
///
/// # Safety
/// `service` is null or points to a whole [`Service`].
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn least_connection(service: *const Service) -> u32 {
    // SAFETY: as above.
    match unsafe { service.as_ref() } {
        Some(service) => schedule::least_connection(&LIVE, service),
        None => forward::abi::NO_SERVER,
    }
}

/// The way through IPv6 extension headers: the third loop.
///
/// # Safety
/// `context` is a valid XDP context.
#[unsafe(no_mangle)]
#[inline(never)]
pub unsafe extern "C" fn walk_extensions(context: *mut xdp_md) -> u32 {
    parse::walk_extensions(&XdpFrame(context), NETWORK).word()
}

#[inline(always)]
fn now() -> Time {
    // SAFETY: a helper without arguments.
    Time(unsafe { bpf_ktime_get_coarse_ns() })
}

/// Tail-calls; a missing program (never, once loaded) is counted and drops the packet rather than passing it unrewritten.
#[inline(always)]
fn jump(context: &XdpContext, index: u32) -> u32 {
    maps::jump(context, index);
    let verdict = Verdict::because(Counter::DropInconsistent);
    frame::action(context.ctx, decide::conclude(verdict, &LIVE))
}

/// Keeps the context type in one place for the modules below.
type Context = *mut xdp_md;

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
