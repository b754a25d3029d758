//! The BPF programs: entry points and nothing else. What they do stands in `forward`; what they call, in `functions`.
//!
//! A packet goes entry → steer{4,6} → establish{4,6} by tail calls, each step only when the one before had no verdict;
//! ICMP goes to relate{4,6}, from there to unwrap{4,6} where it may concern a tunnel, and to invite{4,6} where errors may
//! begin flows. FullNAT has fullnat{4,6} for
//! known flows, bind{4,6} behind establish{4,6}, and relate_fullnat{4,6}.
//! Fragments go to lead{4,6}, of FullNAT on to lead_fullnat{4,6}, if they are the first of a datagram (by admit{4,6}, of
//! FullNAT by bind{4,6} too, and back where they begin a flow), then to
//! follow{4,6}, and to hold{4,6} where the first one is not there.
//! Every step is there twice, once a lane: XDP, and tc with a `tc_` before the name.
//! `expire{4,6}` and `explain` are run by the daemon through BPF_PROG_TEST_RUN and never attached.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(core_intrinsics))]
#![cfg_attr(target_arch = "bpf", allow(internal_features))]
#![cfg_attr(not(target_arch = "bpf"), allow(dead_code))]
#![allow(unreachable_pub)] // entry points are public for the loader, not for Rust
#![expect(unsafe_code, reason = "BPF maps and contexts are raw pointers")]

mod atomic;
mod bytes;
mod capture;
mod functions;
mod hold;
mod lane;
mod maps;
mod skb;
mod tables;
mod xdp;

use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use forward::abi::{Address4, Address6, FlowKey};
use forward::classify::NETWORK;
use forward::expire;
use skb::SkbFrame;
use tables::LIVE;
use xdp::XdpFrame;

/// The programs of one lane, each one line: what they do stands in [`lane`].
macro_rules! lane {
    (
        #[$kind:meta] $frame:ident($context:ident) -> $action:ty:
        $entry:ident, $steer4:ident, $steer6:ident, $steer4_tagged:ident, $steer6_tagged:ident, $establish4:ident, $establish6:ident,
        $relate4:ident, $relate6:ident, $invite4:ident, $invite6:ident, $fullnat4:ident, $fullnat6:ident, $bind4:ident,
        $bind6:ident, $relate_fullnat4:ident, $relate_fullnat6:ident, $lead4:ident, $lead6:ident, $follow4:ident, $follow6:ident,
        $admit4:ident, $admit6:ident, $hold4:ident, $hold6:ident, $unwrap4:ident, $unwrap6:ident, $lead_fullnat4:ident, $lead_fullnat6:ident, $explain:ident
    ) => {
        #[$kind]
        pub fn $entry(context: $context) -> $action {
            lane::entry($frame(context))
        }
        #[$kind]
        pub fn $steer4(context: $context) -> $action {
            lane::steer::<Address4, _>($frame(context), false)
        }
        #[$kind]
        pub fn $steer6(context: $context) -> $action {
            lane::steer::<Address6, _>($frame(context), false)
        }
        #[$kind]
        pub fn $steer4_tagged(context: $context) -> $action {
            lane::steer::<Address4, _>($frame(context), true)
        }
        #[$kind]
        pub fn $steer6_tagged(context: $context) -> $action {
            lane::steer::<Address6, _>($frame(context), true)
        }
        #[$kind]
        pub fn $establish4(context: $context) -> $action {
            lane::establish::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $establish6(context: $context) -> $action {
            lane::establish::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $relate4(context: $context) -> $action {
            lane::relate::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $relate6(context: $context) -> $action {
            lane::relate::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $invite4(context: $context) -> $action {
            lane::invite::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $invite6(context: $context) -> $action {
            lane::invite::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $fullnat4(context: $context) -> $action {
            lane::full_nat::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $fullnat6(context: $context) -> $action {
            lane::full_nat::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $bind4(context: $context) -> $action {
            lane::bind::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $bind6(context: $context) -> $action {
            lane::bind::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $relate_fullnat4(context: $context) -> $action {
            lane::relate_full_nat::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $relate_fullnat6(context: $context) -> $action {
            lane::relate_full_nat::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $lead4(context: $context) -> $action {
            lane::lead::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $lead6(context: $context) -> $action {
            lane::lead::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $follow4(context: $context) -> $action {
            lane::follow_first::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $follow6(context: $context) -> $action {
            lane::follow_first::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $admit4(context: $context) -> $action {
            lane::admit::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $admit6(context: $context) -> $action {
            lane::admit::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $hold4(context: $context) -> $action {
            lane::hold::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $hold6(context: $context) -> $action {
            lane::hold::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $unwrap4(context: $context) -> $action {
            lane::unwrap::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $unwrap6(context: $context) -> $action {
            lane::unwrap::<Address6, _>($frame(context))
        }
        #[$kind]
        pub fn $lead_fullnat4(context: $context) -> $action {
            lane::lead_full_nat::<Address4, _>($frame(context))
        }
        #[$kind]
        pub fn $lead_fullnat6(context: $context) -> $action {
            lane::lead_full_nat::<Address6, _>($frame(context))
        }
        #[$kind]
        #[inline(always)] // it is large, and a call to it would be a frame more on a stack that has few
        pub fn $explain(context: $context) -> $action {
            lane::explain($frame(context))
        }
    };
}

lane!(#[xdp(frags)] XdpFrame(XdpContext) -> u32:
    entry, steer4, steer6, steer4_tagged, steer6_tagged, establish4, establish6, relate4, relate6, invite4, invite6,
    fullnat4, fullnat6, bind4, bind6, relate_fullnat4, relate_fullnat6,
    lead4, lead6, follow4, follow6, admit4, admit6, hold4, hold6, unwrap4, unwrap6, lead_fullnat4, lead_fullnat6, explain);
lane!(#[classifier] SkbFrame(TcContext) -> i32:
    tc_entry, tc_steer4, tc_steer6, tc_steer4_tagged, tc_steer6_tagged, tc_establish4, tc_establish6, tc_relate4, tc_relate6, tc_invite4,
    tc_invite6, tc_fullnat4, tc_fullnat6, tc_bind4, tc_bind6, tc_relate_fullnat4, tc_relate_fullnat6, tc_lead4, tc_lead6, tc_follow4,
    tc_follow6, tc_admit4, tc_admit6, tc_hold4, tc_hold6, tc_unwrap4, tc_unwrap6, tc_lead_fullnat4, tc_lead_fullnat6, tc_explain);

/// Frames that leave by an interface: answers of servers on this host, and on `lo` its own connections.
#[classifier]
pub fn tc_exit(context: TcContext) -> i32 {
    lane::exit(SkbFrame(context))
}

/// Frames that leave by an interface: those of checks take the way of clients.
#[classifier]
pub fn tc_check_out(context: TcContext) -> i32 {
    lane::check_out(SkbFrame(context))
}

/// Frames that come in: answers to such checks.
#[classifier]
pub fn tc_check_in(context: TcContext) -> i32 {
    lane::check_in(SkbFrame(context))
}

macro_rules! expiry {
    ($address:ty, $expire:ident) => {
        /// Retires and removes entries; the frame holds keys behind an Ethernet header's length. Returns how many were removed.
        #[xdp(frags)]
        pub fn $expire(context: XdpContext) -> u32 {
            let frame = XdpFrame(context);
            let (mut removed, now) = (0, lane::now());
            let mut offset = NETWORK;
            for _ in 0..64 {
                let Some(key) = frame.bytes().key::<FlowKey<$address>>(offset) else { break };
                removed += (expire::expire(&key, &LIVE, now) == expire::Outcome::Removed) as u32;
                offset += size_of::<FlowKey<$address>>();
            }
            removed
        }
    };
}

expiry!(Address4, expire4);
expiry!(Address6, expire6);

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
