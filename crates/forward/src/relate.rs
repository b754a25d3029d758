//! Errors about packets of balanced flows (ip_vs_core.c, `ip_vs_in_icmp` and `ip_vs_out_icmp`).
//!
//! An error quotes the packet that failed. Turned round, the quoted endpoints are the key of a connection: of the
//! primary, when a server's packet failed on its way to the client, or of the reply, when a client's packet failed on
//! its way to a server behind NAT. Outer and quoted addresses are then translated alike, and so is the quoted port.

use crate::abi::{Connection, FlowKey, Port, Settings};
use crate::address;
use crate::classify::addressed_to_us;
use crate::connection::{self, StateWord};
use crate::encapsulate::Headers;
use crate::parse::Parse;
use crate::rewrite::{self, DESTINATION_PORT, SOURCE_PORT};
use crate::tcp_state::Direction;
use crate::{
    Answer, Counter, Forward, Frame, Next, Packet, Shared, Stop, Tables, Time, Translation, Verdict, establish, frame,
    steer,
};
use core::mem::offset_of;
use wire::{Be16, Be32, Checksum, Icmp, Tcp, Udp, protocol};

/// An error about no flow of ours.
pub(crate) const NOT_RELATED: Counter = Counter::PassIcmp;
/// An error about a packet that may be one of a tunnel: of another protocol, or of no flow.
const MAYBE_WRAPPED: Counter = Counter::PassProtocol;

/// The verdict for a control message, rewritten; or that it may begin the flow of the packet it is about.
#[inline(always)]
pub fn relate<A: Parse, F: Frame, T: Tables<A>>(
    frame: &mut F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Verdict, Next> {
    let (mut message, mut quoted) = (Packet::unread(), Packet::unread());
    let mut forward = Forward::undecided();
    let outcome = read::<A, F>(frame, network, &mut message, &mut quoted)
        .and_then(|()| addressed_to_us(frame, tables))
        .map_err(Stop::Because)
        .and_then(|()| decide(&message, &quoted, tables, now, &mut forward));
    match outcome {
        Ok(()) => Ok(depart(frame, &message, &quoted, &forward, tables)),
        Err(Stop::FullNat) => Err(Next::RelateFullNat),
        Err(Stop::Because(MAYBE_WRAPPED)) => Err(Next::Unwrap),
        Err(Stop::New) if may_begin_flows(tables) => Err(Next::Invite),
        Err(Stop::Because(NOT_RELATED)) if may_begin_flows(tables) => Err(Next::Invite),
        Err(Stop::New) => Ok(Verdict::because(NOT_RELATED)),
        Err(Stop::Because(counter)) => Ok(Verdict::because(counter)),
    }
}

/// sysctl schedule_icmp.
#[inline(always)]
pub(crate) fn may_begin_flows<T: Shared>(tables: &T) -> bool {
    tables.settings().is_some_and(|settings| settings.flags.get() & Settings::SCHEDULE_ICMP != 0)
}

/// Begins the flow of the packet that an error quotes, as if its client had sent something; the error then has a flow
/// to follow (`ip_vs_in_icmp` with schedule_icmp: another director's flow may have come here). Or why not.
#[inline(always)]
pub fn invite<A: Parse, F: Frame, T: Tables<A>>(
    frame: &F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<(), Counter> {
    let (mut message, mut quoted) = (Packet::unread(), Packet::unread());
    read::<A, F>(frame, network, &mut message, &mut quoted).map_err(|_| NOT_RELATED)?;
    addressed_to_us(frame, tables)?;
    // What the client would have sent; of the frame only its link is asked.
    quoted.flow = reversed(&quoted.flow);
    quoted.network = network;
    establish::invite(&quoted, frame, tables, now).map_err(|stop| match stop {
        // The local port that a FullNAT server knows its flow by is not this node's to guess.
        Stop::FullNat | Stop::New | Stop::Because(Counter::PassNoService | Counter::PassNoFlow) => NOT_RELATED,
        Stop::Because(other) => other,
    })
}

/// Reads an error and the packet that it quotes, up to the ports; whatever is something else ends here.
#[inline(always)]
pub(crate) fn read<A: Parse, F: Frame>(
    frame: &F,
    network: usize,
    message: &mut Packet<A>,
    quoted: &mut Packet<A>,
) -> Result<(), Counter> {
    error(frame, network, message, quoted)?;
    ports(frame, message, quoted)
}

/// Reads an error and the packet that it quotes, up to the transport header.
#[inline(always)]
pub(crate) fn error<A: Parse, F: Frame>(
    frame: &F,
    network: usize,
    message: &mut Packet<A>,
    quoted: &mut Packet<A>,
) -> Result<Icmp, Counter> {
    A::network(frame, network, message).map_err(|_| NOT_RELATED)?;
    let icmp = frame.read::<Icmp>(message.transport).ok_or(NOT_RELATED)?;
    let whole = !message.fragment && frame.has(network + message.bytes as usize);
    if message.flow.protocol != A::ICMP || !A::is_error(icmp.kind) || !whole {
        return Err(NOT_RELATED);
    }
    A::quoted(frame, message.transport + Icmp::LENGTH, quoted).map_err(|_| NOT_RELATED)?;
    // An error goes to whoever sent the packet it is about.
    if quoted.flow.source != message.flow.destination {
        return Err(NOT_RELATED);
    }
    Ok(icmp)
}

/// Reads the ports of a quoted packet, which a message of either family may show.
#[inline(always)]
pub(crate) fn ports<M, A, F: Frame>(frame: &F, message: &Packet<M>, quoted: &mut Packet<A>) -> Result<(), Counter> {
    let balanced = matches!(quoted.flow.protocol, protocol::TCP | protocol::UDP);
    if !balanced {
        return Err(MAYBE_WRAPPED);
    }
    if !reaches(message, quoted, SIZE_OF_PORTS) {
        return Err(NOT_RELATED);
    }
    let ports = frame.read::<Be32>(quoted.transport).ok_or(NOT_RELATED)?.bits().to_ne_bytes();
    let [first, second, third, fourth] = ports;
    quoted.flow.source_port = Port(u16::from_ne_bytes([first, second]));
    quoted.flow.destination_port = Port(u16::from_ne_bytes([third, fourth]));
    Ok(())
}

const SIZE_OF_PORTS: usize = 4;

/// True when the message quotes so many bytes of the transport header.
#[inline(always)]
fn reaches<M, A>(message: &Packet<M>, quoted: &Packet<A>, bytes: usize) -> bool {
    quoted.transport + bytes <= message.network + message.bytes as usize
}

/// To whom the error goes, by the connection of the packet it is about. It steps no state and keeps nothing alive.
#[inline(always)]
fn decide<A: Parse, T: Tables<A>>(
    message: &Packet<A>,
    quoted: &Packet<A>,
    tables: &T,
    now: Time,
    forward: &mut Forward<A>,
) -> Result<(), Stop> {
    let connection = tables.connection(&reversed(&quoted.flow)).ok_or(MAYBE_WRAPPED)?;
    let word = StateWord(connection.state.get());
    if !word.is_live_and_plain() {
        return Err(if word.is_live() { Stop::FullNat } else { NOT_RELATED.into() });
    }
    if word.has(StateWord::REPLY) {
        to_client(message, connection, tables, forward);
        return Ok(());
    }
    if connection::is_expired(connection, now) {
        return Err(NOT_RELATED.into());
    }
    to_server(message, connection, tables, forward).map_err(Stop::Because)
}

/// The flow in the other direction.
#[inline(always)]
pub(crate) fn reversed<A: Copy>(flow: &FlowKey<A>) -> FlowKey<A> {
    FlowKey {
        source: flow.destination,
        destination: flow.source,
        source_port: flow.destination_port,
        destination_port: flow.source_port,
        ..*flow
    }
}

/// About a packet of a client behind a NAT connection: it comes from the service now, and goes where replies go.
#[inline(always)]
fn to_client<A: Parse, T: Tables<A>>(message: &Packet<A>, reply: &Connection, tables: &T, forward: &mut Forward<A>) {
    tables.account(reply.server.get(), Direction::Output, message.bytes);
    forward.counter = Counter::ForwardIcmpOut;
    forward.hop = reply.hop.get();
    forward.translation = Translation::Source;
    forward.address = address::load(&reply.address);
    forward.port = Port(reply.port.get() as u16);
}

/// About a packet of a server: to the server.
#[inline(always)]
fn to_server<A: Parse, T: Tables<A>>(
    message: &Packet<A>,
    connection: &Connection,
    tables: &T,
    forward: &mut Forward<A>,
) -> Result<(), Counter> {
    let id = connection.server.get();
    let server = tables.server(id).ok_or(Counter::DropInconsistent)?;
    let flags = server.flags.get();
    steer::check_ready(flags)?;
    tables.account(id, Direction::Input, message.bytes);
    steer::towards_server(id, server, flags, forward)?;
    forward.counter = Counter::ForwardIcmpIn;
    Ok(())
}

/// Rewrites the message as decided. One whose last hop this was is dropped: no error is told about an error.
#[inline(always)]
fn depart<A: Parse, F: Frame, T: Shared>(
    frame: &mut F,
    message: &Packet<A>,
    quoted: &Packet<A>,
    forward: &Forward<A>,
    tables: &T,
) -> Verdict {
    if forward.translation == Translation::Inside {
        let verdict = frame.encapsulate::<A, T>(Headers::of(message), forward.server, tables);
        return Verdict { answer: Answer::NOTHING, ..verdict };
    }
    let stays = rewrite::stays(frame, forward);
    if !stays && message.hops <= 1 {
        return Verdict::because(Counter::DropTimeToLive);
    }
    let rewritten = translate(frame, message, quoted, forward, !stays as u8);
    rewrite::leave(frame, message.network, (forward.counter, forward.hop), stays, rewritten)
}

/// Puts the server's endpoint in the place of the service's, or the other way round, outside and in the quotation.
#[inline(always)]
pub(crate) fn translate<A: Parse, F: Frame>(
    frame: &mut F,
    message: &Packet<A>,
    quoted: &Packet<A>,
    forward: &Forward<A>,
    hops: u8,
) -> Option<()> {
    let new = Some(forward.address);
    // The quoted packet went the other way: the outer destination is its source, and its destination is where the
    // endpoint stands that the outer source shall be taken for.
    let (source, destination) = match forward.translation {
        Translation::Nothing | Translation::Inside => return A::readdress(frame, message.network, None, None, hops),
        Translation::Destination => (None, new),
        Translation::Source => (new, None),
    };
    let body = requote(frame, message, quoted, forward, (destination, source))?;
    let outer = match forward.translation {
        Translation::Destination => address::change(message.flow.destination, forward.address),
        _ => address::change(message.flow.source, forward.address),
    };
    let pseudo = if A::ICMP == protocol::ICMPV6 { outer } else { Checksum::new() };
    let field = message.transport + offset_of!(Icmp, checksum);
    frame.adjust_checksum(field, body.join(pseudo), pseudo, false)?;
    A::readdress(frame, message.network, source, destination, hops)
}

/// Translates the quotation: address, port and whatever checksums it shows. Returns what changed in its bytes.
#[inline(always)]
fn requote<A: Parse, F: Frame>(
    frame: &mut F,
    message: &Packet<A>,
    quoted: &Packet<A>,
    forward: &Forward<A>,
    (source, destination): (Option<A>, Option<A>),
) -> Option<Checksum> {
    let header = A::requote(frame, quoted.network, source, destination)?;
    let (address, port, place) = if source.is_some() {
        (quoted.flow.source, quoted.flow.source_port, SOURCE_PORT)
    } else {
        (quoted.flow.destination, quoted.flow.destination_port, DESTINATION_PORT)
    };
    frame.write(quoted.transport + place, Be16::from_bits(forward.port.0))?;
    let moved = Checksum::new().remove16(port.0).add16(forward.port.0);
    let inner = address::change(address, forward.address).join(moved);
    Some(header.join(moved).join(resum(frame, message, quoted, inner)?))
}

/// Makes good the quoted transport checksum, where the quotation is long enough to show one.
#[inline(always)]
fn resum<A: Parse, F: Frame>(
    frame: &mut F,
    message: &Packet<A>,
    quoted: &Packet<A>,
    delta: Checksum,
) -> Option<Checksum> {
    let udp = quoted.flow.protocol == protocol::UDP;
    let place = if udp { offset_of!(Udp, checksum) } else { offset_of!(Tcp, checksum) };
    let untouched = Some(Checksum::new());
    if !reaches(message, quoted, place + size_of::<Be16>()) {
        return untouched;
    }
    let Some(old) = frame.read::<Be16>(quoted.transport + place) else { return untouched };
    if udp && old.bits() == 0 {
        return untouched;
    }
    let new = frame::adjusted(old, delta, udp);
    frame.write(quoted.transport + place, new)?;
    Some(Checksum::new().remove16(old.bits()).add16(new.bits()))
}
