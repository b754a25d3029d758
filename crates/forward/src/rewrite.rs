//! Writing what was decided into the frame.

use crate::abi::{NextHop, Port};
use crate::encapsulate::Headers;
use crate::parse::Parse;
use crate::{Action, Address, Answer, Counter, Forward, Frame, Packet, Shared, Translation, Verdict, address, vlan};
use wire::{Be16, Checksum, Ethernet, Tcp, Udp, protocol};

/// Rewrites the frame as decided; one that cannot go on is dropped, or passed if the stack shall tell a server.
#[inline(always)]
pub fn depart<A: Parse, F: Frame, T: Shared>(
    frame: &mut F,
    packet: &Packet<A>,
    forward: &Forward<A>,
    tables: &T,
) -> Verdict {
    if forward.translation == Translation::Inside {
        return frame.encapsulate::<A, T>(Headers::of(packet), forward.server, tables);
    }
    let stays = stays(frame, forward);
    if !stays && packet.hops <= 1 {
        return match forward.translation {
            Translation::Source => Verdict::because(Counter::PassUnforwardable),
            _ => Verdict::telling(Counter::DropTimeToLive, Answer::TIME_EXCEEDED),
        };
    }
    if forward.mtu != 0 && packet.bytes > forward.mtu && !stays && frame.exceeds(packet.bytes, forward.mtu) {
        return too_big(frame, packet, forward);
    }
    let rewritten = endpoints(frame, packet, forward, !stays as u8);
    leave(frame, packet.network, (forward.counter, forward.hop), stays, rewritten)
}

/// The end of a rewritten packet's way: the local stack, or the link of its next hop.
#[inline(always)]
pub fn leave<F: Frame>(
    frame: &mut F,
    network: usize,
    (counter, hop): (Counter, NextHop),
    stays: bool,
    rewritten: Option<()>,
) -> Verdict {
    if rewritten.is_none() {
        return Verdict::because(Counter::DropRewriteFailed);
    }
    if stays {
        return Verdict { action: Action::Pass, ..Verdict::because(counter) };
    }
    match address_link(frame, network, hop) {
        Some(()) => Verdict::forward(counter, hop.index()),
        None => Verdict::because(Counter::DropRewriteFailed),
    }
}

/// True when the local stack gets the packet next: this host is where it goes, or where a server's packet came from, for
/// which the stack has found the way already.
#[inline(always)]
pub fn stays<A, F: Frame>(frame: &F, forward: &Forward<A>) -> bool {
    forward.hop.index() == 0 || (forward.translation == Translation::Source && frame.ingress() == 0)
}

/// A packet that does not fit. The stack fragments what may be fragmented, and would send it untranslated: only what it
/// must refuse may come to it.
#[inline(always)]
fn too_big<A: Parse, F: Frame>(frame: &F, packet: &Packet<A>, forward: &Forward<A>) -> Verdict {
    if forward.translation == Translation::Source {
        let dropped = A::may_be_fragmented(frame, packet.network);
        return Verdict::because(if dropped { Counter::DropTooBig } else { Counter::PassUnforwardable });
    }
    Verdict::telling(Counter::DropTooBig, Answer::too_big(forward.mtu))
}

/// Addresses, ports, checksums and hop count.
#[inline(always)]
fn endpoints<A: Address, F: Frame>(frame: &mut F, packet: &Packet<A>, forward: &Forward<A>, hops: u8) -> Option<()> {
    match forward.translation {
        Translation::Nothing | Translation::Inside => A::readdress(frame, packet.network, None, None, hops),
        Translation::Destination => {
            let old = (packet.flow.destination, packet.flow.destination_port);
            translate(frame, packet, old, (forward.address, forward.port))?;
            frame.write(packet.transport + DESTINATION_PORT, Be16::from_bits(forward.port.0))?;
            A::readdress(frame, packet.network, None, Some(forward.address), hops)
        }
        Translation::Source => {
            let old = (packet.flow.source, packet.flow.source_port);
            translate(frame, packet, old, (forward.address, forward.port))?;
            frame.write(packet.transport + SOURCE_PORT, Be16::from_bits(forward.port.0))?;
            A::readdress(frame, packet.network, Some(forward.address), None, hops)
        }
    }
}

/// Link-layer addresses of the next hop, and its VLAN's tag in place of the one the frame came with.
#[inline(always)]
pub fn address_link<F: Frame>(frame: &mut F, network: usize, hop: NextHop) -> Option<()> {
    if network != Ethernet::LENGTH || hop.vlan() != 0 {
        vlan::retag(frame, network, hop.vlan())?;
    }
    let ether_type = frame.read::<Ethernet>(0)?.ether_type;
    frame.write(0, Ethernet { destination: hop.destination, source: hop.source, ether_type })
}

/// Where TCP and UDP both keep their ports.
pub(crate) const SOURCE_PORT: usize = core::mem::offset_of!(Tcp, source);
pub(crate) const DESTINATION_PORT: usize = core::mem::offset_of!(Tcp, destination);
const _: () = assert!(SOURCE_PORT == core::mem::offset_of!(Udp, source));
const _: () = assert!(DESTINATION_PORT == core::mem::offset_of!(Udp, destination));

/// Makes the transport checksum good for an endpoint that changes from `old` to `new`.
#[inline(always)]
fn translate<A: Address, F: Frame>(frame: &mut F, packet: &Packet<A>, old: (A, Port), new: (A, Port)) -> Option<()> {
    let pseudo = address::change(old.0, new.0);
    resum(frame, packet, pseudo.remove16(old.1.0).add16(new.1.0), pseudo)
}

/// Makes the transport checksum good for what changed: `delta`, of which `pseudo` is the pseudo-header's part.
#[inline(always)]
pub fn resum<A, F: Frame>(frame: &mut F, packet: &Packet<A>, delta: Checksum, pseudo: Checksum) -> Option<()> {
    if packet.flow.protocol == protocol::TCP {
        frame.adjust_checksum(packet.transport + core::mem::offset_of!(Tcp, checksum), delta, pseudo, false)
    } else {
        let offset = packet.transport + core::mem::offset_of!(Udp, checksum);
        if frame.read::<Be16>(offset)?.bits() == 0 {
            return Some(());
        }
        frame.adjust_checksum(offset, delta, pseudo, true)
    }
}

/// Where this frame came from: the next hop for packets to its sender.
#[inline(always)]
pub fn way_back<F: Frame>(frame: &F, network: usize) -> Option<NextHop> {
    let ethernet = frame.read::<Ethernet>(0)?;
    let interface = NextHop::through(frame.ingress(), vlan::of(frame, network)?);
    Some(NextHop { interface, destination: ethernet.source, source: ethernet.destination })
}
