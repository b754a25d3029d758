//! Packets of known FullNAT flows.

use super::datagram::{self, Telling};
use super::inform::{self, Task};
use super::passage::{self, Passage};
use super::{Handshake, is_primary_of, primary_key, reply_key};
use crate::abi::{Connection, Settings};
use crate::connection::{self, StateWord};
use crate::parse::{self, Parse};
use crate::steer::{mtu_towards_client, take_from_client, take_from_server};
use crate::{Counter, Family, Frame, Next, Packet, Stop, Tables, Time, Verdict};
use wire::{Tcp, TcpFlags, protocol};

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
pub(super) fn decide<A: Parse, F: Frame, T: Tables<A>>(
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
    if packet.flow.protocol == protocol::TCP {
        let tcp = frame.read::<Tcp>(packet.transport).ok_or(Counter::DropMalformed)?;
        plan_for_server(packet, &tcp, Handshake(connection), frame, tables, passage);
        if packet.flags.any(TcpFlags::FIN) {
            note_end(packet, &tcp, passage, tables);
        }
    } else {
        plan_datagram(packet, Telling(connection), frame, tables, now, passage);
    }
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
    if packet.flow.protocol == protocol::TCP {
        plan_for_client(packet, reply, frame, tables, passage)?;
    }
    Ok(())
}

/// What changes in the options and numbers of a client's segment.
#[inline(always)]
fn plan_for_server<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    tcp: &Tcp,
    handshake: Handshake<'_>,
    frame: &F,
    tables: &T,
    passage: &mut Passage<A>,
) {
    passage.shift = handshake.shift();
    if passage.shift != 0 {
        passage.work |= Task::FORWARDS;
    }
    passage.kinds = inform::kinds_for::<A>(tables.settings().map_or(0, |settings| settings.toa_kinds.get()));
    if packet.flags.any(TcpFlags::SYN) {
        // A server that waits for the end of an older connection would compare timestamps of two clients.
        let timeless = if passage.shift != 0 { Task::TIMELESS } else { 0 };
        passage.work |= Task::LOWER | Task::BLANK | timeless;
    }
    if passage.kinds == 0 {
        passage.work &= !(Task::LOWER | Task::BLANK);
        return;
    }
    let completes = !packet.flags.any(TcpFlags::SYN | TcpFlags::RST)
        && packet.flags.any(TcpFlags::ACK)
        && handshake.is_completed_by(tcp.acknowledgement.get());
    if completes || packet.flags.any(TcpFlags::SYN) {
        passage.work |= Task::BLANK;
        if inform::has_room(frame, packet, tcp, passage.mtu) {
            passage.work |= Task::TELL;
            if completes && !handshake.is_told() {
                handshake.tell(tables);
            }
        }
    } else if !handshake.is_told() {
        passage.work |= Task::BLANK;
    }
}

/// What changes in the IP header of a client's datagram besides its addresses.
#[inline(always)]
fn plan_datagram<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    telling: Telling<'_>,
    frame: &F,
    tables: &T,
    now: Time,
    passage: &mut Passage<A>,
) {
    let six = matches!(A::FAMILY, Family::Ipv6);
    if tables.settings().map_or(0, |settings| settings.flags.get()) & Settings::UOA == 0 {
        return;
    }
    if datagram::has_options(packet, six) {
        passage.work |= Task::BLANK;
    }
    // A fragment cannot become longer: those that follow stand where they stand.
    if !packet.fragment && telling.is_due(now) && datagram::has_room(frame, packet, six, passage.mtu) {
        passage.work |= Task::TELL;
        telling.note(tables, now);
    }
}

/// Remembers where the client's numbers end: the next connection with its local port begins beyond.
#[inline(always)]
fn note_end<A: Parse, T: Tables<A>>(packet: &Packet<A>, tcp: &Tcp, passage: &Passage<A>, tables: &T) {
    let Some(reply) = tables.connection(&passage.back) else { return };
    let headers = (packet.transport - packet.network) as u32 + (tcp.data_offset >> 4) as u32 * 4;
    let end = tcp.sequence.get().wrapping_add(packet.bytes.wrapping_sub(headers)).wrapping_add(1);
    tables.store32(&reply.end, end.wrapping_add(passage.shift));
    let word = StateWord(reply.state.get());
    if word.is_live() && !word.has(StateWord::ENDED) {
        tables.exchange(&reply.state, word.0, word.with(StateWord::ENDED).0);
    }
}

/// The same of a server's segment.
#[inline(always)]
fn plan_for_client<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    reply: &Connection,
    frame: &F,
    tables: &T,
    passage: &mut Passage<A>,
) -> Result<(), Stop> {
    passage.shift = reply.timeout.get();
    if passage.shift != 0 && packet.flags.any(TcpFlags::ACK) {
        passage.work |= Task::BACKWARDS;
    }
    if !packet.flags.any(TcpFlags::SYN) {
        return Ok(());
    }
    passage.kinds = inform::kinds_for::<A>(tables.settings().map_or(0, |settings| settings.toa_kinds.get()));
    if passage.kinds != 0 {
        passage.work |= Task::LOWER;
    }
    let tcp = frame.read::<Tcp>(packet.transport).ok_or(Counter::DropMalformed)?;
    if packet.flags.any(TcpFlags::ACK)
        && let Some(primary) = tables.connection(&passage.back)
        && is_primary_of(primary, reply, &packet.flow)
    {
        Handshake(primary).answered(tables, tcp.sequence.get());
    }
    Ok(())
}
