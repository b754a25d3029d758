//! New FullNAT flows: a server is chosen, a local address and port are not.

use super::handshake::{Handshake, shift_beyond};
use super::{is_full_nat, is_primary_of, local, primary_key};
use crate::abi::{Connection, FlowKey, RealServer};
use crate::connection::{self, StateWord};
use crate::establish::NewConnection;
use crate::expire::GRACE;
use crate::parse::{self, Parse};
use crate::tcp_state::TcpState;
use crate::{
    Address, Answer, Cell64, Counter, Frame, InsertError, Next, Packet, Tables, Time, Verdict, address, rewrite, steer,
};
use wire::{Tcp, TcpFlags};

/// Places that are tried for one connection.
const TRIES: u32 = 32;

/// Begins the connection of a packet whose server is chosen: it is one of a known flow then, or is refused.
#[inline(always)]
pub fn bind<A: Parse, F: Frame, T: Tables<A>>(
    frame: &F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Verdict, Next> {
    let mut packet = Packet::unread();
    if let Err(counter) = parse::parse::<A, F>(frame, network, &mut packet) {
        return Ok(Verdict::because(counter));
    }
    match begin(&packet, frame, tables, now) {
        Ok(()) => Err(if packet.fragment { Next::LeadFullNat } else { Next::FullNat }),
        Err(Counter::DropNoLocalPort) => Ok(Verdict::telling(Counter::DropNoLocalPort, Answer::PORT_UNREACHABLE)),
        Err(counter) => Ok(Verdict::because(counter)),
    }
}

/// Remembers the connection under a local address and port.
#[inline(always)]
fn begin<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    frame: &F,
    tables: &T,
    now: Time,
) -> Result<(), Counter> {
    let id = tables.handed();
    let server = tables.server(id).ok_or(Counter::DropInconsistent)?;
    if !is_full_nat(server) || server.flags.get() & RealServer::READY != RealServer::READY {
        return Err(Counter::DropContended);
    }
    let new = NewConnection { packet, invited: false, service: server.service.get(), id, server, now };
    remember(&new, frame, tables)?;
    tables.account_connection(id);
    // That of a SYN is looked at when it is sent on.
    if !packet.flags.any(TcpFlags::SYN) {
        tables.count_checksum(frame.ingress(), parse::has_partial_checksum(frame, packet));
    }
    Ok(())
}

/// Stores the connection: the reply first, then the primary. Nothing is left behind when it fails.
#[inline(always)]
fn remember<A: Parse, F: Frame, T: Tables<A>>(
    new: &NewConnection<'_, A>,
    frame: &F,
    tables: &T,
) -> Result<(), Counter> {
    let protocol = new.packet.flow.protocol;
    let entry = tables.draft().ok_or(Counter::DropInconsistent)?;
    draft_reply(new, frame, entry)?;
    let (server, port) = steer::nat_endpoint::<A>(new.server);
    let mut key = FlowKey { source: server, source_port: port, ..new.packet.flow };
    match tables.connection(&new.packet.flow) {
        Some(existing) => {
            let busy = new.claim(existing, tables)?;
            if let Err(counter) = tables.find_place(&mut key, new.now).taken() {
                tables.exchange(&existing.state, busy.0, busy.dead().0);
                return Err(counter);
            }
            new.fill(existing, tables);
            address::store(tables, &existing.address, key.destination);
            tables.store32(&existing.port, key.destination_port.0 as u32);
            let [first, second] = Handshake::words(entry.timeout.get());
            tables.store64(existing.hop.first(), first);
            tables.store64(existing.hop.second(), second);
            connection::rearm(tables, existing, protocol, new.first_state());
            tables.store64(&existing.state, busy.reborn(new.first_state(), new.flags()).0);
        }
        None => {
            tables.find_place(&mut key, new.now).taken()?;
            insert_primary(new, entry, &key, tables)?;
        }
    }
    connection::add_load(tables, new.id, protocol, new.first_state(), 1);
    Ok(())
}

/// Stores the client's direction, made of the draft of the server's.
#[inline(always)]
fn insert_primary<A: Parse, T: Tables<A>>(
    new: &NewConnection<'_, A>,
    entry: &Connection,
    key: &FlowKey<A>,
    tables: &T,
) -> Result<(), Counter> {
    let state = new.first_state();
    let [first, second] = Handshake::words(entry.timeout.get());
    entry.state.set(StateWord::live(state, new.flags()).0);
    entry.timeout.set(connection::timeout(tables, new.packet.flow.protocol, state));
    entry.hop.first().set(first);
    entry.hop.second().set(second);
    put(&entry.address, key.destination);
    entry.port.set(key.destination_port.0 as u32);
    let Err(error) = tables.insert(&new.packet.flow, entry) else { return Ok(()) };
    if let Some(reply) = tables.connection(key) {
        let word = StateWord(reply.state.get());
        tables.exchange(&reply.state, word.0, word.dead().0);
    }
    // Another CPU began the same connection, with a place of its own; or there is no room.
    Err(if error == InsertError::Exists { Counter::DropContended } else { Counter::DropTableFull })
}

/// Takes a local address and port for the connection whose reply entry is drafted, which `key` has then, and remembers its
/// replies under it. Looking
/// begins where it ended last, so that a place is taken again as late as can be.
#[inline(always)]
pub fn find_place<A: Parse, T: Tables<A>>(tables: &T, key: &mut FlowKey<A>, now: Time) -> Place {
    let Some(reply) = tables.draft() else { return Place::InUse };
    let (locals, load) = (tables.locals(reply.service.get()), tables.load(reply.server.get()));
    let (Some(locals), Some(load)) = (locals, load) else { return Place::InUse };
    let start = load.cursor.get();
    for step in 0..TRIES {
        let number = start.wrapping_add(step);
        let size = locals.size.get();
        let place = if size == 0 { None } else { local::locate::<A>(locals, number % size) };
        let Some((address, port)) = place else { return Place::InUse };
        (key.destination, key.destination_port) = (address, port);
        let outcome = tables.occupy(key, now);
        if outcome != Place::InUse {
            tables.store32(&load.cursor, number.wrapping_add(1));
            return outcome;
        }
    }
    tables.store32(&load.cursor, start.wrapping_add(TRIES));
    Place::InUse
}

/// Drafts the entry that translates the server's packets back.
#[inline(always)]
fn draft_reply<A: Parse, F: Frame>(new: &NewConnection<'_, A>, frame: &F, entry: &Connection) -> Result<(), Counter> {
    let hop = rewrite::way_back(frame, new.packet.network).ok_or(Counter::DropMalformed)?;
    let flow = &new.packet.flow;
    entry.state.set(StateWord::live(0, StateWord::REPLY | StateWord::FULL_NAT).0);
    entry.last_seen.set(new.now.tick());
    entry.server.set(new.id);
    entry.service.set(new.service);
    entry.timeout.set(0);
    entry.hop.set(hop);
    put(&entry.address, flow.source);
    entry.port.set(flow.source_port.0 as u32 | (flow.destination_port.0 as u32) << 16);
    // Until it is stored for good: the number that a shift is counted from.
    entry.end.set(initial_number(new.packet, frame));
    Ok(())
}

/// The sequence number of a SYN; 0 for whatever is none.
#[inline(always)]
fn initial_number<A: Parse, F: Frame>(packet: &Packet<A>, frame: &F) -> u32 {
    if packet.flow.protocol != wire::protocol::TCP || !packet.flags.any(TcpFlags::SYN) {
        return 0;
    }
    frame.read::<Tcp>(packet.transport).map_or(0, |tcp| tcp.sequence.get())
}

/// Writes an address into a draft, which is nobody else's.
#[inline(always)]
fn put<A: Address>([first, second]: &[Cell64; 2], address: A) {
    let [low, high] = address.words();
    first.set(low);
    second.set(high);
}

/// What became of a try to take a local address and port.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// It is the connection's now.
    Taken = 0,
    /// Another connection has it.
    InUse = 1,
    /// The table has no room.
    Full = 2,
}

impl Place {
    #[inline(always)]
    const fn taken(self) -> Result<(), Counter> {
        match self {
            Self::Taken => Ok(()),
            Self::InUse => Err(Counter::DropNoLocalPort),
            Self::Full => Err(Counter::DropTableFull),
        }
    }

    /// From the word that a BPF function returns.
    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
        match word {
            0 => Self::Taken,
            2 => Self::Full,
            _ => Self::InUse,
        }
    }
}

/// Puts the drafted reply entry under `key`, if nobody has it or whoever had it is over.
#[inline(always)]
pub fn occupy<A: Parse, T: Tables<A>>(tables: &T, key: &FlowKey<A>, now: Time) -> Place {
    let Some(reply) = tables.draft() else { return Place::InUse };
    match tables.insert(key, reply) {
        Ok(()) => return Place::Taken,
        Err(InsertError::Full) => return Place::Full,
        Err(InsertError::Exists) => {}
    }
    let Some(existing) = tables.connection(key) else { return Place::InUse };
    let word = StateWord(existing.state.get());
    if word.is_busy() || (word.is_live() && !gives_way(tables, key, existing, word, now)) {
        return Place::InUse;
    }
    if !tables.exchange(&existing.state, word.0, word.busy().0) {
        return Place::InUse;
    }
    tables.store32(&existing.last_seen, reply.last_seen.get());
    tables.store32(&existing.server, reply.server.get());
    tables.store32(&existing.service, reply.service.get());
    existing.hop.set_with(reply.hop.get(), |cell, word| tables.store64(cell, word));
    address::store(tables, &existing.address, address::load::<A>(&reply.address));
    tables.store32(&existing.port, reply.port.get());
    let initial = reply.end.get();
    let shift = if word.has(StateWord::ENDED) && initial != 0 { shift_beyond(existing.end.get(), initial) } else { 0 };
    reply.timeout.set(shift);
    tables.store32(&existing.timeout, shift);
    tables.store64(&existing.state, word.busy().reborn(0, StateWord::REPLY | StateWord::FULL_NAT).0);
    Place::Taken
}

/// True when the connection of a living reply entry is over, so that its local port may serve another: it has expired, or
/// both sides have closed it. Then it is retired.
#[inline(always)]
fn gives_way<A: Parse, T: Tables<A>>(
    tables: &T,
    key: &FlowKey<A>,
    reply: &Connection,
    word: StateWord,
    now: Time,
) -> bool {
    if !word.has(StateWord::REPLY | StateWord::FULL_NAT) {
        return false;
    }
    let Some(flow) = primary_key::<A, T>(tables, key.protocol, reply) else { return false };
    let primary = tables.connection(&flow).filter(|primary| is_primary_of(primary, reply, key));
    // The primary is inserted after its reply.
    let Some(primary) = primary else { return now.age(reply.last_seen.get()) >= GRACE };
    if connection::is_expired(primary, now) {
        return true;
    }
    let word = StateWord(primary.state.get());
    let closed = word.state() == TcpState::TimeWait as u8 || word.state() == TcpState::Close as u8;
    if key.protocol != wire::protocol::TCP || !closed || !tables.exchange(&primary.state, word.0, word.dead().0) {
        return false;
    }
    connection::add_load(tables, primary.server.get(), key.protocol, word.state(), u32::MAX);
    tables.store32(&primary.last_seen, now.tick());
    true
}
