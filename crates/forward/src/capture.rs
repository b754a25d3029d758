//! Captures: which packets are wanted, and the layouts that programs and daemon share.
//!
//! A packet is looked at twice, as it came and as it leaves. A condition on addresses or ports holds when it holds for
//! either look, so that `host` finds a server behind NAT in both directions.

mod look;

use crate::abi::{Address6, Port};
use crate::{Frame, Verdict};
use look::{Headers, Look};
use wire::{EtherType, Ethernet, Ipv4, Ipv6, Udp, Vlan, protocol};

/// Most bytes of a frame that are kept.
pub const SNAP: usize = 16_384;
/// Most networks in one [`Wanted`].
pub const NETWORKS: usize = 4;

/// Sender and receiver of a packet. IPv4 addresses stand in `::ffff:0:0/96`; zero is what a packet does not have.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ends {
    /// Source address.
    pub source: Address6,
    /// Destination address.
    pub destination: Address6,
    /// Source port.
    pub source_port: Port,
    /// Destination port.
    pub destination_port: Port,
    /// `wire::protocol`.
    pub protocol: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// Addresses that share their first bits.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Network {
    /// The bits.
    pub address: Address6,
    /// Which of them count; zero for any address.
    pub mask: Address6,
}

/// What a capture asks for. Everything must hold; zero asks for nothing.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Coarse clock up to which the capture goes on: a daemon that is no more does not renew it.
    pub until: u64,
    /// Each is the network of the sender or of the receiver.
    pub networks: [Network; NETWORKS],
    /// Address of a service; counts when `service_port` is not zero.
    pub service: Address6,
    /// Its port.
    pub service_port: Port,
    /// Port of the sender or of the receiver.
    pub port: Port,
    /// Interface the packet came in by.
    pub interface: u32,
    /// Most packets a second and CPU.
    pub rate: u32,
    /// Protocol of IPv4 or IPv6, and another one that does as well (ICMP has two).
    pub protocols: [u8; 2],
    /// 1: packets that nobody got, only; their senders may have been told.
    pub drops: u8,
    /// 1: packets that do not concern us, too.
    pub all: u8,
}

/// What stands before the bytes of a frame in the ring.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// Monotonic clock, in nanoseconds.
    pub time: u64,
    /// Interface it came in by, or leaves by.
    pub interface: u32,
    /// Length of the frame.
    pub length: u32,
    /// Bytes of it that follow.
    pub captured: u32,
    /// [`Counter`](crate::Counter) by number.
    pub counter: u32,
    /// [`Record::ARRIVED`] or [`Record::LEAVES`].
    pub look: u32,
    /// Interface it leaves by, in both records; 0 when it does not.
    pub outlet: u32,
}

impl Record {
    /// The frame as it came.
    pub const ARRIVED: u32 = 0;
    /// The frame as it leaves.
    pub const LEAVES: u32 = 1;
}

/// Packets that are wanted and not in the ring, by why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Missed {
    /// More than [`Wanted::rate`] allows.
    Rate = 0,
    /// The ring was full: the reader is too slow.
    Full = 1,
}

const _: () = {
    assert!(size_of::<Ends>() == 40 && size_of::<Network>() == 32);
    assert!(size_of::<Wanted>() == 8 + 32 * NETWORKS + 16 + 16);
    assert!(size_of::<Record>() == 32);
};

impl Ends {
    /// Of a frame, behind up to two tags of 802.1Q. What cannot be read is zero.
    #[inline(always)]
    pub fn of<F: Frame>(frame: &F) -> Self {
        Self::read(frame).unwrap_or_default()
    }

    /// Of the bytes of a frame.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::read(&Look(bytes)).unwrap_or_default()
    }

    #[inline(always)]
    fn read<L: Headers>(frame: &L) -> Option<Self> {
        let mut network = Ethernet::LENGTH;
        let mut ether_type = EtherType::parse(frame.header::<Ethernet>(0)?.ether_type);
        if ether_type == EtherType::Vlan {
            ether_type = EtherType::parse(frame.header::<Vlan>(network)?.ether_type);
            network += size_of::<Vlan>();
        }
        if ether_type == EtherType::Vlan {
            ether_type = EtherType::parse(frame.header::<Vlan>(network)?.ether_type);
            network += size_of::<Vlan>();
        }
        let (mut ends, transport) = match ether_type {
            EtherType::Ipv4 => {
                let header = frame.header::<Ipv4>(network)?;
                let (source, destination) = (mapped(header.source.bits()), mapped(header.destination.bits()));
                let ends = Self { source, destination, protocol: header.protocol, ..Self::default() };
                if header.is_later_fragment() {
                    return Some(ends);
                }
                (ends, network + header.header_length())
            }
            EtherType::Ipv6 => {
                let header = frame.header::<Ipv6>(network)?;
                let (source, destination) = (Address6(header.source.bits()), Address6(header.destination.bits()));
                let ends = Self { source, destination, protocol: header.next_header, ..Self::default() };
                (ends, network + Ipv6::LENGTH)
            }
            _ => return None,
        };
        if matches!(ends.protocol, protocol::TCP | protocol::UDP | SCTP)
            && let Some(ports) = frame.header::<Udp>(transport)
        {
            ends.source_port = Port(ports.source.bits());
            ends.destination_port = Port(ports.destination.bits());
        }
        Some(ends)
    }

    #[inline(always)]
    fn are_in(&self, network: &Network) -> bool {
        holds(network, self.source) || holds(network, self.destination)
    }

    #[inline(always)]
    fn have(&self, port: Port) -> bool {
        self.source_port.0 == port.0 || self.destination_port.0 == port.0
    }
}

const SCTP: u8 = 132;

/// An IPv4 address among those of IPv6.
#[inline(always)]
pub const fn mapped(address: u32) -> Address6 {
    Address6([0, (0xffff_u32.to_be() as u64) | (address as u64) << 32])
}

#[inline(always)]
fn holds(network: &Network, address: Address6) -> bool {
    let ([bits, rest], [mask, mask_rest], [wanted, wanted_rest]) = (address.0, network.mask.0, network.address.0);
    (bits & mask) == wanted && (rest & mask_rest) == wanted_rest
}

impl Wanted {
    /// True as long as somebody reads.
    #[inline(always)]
    pub const fn is_current(&self, now: u64) -> bool {
        now < self.until
    }

    /// What is known when a packet arrives: saves the copy of those that cannot be wanted.
    #[inline(always)]
    pub fn may_take(&self, ingress: u32, arrived: &Ends) -> bool {
        let [protocol, other] = self.protocols;
        (self.interface == 0 || self.interface == ingress)
            && (protocol == 0 || protocol == arrived.protocol || other == arrived.protocol)
    }

    /// The decision, when the verdict is known.
    #[inline(always)]
    pub fn takes(&self, verdict: Verdict, arrived: &Ends, leaves: &Ends) -> bool {
        if (self.drops == 1 && !verdict.counter.is_drop()) || (self.all == 0 && !verdict.counter.concerns_us()) {
            return false;
        }
        let [a, b, c, d] = &self.networks;
        let found = |network: &Network| arrived.are_in(network) || leaves.are_in(network);
        let port = self.port.0 == 0 || arrived.have(self.port) || leaves.have(self.port);
        port && self.is_of_service(arrived, leaves) && found(a) && found(b) && found(c) && found(d)
    }

    /// To the service as it came, or from it as it leaves.
    #[inline(always)]
    fn is_of_service(&self, arrived: &Ends, leaves: &Ends) -> bool {
        let same = |address: Address6, port: Port| {
            let ([a, b], [c, d]) = (address.0, self.service.0);
            a == c && b == d && port.0 == self.service_port.0
        };
        self.service_port.0 == 0
            || same(arrived.destination, arrived.destination_port)
            || same(leaves.source, leaves.source_port)
    }
}

#[cfg(test)]
mod tests;
