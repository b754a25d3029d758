//! A FullNAT packet on its way out.

use super::inform::{self, Task};
use crate::abi::{FlowKey, NextHop, Port};
use crate::parse::Parse;
use crate::{Answer, Counter, Frame, Packet, Verdict, address, rewrite};
use wire::{Be32, Checksum, protocol};

/// How a packet of a FullNAT connection leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passage<A> {
    /// What to count it as.
    pub counter: Counter,
    /// To whom on the link.
    pub hop: NextHop,
    /// Largest packet that gets there; 0 when that is not known.
    pub mtu: u32,
    /// What changes in a TCP header besides its ports ([`Task::TELL`] and others).
    pub work: u32,
    /// By how much its numbers change.
    pub shift: u32,
    /// Kinds of the option that tells the client's address.
    pub kinds: u32,
    /// The flow of the packets that come back, which is this one's turned round as it leaves.
    pub back: FlowKey<A>,
}

impl<A: Parse> Passage<A> {
    /// Towards the server, nowhere yet.
    #[inline(always)]
    pub fn undecided() -> Self {
        Self {
            counter: Counter::ForwardIn,
            hop: NextHop::default(),
            mtu: 0,
            work: 0,
            shift: 0,
            kinds: 0,
            back: Packet::unread().flow,
        }
    }
}

/// Rewrites the frame as decided. Whoever sent one that cannot go on is told, the server too: the stack, for which it
/// would be a packet to this node itself, can tell nothing.
#[inline(always)]
pub(super) fn depart<A: Parse, F: Frame>(frame: &mut F, packet: &Packet<A>, passage: &Passage<A>) -> Verdict {
    let stays = passage.hop.index() == 0;
    if !stays && packet.hops <= 1 {
        return Verdict::telling(Counter::DropTimeToLive, Answer::TIME_EXCEEDED);
    }
    if !stays && passage.mtu != 0 && packet.bytes > passage.mtu && frame.exceeds(packet.bytes, passage.mtu) {
        return Verdict::telling(Counter::DropTooBig, Answer::too_big(passage.mtu));
    }
    let mut rewritten = endpoints(frame, packet, passage, !stays as u8);
    if passage.work != 0 && rewritten.is_some() {
        let client = (packet.flow.source, packet.flow.source_port);
        let task = Task { work: passage.work, shift: passage.shift, ..inform::task(packet, client, passage.kinds) };
        // A datagram's transport header is elsewhere afterwards.
        rewritten = if packet.flow.protocol == protocol::TCP { frame.inform(&task) } else { frame.name_client(&task) };
    }
    rewrite::leave(frame, packet.network, (passage.counter, passage.hop), stays, rewritten)
}

/// Addresses, ports, checksums and hop count.
#[inline(always)]
fn endpoints<A: Parse, F: Frame>(frame: &mut F, packet: &Packet<A>, passage: &Passage<A>, hops: u8) -> Option<()> {
    let back = &passage.back;
    let pseudo = address::change(packet.flow.source, back.destination)
        .join(address::change(packet.flow.destination, back.source));
    let old = ports(packet.flow.source_port, packet.flow.destination_port);
    let new = ports(back.destination_port, back.source_port);
    rewrite::resum(frame, packet, pseudo.join(Checksum::new().remove32(old).add32(new)), pseudo)?;
    frame.write(packet.transport, Be32::from_bits(new))?;
    A::readdress(frame, packet.network, Some(back.destination), Some(back.source), hops)
}

/// Both ports as they stand at the beginning of a TCP or UDP header.
#[inline(always)]
const fn ports(source: Port, destination: Port) -> u32 {
    let ([a, b], [c, d]) = (source.0.to_ne_bytes(), destination.0.to_ne_bytes());
    u32::from_ne_bytes([a, b, c, d])
}
