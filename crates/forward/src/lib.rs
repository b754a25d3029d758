//! What to do with a packet: the whole forwarding path, pure.
//!
//! [`classify`](classify::classify) tells what is ours, [`steer`](steer::steer) serves known flows,
//! [`establish`](establish::establish) schedules new ones, [`relate`](relate::relate) takes errors along and [`unwrap`](unwrap::unwrap) those from tunnels, [`rewrite`](rewrite::rewrite) changes the frame, [`encapsulate`](encapsulate::encapsulate) puts it
//! into another one. The same
//! code runs in BPF programs (`ebpf`) and on the host ([`host`]), where tests, fuzzers and benches use it. Nothing
//! here allocates, panics, reads a clock or loops without a constant bound.
#![cfg_attr(not(any(test, feature = "host")), no_std)]
#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::expect_used, clippy::panic, clippy::unwrap_used))]

pub mod abi;
pub mod address;
pub mod agent;
pub mod answer;
pub mod capture;
#[cfg(any(test, feature = "host"))]
#[path = "../cases/mod.rs"]
#[expect(clippy::indexing_slicing, reason = "cases are data with known lengths")]
pub mod cases;
pub mod cell;
pub mod classify;
pub mod connection;
pub mod decide;
pub mod encapsulate;
pub mod establish;
pub mod expire;
pub mod filter;
pub mod fragment;
pub mod frame;
pub mod fullnat;
#[cfg(any(test, feature = "host"))]
pub mod host;
pub mod linear;
pub mod pace;
pub mod parse;
pub mod passage;
pub mod relate;
pub mod rewrite;
pub mod schedule;
pub mod shift;
pub mod signal;
pub mod steer;
pub mod tables;
pub mod tcp_state;
pub mod time;
pub mod unwrap;
pub mod verdict;
pub mod vlan;

pub use address::Address;
pub use answer::Answer;
pub use cell::{Cell32, Cell64};
pub use frame::Frame;
pub use parse::Packet;
pub use tables::{InsertError, Shared, Tables};
pub use tcp_state::TcpState;
pub use time::Time;
pub use verdict::{Action, Counter, Family, Forward, Next, Stop, Translation, Verdict};
