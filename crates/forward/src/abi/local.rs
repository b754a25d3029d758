//! The addresses and ports that FullNAT connections have towards their servers.

use crate::{Cell32, Cell64};

/// What FullNAT needs to know of a service, by service id: where its clients come to, and which local addresses and
/// ports its servers see as theirs. 128 bytes.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Locals {
    /// The virtual address (IPv4 in the first word).
    pub address: [Cell64; 2],
    /// Local addresses with their ports.
    pub ranges: [LocalRange; Self::RANGES],
    /// Places (an address with a port) in all of them. 0 while they change, and where there are none.
    pub size: Cell32,
    /// Zero.
    pub reserved: [Cell32; 3],
}

impl Locals {
    /// Ranges of one service.
    pub const RANGES: usize = 4;
}

/// Addresses in a row, each with the same ports. 24 bytes.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct LocalRange {
    /// The first address (IPv4 in the first word).
    pub first: [Cell64; 2],
    /// How many addresses; 0 where there is no range.
    pub addresses: Cell32,
    /// Low half: the first port. Upper half: how many. Both in host order.
    pub ports: Cell32,
}
