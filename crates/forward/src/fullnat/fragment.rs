//! Datagrams in pieces, by FullNAT: both addresses of all of them change, both ports of the first one.

use super::passage::{self, Passage};
use super::steer::decide;
use crate::abi::{Fragment, FragmentKey, NextHopCell, Port};
use crate::fragment::{self, Piece, give_up};
use crate::parse::{self, Parse};
use crate::{Cell32, Cell64, Counter, Frame, Next, Packet, Shared, Stop, Tables, Time, Verdict, address};
use wire::protocol;

/// The first fragment of a known flow: what becomes of it is remembered, and then it is followed itself. Or why not.
/// (Segments would need more than addresses and ports: their senders find the MTU of the way.)
#[inline(always)]
pub fn lead<A: Parse, F: Frame, T: Tables<A>>(
    frame: &F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Next, Counter> {
    let mut packet = Packet::unread();
    parse::parse::<A, F>(frame, network, &mut packet)?;
    let mut passage = Passage::undecided();
    let outcome = if packet.flow.protocol == protocol::UDP {
        decide(&packet, frame, tables, now, &mut passage)
    } else {
        Err(Counter::DropFragment.into())
    };
    let mut piece = Piece::unread();
    fragment::read::<A, F>(frame, network, &mut piece)?;
    let counter = match outcome {
        Ok(()) => {
            remember(&piece.key, &packet, &passage, tables, now);
            return Ok(Next::Follow);
        }
        Err(Stop::New) => return Ok(Next::Admit),
        Err(Stop::FullNat) => Counter::DropContended,
        Err(Stop::Because(counter)) => counter,
    };
    give_up(&piece.key, counter, tables, now);
    Err(counter)
}

/// The way that a first fragment goes.
#[inline(always)]
fn remember<A: Parse, T: Tables<A>>(
    key: &FragmentKey<A>,
    packet: &Packet<A>,
    passage: &Passage<A>,
    tables: &T,
    now: Time,
) {
    let to_client = passage.counter == Counter::ForwardOut;
    let (way, address) = if to_client {
        (Fragment::TO_CLIENT_BY_FULL_NAT, passage.back.source)
    } else {
        (Fragment::TO_SERVER_BY_FULL_NAT, passage.back.destination)
    };
    let server = tables.connection(&packet.flow).map_or(0, |connection| connection.server.get());
    let [low, high] = address.words();
    let first = Fragment {
        hop: NextHopCell::new(passage.hop),
        address: [Cell64::new(low), Cell64::new(high)],
        server: Cell32::new(server),
        port: Cell32::new(passage.back.destination_port.0 as u32 | (passage.back.source_port.0 as u32) << 16),
        mtu: Cell32::new(passage.mtu),
        way: Cell32::new(way),
        seen: Cell32::new(now.tick()),
        ..Fragment::default()
    };
    tables.remember_fragment(key, &first);
}

/// The verdict for a fragment whose first was led, rewritten; `packet` was read where it is the first itself.
#[inline(always)]
pub fn follow<A: Parse, F: Frame, T: Shared>(
    frame: &mut F,
    network: usize,
    (packet, piece): (&Packet<A>, &Piece<A>),
    first: &Fragment,
    tables: &T,
) -> Verdict {
    const INCONSISTENT: Verdict = Verdict::because(Counter::DropInconsistent);
    let Some(server) = tables.server(first.server.get()) else { return INCONSISTENT };
    let kept = address::load::<A>(&first.address);
    let (counter, source, destination) = if first.way.get() == Fragment::TO_CLIENT_BY_FULL_NAT {
        let Some(locals) = tables.locals(server.service.get()) else { return INCONSISTENT };
        (Counter::ForwardOut, address::load::<A>(&locals.address), kept)
    } else {
        (Counter::ForwardIn, kept, address::load::<A>(&server.address))
    };
    let (hop, mtu) = (first.hop.get(), first.mtu.get());
    if piece.offset != 0 {
        let ends = (Some(source), Some(destination));
        return fragment::depart(frame, network, piece, (counter, hop, mtu), hop.index() == 0, ends);
    }
    let ports = first.port.get();
    let mut passage = Passage::undecided();
    (passage.counter, passage.hop, passage.mtu) = (counter, hop, mtu);
    (passage.back.source, passage.back.destination) = (destination, source);
    (passage.back.source_port, passage.back.destination_port) = (Port((ports >> 16) as u16), Port(ports as u16));
    passage::depart(frame, packet, &passage)
}
