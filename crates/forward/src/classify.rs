//! The first look at a frame: is it ours at all?

use crate::abi::{Address4, Address6};
use crate::{Address, Counter, Family, Frame, Shared};
use wire::{EtherType, Ethernet};

/// Offset of the network header: frames without a VLAN tag.
pub const NETWORK: usize = Ethernet::LENGTH;

const NOT_OURS: Counter = Counter::PassNotOurs;

/// The family of a frame that may concern a service, or the reason why it does not.
#[inline(always)]
pub fn classify<F: Frame, T: Shared>(frame: &F, tables: &T) -> Result<Family, Counter> {
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
        return Err(NOT_OURS);
    }
    addressed_to_us(frame, tables).map(|()| family)
}

#[inline(always)]
fn hashes<A: Address, F: Frame>(frame: &F) -> Result<(u16, u16), Counter> {
    let (source, destination) = A::endpoints(frame, NETWORK).ok_or(NOT_OURS)?;
    Ok((source.filter_hash(), destination.filter_hash()))
}

/// Only frames to the interface's own link-layer address are ours; a bridge floods, a capture makes promiscuous.
#[inline(always)]
fn addressed_to_us<F: Frame, T: Shared>(frame: &F, tables: &T) -> Result<(), Counter> {
    const OTHER: Counter = Counter::PassOtherReceiver;
    let index = frame.ingress();
    let interface = tables.interface(index).ok_or(OTHER)?;
    let receiver = frame.read::<Ethernet>(0).ok_or(OTHER)?.destination;
    if interface.index == index && interface.address.bits() == receiver.bits() { Ok(()) } else { Err(OTHER) }
}
