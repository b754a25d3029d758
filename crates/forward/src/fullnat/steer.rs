//! Packets of known FullNAT flows.

use super::passage::{self, Passage};
use super::{is_primary_of, primary_key, reply_key};
use crate::abi::Connection;
use crate::connection::{self, StateWord};
use crate::parse::{self, Parse};
use crate::steer::{mtu_towards_client, take_from_client, take_from_server};
use crate::{Counter, Frame, Next, Packet, Stop, Tables, Time, Verdict};

/// The verdict for a packet of a known FullNAT flow, rewritten; or who looks at it next.
#[inline(always)]
pub fn steer<A: Parse, F: Frame, T: Tables<A>>(
    frame: &mut F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Verdict, Next> {
    let mut packet = Packet::unread();
    if let Err(counter) = parse::parse::<A, F>(frame, network, &mut packet) {
        return Ok(Verdict::because(counter));
    }
    let mut passage = Passage::undecided();
    match decide(&packet, frame, tables, now, &mut passage) {
        Ok(()) => Ok(passage::depart(frame, &packet, &passage)),
        Err(Stop::New) => Err(Next::Establish),
        // The entry has become another's while this packet was on its way here.
        Err(Stop::FullNat) => Ok(Verdict::because(Counter::DropContended)),
        Err(Stop::Because(counter)) => Ok(Verdict::because(counter)),
    }
}

/// The server of a known FullNAT flow, for somebody who only wants to know.
#[inline(always)]
pub fn server_of<A: Parse, F: Frame, T: Tables<A>>(frame: &F, network: usize, tables: &T) -> Option<u32> {
    let mut packet = Packet::unread();
    parse::parse::<A, F>(frame, network, &mut packet).ok()?;
    tables.connection(&packet.flow).map(|connection| connection.server.get())
}

#[inline(always)]
fn decide<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    frame: &F,
    tables: &T,
    now: Time,
    passage: &mut Passage<A>,
) -> Result<(), Stop> {
    let connection = tables.connection(&packet.flow).ok_or(Stop::New)?;
    let word = StateWord(connection.state.get());
    if !word.is_live() {
        return Err(Stop::New);
    }
    if !word.has(StateWord::FULL_NAT) {
        return Err(Stop::FullNat);
    }
    if word.has(StateWord::REPLY) {
        return from_server(packet, connection, word, frame, tables, now, passage);
    }
    if connection::is_stale(tables, connection, packet, now) {
        return Err(Stop::New);
    }
    from_client(packet, connection, frame, tables, now, passage)
}

#[inline(always)]
fn from_client<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    connection: &Connection,
    frame: &F,
    tables: &T,
    now: Time,
    passage: &mut Passage<A>,
) -> Result<(), Stop> {
    let server = tables.server(connection.server.get()).ok_or(Counter::DropInconsistent)?;
    passage.back = reply_key(&packet.flow, connection, server);
    let back = &passage.back;
    take_from_client(packet, connection, server, || Some(*back), frame, tables, now)?;
    passage.hop = server.hop.get();
    passage.mtu = server.mtu.get();
    Ok(())
}

#[inline(always)]
fn from_server<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    reply: &Connection,
    word: StateWord,
    frame: &F,
    tables: &T,
    now: Time,
    passage: &mut Passage<A>,
) -> Result<(), Stop> {
    passage.back = primary_key(tables, packet.flow.protocol, reply).ok_or(Counter::DropInconsistent)?;
    let back = &passage.back;
    let is_primary = |found: &Connection| is_primary_of(found, reply, &packet.flow);
    take_from_server(packet, reply, word, (|| *back, is_primary), frame, tables, now)?;
    passage.counter = Counter::ForwardOut;
    passage.hop = reply.hop.get();
    passage.mtu = mtu_towards_client(packet.bytes, passage.hop.index(), tables);
    Ok(())
}
