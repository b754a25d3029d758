//! Addresses, ports, the keys made of them, and next hops.

use crate::Cell64;
use wire::MacAddress;

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
    /// Interface to send from: its index in the lower [`INDEX_BITS`](Self::INDEX_BITS), the VLAN above; see
    /// [`through`](Self::through).
    pub interface: u32,
    /// Receiver on the link.
    pub destination: MacAddress,
    /// Sender on the link: the interface's own address.
    pub source: MacAddress,
}

impl NextHop {
    /// Bits of an interface index; larger ones cannot be used.
    pub const INDEX_BITS: u32 = 20;

    /// An interface, and the VLAN to send in; 0 for none.
    #[inline(always)]
    pub const fn through(index: u32, vlan: u16) -> u32 {
        index | (vlan as u32) << Self::INDEX_BITS
    }

    /// Index of the interface.
    #[inline(always)]
    pub const fn index(&self) -> u32 {
        self.interface & ((1 << Self::INDEX_BITS) - 1)
    }

    /// The VLAN to send in; 0 for none.
    #[inline(always)]
    pub const fn vlan(&self) -> u16 {
        (self.interface >> Self::INDEX_BITS) as u16
    }
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

    /// The first of its words, where something else is kept in its place.
    #[inline(always)]
    pub const fn first(&self) -> &Cell64 {
        &self.low
    }

    /// The second of its words.
    #[inline(always)]
    pub const fn second(&self) -> &Cell64 {
        &self.high
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
