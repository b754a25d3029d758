//! What a real server does with packets of its directors: takes them out of tunnels, and believes whom they name as
//! the client. Run by programs of their own; the director knows nothing of them.

pub mod abi;
pub mod decapsulate;
#[cfg(any(test, feature = "host"))]
pub mod host;
pub mod rewrite;
pub mod toa;
pub mod uoa;

pub use abi::{Client, Reception};
pub use decapsulate::{Outcome, Strip};

use wire::number::Bytes16;
use wire::{Be16, Be32, Header};

/// Bytes that headers are read from.
pub trait Bytes {
    /// The header of type `H` at `offset`, if there are so many bytes.
    fn read<H: Header>(&self, offset: usize) -> Option<H>;
}

/// An address of either family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address {
    /// IPv4
    V4(Be32),
    /// IPv6
    V6(Bytes16),
}

/// What the server was told.
pub trait Server {
    /// True for the address of a director.
    fn trusts(&self, address: Address) -> bool;

    /// True for a virtual address of this host.
    fn serves(&self, address: Address) -> bool;

    /// UDP port of tunnels by GUE.
    fn gue_port(&self) -> Be16;

    /// Kinds of the options that name a client, IPv4 and IPv6.
    fn kinds(&self) -> [u8; 2];
}

/// Two words of an address as one.
const fn joined(first: u32, second: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}
