//! Services and real servers as the programs see them.

use super::NextHopCell;
use crate::{Cell32, Cell64};

/// A virtual service: its configuration, replaced as a whole. 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Service {
    /// Index of its cursor.
    pub id: u32,
    /// [`SchedulerKind`] as a number.
    pub scheduler: u8,
    /// [`Service::OWNED`] and others.
    pub flags: u8,
    /// Zero.
    pub reserved: u16,
    /// First slot of the list of server ids, newest first as in the kernel.
    pub list_start: u32,
    /// Servers in the list.
    pub list_count: u32,
    /// First slot of the hash table (sh, mh, dh).
    pub table_start: u32,
    /// Slots of the hash table; 0 for schedulers without one.
    pub table_size: u32,
    /// wrr: greatest common divisor of the weights.
    pub weight_step: u32,
    /// wrr: largest weight, less `weight_step - 1`.
    pub weight_top: u32,
}

impl Service {
    /// The virtual address is this node's to forward (SPEC of ownership: local on an interface other than lo, or `any`).
    pub const OWNED: u8 = 1;
    /// sh-port / mh-port: the client's port takes part in the hash.
    pub const HASH_PORT: u8 = 2;
    /// sh-fallback / mh-fallback: a client whose slot has no server is served from another.
    pub const HASH_FALLBACK: u8 = 4;
    /// Its servers are watched: here so that the daemon finds it again; the programs look at [`RealServer::WATCHED`].
    pub const WATCHED: u8 = 8;
}

/// Schedulers as numbers in [`Service::scheduler`].
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SchedulerKind {
    /// rr
    RoundRobin = 1,
    /// wrr
    WeightedRoundRobin = 2,
    /// lc
    LeastConnection = 3,
    /// wlc
    WeightedLeastConnection = 4,
    /// sh
    SourceHash = 5,
    /// mh
    Maglev = 6,
    /// sed
    ShortestExpectedDelay = 7,
    /// nq
    NeverQueue = 8,
    /// dh
    DestinationHash = 9,
    /// fo
    Failover = 10,
    /// ovf
    Overflow = 11,
}

/// A real server of one service. 64 bytes: one cache line.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct RealServer {
    /// [`RealServer::READY`] and its parts.
    pub flags: Cell32,
    /// [`Service::id`] it belongs to.
    pub service: Cell32,
    /// Towards the server.
    pub hop: NextHopCell,
    /// Address (IPv4 in the first word).
    pub address: [Cell64; 2],
    /// Low half: port in network order. Upper half: [`Method`] as a number.
    pub port_and_method: Cell32,
    /// Weight as configured; [`Load::weight`] is the effective one.
    pub weight: Cell32,
    /// The last configured weight that was not 0: mh builds its table from it, so that quiescing moves no flow.
    pub last_weight: Cell32,
    /// Largest packet that gets there: the MTU of the interface that it is reached by, less what a tunnel takes of it; 0
    /// when that is not known.
    pub mtu: Cell32,
}

impl RealServer {
    /// In the configuration. Cleared when the server is removed while connections still name it.
    pub const AVAILABLE: u32 = 1;
    /// Its service's virtual address is this node's to forward.
    pub const OWNED: u32 = 2;
    /// Its next hop is known, or it is local.
    pub const RESOLVED: u32 = 4;
    /// All that a packet of a known flow needs.
    pub const READY: u32 = Self::AVAILABLE | Self::OWNED | Self::RESOLVED;
    /// The address is on this host: deliver to the local stack.
    pub const LOCAL: u32 = 8;
    /// The slot is taken: configured, or removed and still named by connections.
    pub const TAKEN: u32 = 16;
    /// Its address is one of IPv6; a tunnel may lead to the other family.
    pub const IPV6: u32 = 32;
    /// What becomes of its connections is counted ([`crate::signal`]).
    pub const WATCHED: u32 = 64;
}

/// Forwarding methods as numbers in [`RealServer::port_and_method`].
#[repr(u16)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// `-m`
    Nat = 1,
    /// `-g`
    DirectRouting = 2,
    /// `-i`
    Tunnel = 3,
    /// `--fullnat`
    FullNat = 4,
}

/// What the schedulers look at, one per server, by server id. 16 bytes.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Load {
    /// Connections in an active TCP state.
    pub active: Cell32,
    /// All other connections.
    pub inactive: Cell32,
    /// Effective weight: 0 while the server is quiesced, unresolved or removed.
    pub weight: Cell32,
    /// FullNAT: the place among the local addresses and ports where the next connection begins to look.
    pub cursor: Cell32,
}
