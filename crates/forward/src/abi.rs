//! The layouts of the maps: what the BPF programs, the daemon and the host twins share, byte for byte.
//!
//! Keys and next hops are aligned to eight although their fields would not ask for it: they are built on the BPF stack,
//! where the compiler joins neighbouring fields into one store that the verifier wants aligned.
//!
//! Addresses and ports stand in network byte order inside native words (`bits` of `wire`), so that a key is
//! built from a packet by plain loads. Whatever changes a layout changes [`SCHEMA`], which is part of the
//! pin path: a daemon never opens a map of another shape.

use crate::{Cell32, Cell64};
use wire::MacAddress;

/// Version of every layout in this file; the pin directory of the maps is `v<SCHEMA>`.
pub const SCHEMA: u32 = 1;

/// Most servers one service can schedule over (lists are scanned by a loop of constant bound).
pub const MAX_SERVERS_PER_SERVICE: u32 = 1024;
/// Default size of the real-server table; an id is an index into it.
pub const MAX_SERVERS: u32 = 65_536;
/// Default number of services.
pub const MAX_SERVICES: u32 = 16_384;
/// Slots for lists and hash tables of the schedulers, shared by all services.
pub const MAX_SCHEDULE_SLOTS: u32 = 4_194_304;
/// Slots of the interface table: an interface stands at `ifindex % INTERFACE_SLOTS`.
pub const INTERFACE_SLOTS: u32 = 4096;
/// Bits of the prefilter.
pub const FILTER_BITS: u32 = 65_536;
/// Default number of connection entries per family (NAT uses two per connection).
pub const DEFAULT_CONNECTIONS: u32 = 1_048_576;
/// No server: an empty slot of a hash table, or the result of a scheduler that found none. Server id 0 is never used.
pub const NO_SERVER: u32 = 0;

/// An IPv4 address in network order (`wire::Be32::bits`).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Address4(pub u32);

/// An IPv6 address in network order (`wire::number::Bytes16::bits`).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Address6(pub [u64; 2]);

/// A TCP or UDP port in network order (`wire::Be16::bits`).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Port(pub u16);

impl Port {
    /// From a number in host order.
    #[inline(always)]
    pub const fn new(number: u16) -> Self {
        Self(number.to_be())
    }

    /// The number in host order.
    #[inline(always)]
    pub const fn get(self) -> u16 {
        u16::from_be(self.0)
    }
}

/// One direction of a flow as its packets show it. 16 bytes for IPv4, 40 for IPv6.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FlowKey<A> {
    /// Source address of the packets.
    pub source: A,
    /// Destination address of the packets.
    pub destination: A,
    /// Source port.
    pub source_port: Port,
    /// Destination port.
    pub destination_port: Port,
    /// `wire::protocol`.
    pub protocol: u8,
    /// [`FlowKey::FLOW`]; other kinds keep templates apart from flows.
    pub kind: u8,
    /// Zero.
    pub reserved: u16,
}

impl<A> FlowKey<A> {
    /// A flow of packets, in either direction.
    pub const FLOW: u8 = 0;
}

/// What fills a service key of a family up to a multiple of eight.
pub trait KeyTail {
    /// Its type.
    type Tail: Copy + PartialEq + Eq + core::hash::Hash + core::fmt::Debug + Default;
    /// Zeroes.
    const TAIL: Self::Tail;
}

impl KeyTail for Address4 {
    type Tail = [u32; 2];
    const TAIL: Self::Tail = [0; 2];
}

impl KeyTail for Address6 {
    type Tail = u32;
    const TAIL: Self::Tail = 0;
}

/// Where to find a service. 16 bytes for IPv4, 24 for IPv6.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ServiceKey<A: KeyTail> {
    /// Virtual address.
    pub address: A,
    /// Virtual port.
    pub port: Port,
    /// `wire::protocol`.
    pub protocol: u8,
    /// Zero.
    pub reserved: u8,
    /// Zero: without it the key would end in padding.
    pub reserved_tail: A::Tail,
}

impl<A: KeyTail> ServiceKey<A> {
    /// The key of a service.
    #[inline(always)]
    pub const fn new(address: A, port: Port, protocol: u8) -> Self {
        Self { address, port, protocol, reserved: 0, reserved_tail: A::TAIL }
    }
}

/// How to reach the next hop of a packet. 16 bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct NextHop {
    /// Interface to send from.
    pub interface: u32,
    /// Receiver on the link.
    pub destination: MacAddress,
    /// Sender on the link: the interface's own address.
    pub source: MacAddress,
}

/// [`NextHop`] in shared words: `{interface, destination[0..4]}`, `{destination[4..6], source}`.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct NextHopCell {
    low: Cell64,
    high: Cell64,
}

impl NextHopCell {
    /// A cell that holds `hop`.
    #[inline(always)]
    pub const fn new(hop: NextHop) -> Self {
        let (low, high) = Self::words(hop);
        Self { low: Cell64::new(low), high: Cell64::new(high) }
    }

    const fn words(hop: NextHop) -> (u64, u64) {
        let destination = hop.destination.bits();
        let low = hop.interface as u64 | destination << 32;
        let high = (destination >> 32) | hop.source.bits() << 16;
        (low, high)
    }

    /// The next hop now.
    #[inline(always)]
    pub fn get(&self) -> NextHop {
        let (low, high) = (self.low.get(), self.high.get());
        NextHop {
            interface: low as u32,
            destination: MacAddress::from_bits(low >> 32 | (high & 0xffff) << 32),
            source: MacAddress::from_bits(high >> 16),
        }
    }

    /// Replaces it. Two stores: a reader in between sees one half of each, for the length of one store.
    #[inline(always)]
    pub fn set(&self, hop: NextHop) {
        self.set_with(hop, |cell, word| cell.set(word));
    }

    /// Replaces it by the given kind of store.
    #[inline(always)]
    pub fn set_with(&self, hop: NextHop, store: impl Fn(&Cell64, u64)) {
        let (low, high) = Self::words(hop);
        store(&self.low, low);
        store(&self.high, high);
    }
}

/// A connection, or the reply direction of one. 64 bytes: one cache line.
///
/// NAT keeps two: the *primary* under the client's flow and the *reply* under the server's. The reply
/// carries its whole rewrite, so that a steady reply needs one lookup.
#[repr(C, align(8))]
#[derive(Debug, Default, Clone)]
pub struct Connection {
    /// [`crate::connection::StateWord`].
    pub state: Cell64,
    /// Tick of the last packet ([`crate::Time::tick`]).
    pub last_seen: Cell32,
    /// Real server: index into the table of [`RealServer`]s.
    pub server: Cell32,
    /// [`Service::id`].
    pub service: Cell32,
    /// Zero; the control link of persistence will stand here.
    pub reserved: Cell32,
    /// Reply: towards the client, learnt from the client's own frame. Primary: unused, the server knows its own.
    pub hop: NextHopCell,
    /// Reply: the virtual address to show as source (IPv4 in the first word).
    pub address: [Cell64; 2],
    /// Reply: the virtual port.
    pub port: Cell32,
    /// Zero.
    pub reserved_tail: Cell32,
}

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
    /// First slot of the hash table (sh, mh).
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
    /// Zero.
    pub reserved: Cell32,
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
}

/// Forwarding methods as numbers in [`RealServer::port_and_method`].
#[repr(u16)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// `-m`
    Nat = 1,
    /// `-g`
    DirectRouting = 2,
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
    /// Zero.
    pub reserved: Cell32,
}

/// Packets and bytes of one server, per CPU, by server id. 40 bytes. Bytes count from the IP header on, as IPVS counts.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Connections created.
    pub connections: u64,
    /// Packets towards the server.
    pub in_packets: u64,
    /// Bytes towards the server.
    pub in_bytes: u64,
    /// Packets from the server (NAT).
    pub out_packets: u64,
    /// Bytes from the server (NAT).
    pub out_bytes: u64,
}

impl Statistics {
    /// Counts one packet.
    #[inline(always)]
    pub fn add_packet(&mut self, direction: crate::tcp_state::Direction, bytes: u32) {
        if direction == crate::tcp_state::Direction::Output {
            self.out_packets += 1;
            self.out_bytes += bytes as u64;
        } else {
            self.in_packets += 1;
            self.in_bytes += bytes as u64;
        }
    }
}

/// An interface the programs are attached to, at `ifindex % INTERFACE_SLOTS`. 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// The whole index, to tell it from others that share the slot. 0: the slot is free.
    pub index: u32,
    /// Its link-layer address; frames to other unicast addresses are not ours.
    pub address: MacAddress,
    /// Zero.
    pub reserved: u16,
    /// Zero.
    pub reserved_tail: u32,
}

/// Settings of the forwarding path, replaced field by field. Time-outs are in ticks.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Settings {
    /// By [`crate::TcpState`].
    pub tcp_timeouts: [Cell32; 16],
    /// UDP.
    pub udp_timeout: Cell32,
    /// [`Settings::EXPIRE_NODEST`] and others.
    pub flags: Cell32,
    /// Zero.
    pub reserved: [Cell32; 2],
}

impl Settings {
    /// sysctl expire_nodest_conn.
    pub const EXPIRE_NODEST: u32 = 1;
    /// sysctl conn_reuse_mode, bit 1 (default on).
    pub const REUSE_CLOSED: u32 = 2;
    /// sysctl conn_reuse_mode, bit 2.
    pub const REUSE_FIN_WAIT: u32 = 4;
    /// sysctl sloppy_tcp.
    pub const SLOPPY_TCP: u32 = 8;
}

const _: () = {
    assert!(size_of::<FlowKey<Address4>>() == 16 && size_of::<FlowKey<Address6>>() == 40);
    assert!(size_of::<ServiceKey<Address4>>() == 16 && size_of::<ServiceKey<Address6>>() == 24);
    assert!(size_of::<NextHop>() == 16 && size_of::<NextHopCell>() == 16);
    assert!(size_of::<Connection>() == 64);
    assert!(size_of::<Service>() == 32);
    assert!(size_of::<RealServer>() == 64);
    assert!(size_of::<Load>() == 16);
    assert!(size_of::<Statistics>() == 40);
    assert!(size_of::<Interface>() == 16);
    assert!(size_of::<Settings>() == 80);
};
