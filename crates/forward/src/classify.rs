//! The first look at a frame: is it ours at all?

use crate::abi::{Address4, Address6};
use crate::{Address, Counter, Family, Frame, Next, Shared};
use core::mem::offset_of;
use wire::number::Byte;
use wire::{EtherType, Ethernet, Ipv4, Ipv6, protocol};

/// Offset of the network header: frames without a VLAN tag.
pub const NETWORK: usize = Ethernet::LENGTH;

const NOT_OURS: Counter = Counter::PassNotOurs;

/// The family of a frame that may concern a service and who looks at it next, or the reason why it does not.
#[inline(always)]
pub fn classify<F: Frame, T: Shared>(frame: &F, tables: &T) -> Result<(Family, Next), Counter> {
    let ethernet = frame.read::<Ethernet>(0).ok_or(NOT_OURS)?;
    let family = match EtherType::parse(ethernet.ether_type) {
        EtherType::Ipv4 => Family::Ipv4,
        EtherType::Ipv6 => Family::Ipv6,
        _ => return Err(NOT_OURS),
    };
    let (source, destination) = match family {
        Family::Ipv4 => hashes::<Address4, F>(frame)?,
        Family::Ipv6 => hashes::<Address6, F>(frame)?,
    };
    let filter = tables.filter().ok_or(NOT_OURS)?;
    if !filter.may_contain(destination) && !filter.may_contain(source) {
        return if is_icmp(frame, family) { Ok((family, Next::Relate)) } else { Err(NOT_OURS) };
    }
    addressed_to_us(frame, tables).map(|()| (family, Next::Steer))
}

/// A router on the way to a server may tell the client about a packet, and neither address is in the filter.
#[inline(always)]
fn is_icmp<F: Frame>(frame: &F, family: Family) -> bool {
    let (offset, number) = match family {
        Family::Ipv4 => (NETWORK + offset_of!(Ipv4, protocol), protocol::ICMP),
        Family::Ipv6 => (NETWORK + offset_of!(Ipv6, next_header), protocol::ICMPV6),
    };
    frame.read::<Byte>(offset).is_some_and(|byte| byte.0 == number)
}

#[inline(always)]
fn hashes<A: Address, F: Frame>(frame: &F) -> Result<(u16, u16), Counter> {
    let (source, destination) = A::endpoints(frame, NETWORK).ok_or(NOT_OURS)?;
    Ok((source.filter_hash(), destination.filter_hash()))
}

/// Only frames to the interface's own link-layer address are ours; a bridge floods, a capture makes promiscuous.
#[inline(always)]
pub fn addressed_to_us<F: Frame, T: Shared>(frame: &F, tables: &T) -> Result<(), Counter> {
    const OTHER: Counter = Counter::PassOtherReceiver;
    let index = frame.ingress();
    let interface = tables.interface(index).ok_or(OTHER)?;
    let receiver = frame.read::<Ethernet>(0).ok_or(OTHER)?.destination;
    if interface.index == index && interface.address.bits() == receiver.bits() { Ok(()) } else { Err(OTHER) }
}
