//! Health checks on the way of a service's clients.
//!
//! The socket of a check knows the server by the server's own address; on the link its packets go to the virtual address, as
//! those of clients do: by direct routing as they are, by tunnel inside another packet. What comes back from the
//! virtual address is shown to the socket as the server's. The two are programs of their own, on the stack's side of
//! all others: no connection is remembered, nothing is counted, and no packet of a client meets them on its way.

use crate::abi::{Address4, Address6, NextHop, Outer, Passage, Port, ServiceKey};
use crate::classify::NETWORK;
use crate::encapsulate::{self, Ends, Headers};
use crate::parse::{self, Parse};
use crate::{Action, Address, Counter, Family, Frame, Packet, Time, Verdict, address, rewrite};
use wire::{EtherType, Ethernet};

/// The checks that are under way, of one family.
pub trait Passages<A: Address> {
    /// The one that has this address and port of ours.
    fn passage(&self, key: &ServiceKey<A>) -> Option<&Passage>;
}

/// A frame that leaves this host, rewritten if it is a check's.
#[inline(always)]
pub fn outward<F: Frame, T: Passages<Address4> + Passages<Address6>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    match family(frame) {
        Some(Family::Ipv4) => send::<Address4, F, T>(frame, tables, now),
        Some(Family::Ipv6) => send::<Address6, F, T>(frame, tables, now),
        None => NOT_OURS,
    }
}

/// A frame that comes in, rewritten if it answers a check.
#[inline(always)]
pub fn inward<F: Frame, T: Passages<Address4> + Passages<Address6>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    match family(frame) {
        Some(Family::Ipv4) => receive::<Address4, F, T>(frame, tables, now),
        Some(Family::Ipv6) => receive::<Address6, F, T>(frame, tables, now),
        None => NOT_OURS,
    }
}

const NOT_OURS: Verdict = Verdict::because(Counter::PassNotOurs);

#[inline(always)]
fn family<F: Frame>(frame: &F) -> Option<Family> {
    if frame.tag_is_aside() {
        return None;
    }
    match EtherType::parse(frame.read::<Ethernet>(0)?.ether_type) {
        EtherType::Ipv4 => Some(Family::Ipv4),
        EtherType::Ipv6 => Some(Family::Ipv6),
        EtherType::Vlan | EtherType::Unknown(_) => None,
    }
}

#[inline(always)]
fn send<A: Parse, F: Frame, T: Passages<A>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    let mut packet = Packet::unread();
    let Some(passage) = find(frame, Side::Sends, &mut packet, tables, now) else { return NOT_OURS };
    passage.sent.set(1);
    changed(forward(frame, &packet, passage))
}

/// What a check does with a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sends,
    Receives,
}

/// Reads a packet; the passage that it takes. Its end here is the check's, the other one the server's or the service's.
#[inline(always)]
fn find<'tables, A: Parse, F: Frame, T: Passages<A>>(
    frame: &F,
    side: Side,
    packet: &mut Packet<A>,
    tables: &'tables T,
    now: Time,
) -> Option<&'tables Passage> {
    parse::parse::<A, F>(frame, NETWORK, packet).ok()?;
    let flow = &packet.flow;
    let (source, destination) = ((flow.source, flow.source_port), (flow.destination, flow.destination_port));
    let ((address, port), (other, other_port)) =
        if side == Side::Sends { (source, destination) } else { (destination, source) };
    let passage = tables.passage(&ServiceKey::new(address, port, flow.protocol))?;
    let expected = if side == Side::Sends { &passage.server } else { &passage.virtual_address };
    (is_of(passage, other_port, now) && address::load::<A>(expected) == other).then_some(passage)
}

/// To the virtual address, in a tunnel if there is one; the next hop is the one that the stack has found.
#[inline(always)]
fn forward<A: Parse, F: Frame>(frame: &mut F, packet: &Packet<A>, passage: &Passage) -> Option<()> {
    let to: A = address::load(&passage.virtual_address);
    let pseudo = address::change(packet.flow.destination, to);
    rewrite::resum(frame, packet, pseudo, pseudo)?;
    A::readdress(frame, NETWORK, None, Some(to), 0)?;
    let outer = Outer(passage.outer.get());
    if outer.0 == 0 {
        return Some(());
    }
    let link = frame.read::<Ethernet>(0)?;
    let hop = NextHop { interface: 0, destination: link.destination, source: link.source };
    let headers = Headers::of(packet);
    let inside = A::inside(frame, headers)?;
    let ends = Ends { source: &passage.source, destination: &passage.server };
    encapsulate::wrap::<A, F>(frame, headers, &inside, ends, outer, || hop)
}

#[inline(always)]
fn receive<A: Parse, F: Frame, T: Passages<A>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    let mut packet = Packet::unread();
    let Some(passage) = find(frame, Side::Receives, &mut packet, tables, now) else { return NOT_OURS };
    passage.answered.set(1);
    let from: A = address::load(&passage.server);
    let pseudo = address::change(packet.flow.source, from);
    let rewritten = rewrite::resum(frame, &packet, pseudo, pseudo);
    changed(rewritten.and_then(|()| A::readdress(frame, NETWORK, Some(from), None, 0)))
}

/// True while it counts, for packets with this port at the other end.
#[inline(always)]
fn is_of(passage: &Passage, port: Port, now: Time) -> bool {
    passage.until.get() >= now.0 && passage.port.get() == port.0 as u32
}

#[inline(always)]
fn changed(done: Option<()>) -> Verdict {
    match done {
        Some(()) => Verdict { action: Action::Pass, ..Verdict::because(Counter::ForwardIn) },
        None => Verdict::because(Counter::DropRewriteFailed),
    }
}
