//! Errors about packets of FullNAT flows: both endpoints change, outside and in the quotation.

use super::primary_key;
use crate::abi::{Connection, FlowKey, Port};
use crate::classify::addressed_to_us;
use crate::connection::{self, StateWord};
use crate::parse::Parse;
use crate::relate::{NOT_RELATED, read, reversed, translate};
use crate::tcp_state::Direction;
use crate::{Counter, Forward, Frame, Packet, Tables, Time, Translation, Verdict, address, rewrite, steer};

/// The verdict for an error about a packet of a FullNAT flow, rewritten.
#[inline(always)]
pub fn relate<A: Parse, F: Frame, T: Tables<A>>(frame: &mut F, network: usize, tables: &T, now: Time) -> Verdict {
    let (mut message, mut quoted) = (Packet::unread(), Packet::unread());
    // What becomes of the destination, and what of the source.
    let (mut to, mut from) = (Forward::undecided(), Forward::undecided());
    let outcome = read::<A, F>(frame, network, &mut message, &mut quoted)
        .and_then(|()| addressed_to_us(frame, tables))
        .and_then(|()| decide(&message, &quoted, tables, now, (&mut to, &mut from)));
    match outcome {
        Ok(()) => depart(frame, &message, &quoted, (&to, &from)),
        Err(counter) => Verdict::because(counter),
    }
}

#[inline(always)]
fn decide<A: Parse, T: Tables<A>>(
    message: &Packet<A>,
    quoted: &Packet<A>,
    tables: &T,
    now: Time,
    (to, from): (&mut Forward<A>, &mut Forward<A>),
) -> Result<(), Counter> {
    let connection = tables.connection(&reversed(&quoted.flow)).ok_or(NOT_RELATED)?;
    let word = StateWord(connection.state.get());
    if !word.is_live() || !word.has(StateWord::FULL_NAT) {
        return Err(NOT_RELATED);
    }
    (to.translation, from.translation) = (Translation::Destination, Translation::Source);
    if word.has(StateWord::REPLY) {
        return to_client(message, connection, tables, (to, from));
    }
    if connection::is_expired(connection, now) {
        return Err(NOT_RELATED);
    }
    to_server(message, connection, tables, (to, from))
}

/// About a packet of a client: from the service, to where replies go.
#[inline(always)]
fn to_client<A: Parse, T: Tables<A>>(
    message: &Packet<A>,
    reply: &Connection,
    tables: &T,
    (to, from): (&mut Forward<A>, &mut Forward<A>),
) -> Result<(), Counter> {
    let flow: FlowKey<A> = primary_key(tables, 0, reply).ok_or(Counter::DropInconsistent)?;
    tables.account(reply.server.get(), Direction::Output, message.bytes);
    to.counter = Counter::ForwardIcmpOut;
    to.hop = reply.hop.get();
    (to.address, to.port) = (flow.source, flow.source_port);
    (from.address, from.port) = (flow.destination, flow.destination_port);
    Ok(())
}

/// About a packet of a server: from the local address, to the server.
#[inline(always)]
fn to_server<A: Parse, T: Tables<A>>(
    message: &Packet<A>,
    connection: &Connection,
    tables: &T,
    (to, from): (&mut Forward<A>, &mut Forward<A>),
) -> Result<(), Counter> {
    let id = connection.server.get();
    let server = tables.server(id).ok_or(Counter::DropInconsistent)?;
    steer::check_ready(server.flags.get())?;
    tables.account(id, Direction::Input, message.bytes);
    to.counter = Counter::ForwardIcmpIn;
    to.hop = server.hop.get();
    (to.address, to.port) = steer::nat_endpoint(server);
    (from.address, from.port) = (address::load(&connection.address), Port(connection.port.get() as u16));
    Ok(())
}

/// Rewrites the message as decided. One whose last hop this was is dropped: no error is told about an error.
#[inline(always)]
fn depart<A: Parse, F: Frame>(
    frame: &mut F,
    message: &Packet<A>,
    quoted: &Packet<A>,
    (to, from): (&Forward<A>, &Forward<A>),
) -> Verdict {
    let stays = to.hop.index() == 0;
    if !stays && message.hops <= 1 {
        return Verdict::because(Counter::DropTimeToLive);
    }
    let rewritten =
        translate(frame, message, quoted, to, !stays as u8).and_then(|()| translate(frame, message, quoted, from, 0));
    rewrite::leave(frame, message.network, (to.counter, to.hop), stays, rewritten)
}
