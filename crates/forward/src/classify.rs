//! The first look at a frame: is it ours at all?

use crate::abi::{Address4, Address6};
use crate::parse::Parse;
use crate::{Counter, Family, Frame, Next, Shared, vlan};
use core::mem::offset_of;
use wire::number::Byte;
use wire::{EtherType, Ethernet, Ipv4, Ipv6, Vlan};

/// Offset of the network header in frames without a VLAN tag.
pub const NETWORK: usize = Ethernet::LENGTH;

const NOT_OURS: Counter = Counter::PassNotOurs;

/// What the first look at a frame found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lead {
    /// Its family.
    pub family: Family,
    /// Who looks at it next.
    pub next: Next,
    /// It has a VLAN tag: its network header is at [`vlan::NETWORK`].
    pub tagged: bool,
}

impl Lead {
    /// Offset of the network header.
    #[inline(always)]
    pub const fn network(&self) -> usize {
        if self.tagged { vlan::NETWORK } else { NETWORK }
    }
}

/// Where a frame that may concern a service goes, or the reason why it does not.
#[inline(always)]
pub fn classify<F: Frame, T: Shared>(frame: &F, tables: &T) -> Result<Lead, Counter> {
    let ethernet = frame.read::<Ethernet>(0).ok_or(NOT_OURS)?;
    if frame.tag_is_aside() {
        return Err(NOT_OURS);
    }
    match EtherType::parse(ethernet.ether_type) {
        EtherType::Ipv4 => lead::<Address4, F, T>(frame, tables, false),
        EtherType::Ipv6 => lead::<Address6, F, T>(frame, tables, false),
        EtherType::Vlan => classify_tagged(frame, tables),
        EtherType::Unknown(_) => Err(NOT_OURS),
    }
}

#[inline(always)]
fn classify_tagged<F: Frame, T: Shared>(frame: &F, tables: &T) -> Result<Lead, Counter> {
    let tag = frame.read::<Vlan>(Ethernet::LENGTH).ok_or(NOT_OURS)?;
    match EtherType::parse(tag.ether_type) {
        EtherType::Ipv4 => lead::<Address4, F, T>(frame, tables, true),
        EtherType::Ipv6 => lead::<Address6, F, T>(frame, tables, true),
        EtherType::Vlan | EtherType::Unknown(_) => Err(NOT_OURS),
    }
}

/// By the addresses of the packet.
#[inline(always)]
fn lead<A: Parse, F: Frame, T: Shared>(frame: &F, tables: &T, tagged: bool) -> Result<Lead, Counter> {
    let mut lead = Lead { family: A::FAMILY, next: Next::Steer, tagged };
    let (source, destination) = A::endpoints(frame, lead.network()).ok_or(NOT_OURS)?;
    let filter = tables.filter().ok_or(NOT_OURS)?;
    if filter.may_contain(destination.filter_hash()) || filter.may_contain(source.filter_hash()) {
        return addressed_to_us(frame, tables).map(|()| lead);
    }
    lead.next = Next::Relate;
    if is_icmp::<A, F>(frame, lead.network()) { Ok(lead) } else { Err(NOT_OURS) }
}

/// A router on the way to a server may tell the client about a packet, and neither address is in the filter.
#[inline(always)]
fn is_icmp<A: Parse, F: Frame>(frame: &F, network: usize) -> bool {
    let offset = match A::FAMILY {
        Family::Ipv4 => offset_of!(Ipv4, protocol),
        Family::Ipv6 => offset_of!(Ipv6, next_header),
    };
    frame.read::<Byte>(network + offset).is_some_and(|byte| byte.0 == A::ICMP)
}

/// Only frames to the interface's own link-layer address are ours, and those that this host sends itself; a bridge
/// floods, a capture makes promiscuous.
#[inline(always)]
pub fn addressed_to_us<F: Frame, T: Shared>(frame: &F, tables: &T) -> Result<(), Counter> {
    const OTHER: Counter = Counter::PassOtherReceiver;
    let index = frame.ingress();
    if index == 0 {
        return Ok(());
    }
    let interface = tables.interface(index).ok_or(OTHER)?;
    let receiver = frame.read::<Ethernet>(0).ok_or(OTHER)?.destination;
    if interface.index == index && interface.address.bits() == receiver.bits() { Ok(()) } else { Err(OTHER) }
}
