//! Packets of known flows.

use crate::abi::{Connection, FlowKey, Method, NextHop, Port, RealServer};
use crate::address;
use crate::connection::{self, StateWord};
use crate::parse::{self, Parse};
use crate::rewrite;
use crate::tcp_state::{self, Direction};
use crate::{Counter, Forward, Frame, Next, Packet, Shared, Stop, Tables, Time, Translation, Verdict, signal};
use wire::{TcpFlags, protocol};

/// Ticks between two looks at the reply entry from the client's side, a power of two.
const REFRESH_TICKS: u32 = 16;

/// The verdict for a packet of a known flow, rewritten; or who looks at it next, when there is no connection that may
/// serve it.
#[inline(always)]
pub fn steer<A: Parse, F: Frame, T: Tables<A>>(
    frame: &mut F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Verdict, Next> {
    let mut packet = Packet::unread();
    match parse::parse::<A, F>(frame, network, &mut packet) {
        Ok(()) if packet.fragment => return Err(Next::Lead),
        Ok(()) => {}
        Err(Counter::PassIcmp) => return Err(Next::Relate),
        Err(Counter::PassLaterFragment) => return Err(Next::Follow),
        Err(counter) => return Ok(Verdict::because(counter)),
    }
    let mut forward = Forward::undecided();
    match decide(&packet, frame, tables, now, &mut forward) {
        Ok(()) => Ok(rewrite::depart(frame, &packet, &forward, tables)),
        Err(Stop::New) => Err(Next::Establish),
        Err(Stop::FullNat) => Err(Next::FullNat),
        Err(Stop::Because(counter)) => Ok(Verdict::because(counter)),
    }
}

/// How the packet leaves, by its connection.
#[inline(always)]
pub(crate) fn decide<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    frame: &F,
    tables: &T,
    now: Time,
    forward: &mut Forward<A>,
) -> Result<(), Stop> {
    let connection = tables.connection(&packet.flow).ok_or(Stop::New)?;
    let word = StateWord(connection.state.get());
    if !word.is_live_and_plain() {
        return Err(if word.is_live() { Stop::FullNat } else { Stop::New });
    }
    if word.has(StateWord::REPLY) {
        return from_server(packet, connection, word, frame, tables, now, forward);
    }
    if connection::is_stale(tables, connection, packet, now) {
        return Err(Stop::New);
    }
    from_client(packet, connection, frame, tables, now, forward)
}

/// A packet from the client of a live connection: counted, stepped, sent to its server.
#[inline(always)]
fn from_client<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    connection: &Connection,
    frame: &F,
    tables: &T,
    now: Time,
    forward: &mut Forward<A>,
) -> Result<(), Stop> {
    let id = connection.server.get();
    let server = tables.server(id).ok_or(Counter::DropInconsistent)?;
    let reply = || {
        let (address, port) = nat_endpoint::<A>(server);
        is_nat(server).then(|| reply_key(&packet.flow, address, port))
    };
    let flags = take_from_client(packet, connection, server, reply, frame, tables, now)?;
    towards_server(id, server, flags, forward).map_err(Stop::Because)
}

/// Counts a packet from a client and steps its connection; `reply` is the key of its reply entry, if it has one. Returns
/// the flags of its server, which is ready.
#[inline(always)]
pub fn take_from_client<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    connection: &Connection,
    server: &RealServer,
    reply: impl Fn() -> Option<FlowKey<A>>,
    frame: &F,
    tables: &T,
    now: Time,
) -> Result<u32, Stop> {
    let id = connection.server.get();
    let flags = server.flags.get();
    let syn = packet.flags.any(TcpFlags::SYN);
    if flags & RealServer::READY != RealServer::READY || syn {
        if connection::is_orphan_to_expire(tables, id, flags, packet) {
            return Err(Stop::New);
        }
        check_ready(flags)?;
    }
    tables.account(id, Direction::Input, packet.bytes);
    let mut state = 0;
    if packet.flow.protocol == protocol::TCP {
        let stepped = connection::step(tables, connection, Direction::Input, packet.flags);
        state = stepped.1;
        if flags & RealServer::WATCHED != 0 {
            signal::see_client(packet, connection, stepped, frame, tables, now);
        }
    }
    let last_seen = connection.last_seen.get();
    if last_seen != now.tick() {
        tables.store32(&connection.last_seen, now.tick());
        connection::rearm(tables, connection, packet.flow.protocol, state);
        if (last_seen ^ now.tick()) >= REFRESH_TICKS {
            if let Some(reply) = reply() {
                refresh_reply(packet, &reply, frame, tables, now);
            } else if is_tunnel(server) {
                refresh_hop(packet, connection, frame, tables);
            }
        }
    }
    if syn {
        if let Some(reply) = reply() {
            unsettle_reply(&reply, tables);
        }
        tables.count_checksum(frame.ingress(), parse::has_partial_checksum(frame, packet));
    }
    Ok(flags)
}

/// Why a server that is not ready does not get the packet.
#[inline(always)]
pub fn check_ready(flags: u32) -> Result<(), Counter> {
    if flags & RealServer::AVAILABLE == 0 {
        Err(Counter::DropServerRemoved)
    } else if flags & RealServer::OWNED == 0 {
        Err(Counter::PassNotOwned)
    } else if flags & RealServer::RESOLVED == 0 {
        Err(Counter::DropServerUnresolved)
    } else {
        Ok(())
    }
}

/// How a packet leaves for a server that is ready.
#[inline(always)]
pub fn towards_server<A: Parse>(
    id: u32,
    server: &RealServer,
    flags: u32,
    forward: &mut Forward<A>,
) -> Result<(), Counter> {
    if flags & RealServer::LOCAL == 0 {
        forward.hop = server.hop.get();
        forward.mtu = server.mtu.get();
    } else if is_nat(server) {
        forward.counter = Counter::PassLocalServer;
    } else {
        return Err(Counter::PassLocalServer);
    }
    forward.server = id;
    if is_nat(server) {
        forward.translation = Translation::Destination;
        (forward.address, forward.port) = nat_endpoint(server);
    } else if is_tunnel(server) {
        forward.translation = Translation::Inside;
    }
    Ok(())
}

impl<A: Parse> Forward<A> {
    /// Towards the server, nowhere yet.
    #[inline(always)]
    pub fn undecided() -> Self {
        Self {
            counter: Counter::ForwardIn,
            hop: NextHop::default(),
            translation: Translation::Nothing,
            server: 0,
            address: A::from_words([0, 0]),
            port: Port(0),
            mtu: 0,
        }
    }
}

/// True for a server reached by NAT.
#[inline(always)]
pub fn is_nat(server: &RealServer) -> bool {
    server.port_and_method.get() >> 16 == Method::Nat as u32
}

/// True for a server reached by tunnel.
#[inline(always)]
pub fn is_tunnel(server: &RealServer) -> bool {
    server.port_and_method.get() >> 16 == Method::Tunnel as u32
}

/// Address and port of a server.
#[inline(always)]
pub fn nat_endpoint<A: Parse>(server: &RealServer) -> (A, Port) {
    (address::load(&server.address), Port(server.port_and_method.get() as u16))
}

/// The flow that the server's packets show, for a NAT connection of this client.
#[inline(always)]
pub fn reply_key<A: Copy>(flow: &FlowKey<A>, server: A, port: Port) -> FlowKey<A> {
    FlowKey {
        source: server,
        destination: flow.source,
        source_port: port,
        destination_port: flow.source_port,
        protocol: flow.protocol,
        kind: FlowKey::<A>::FLOW,
        reserved: 0,
    }
}

/// About once a second: the reply entry learns where the client's frames come from now. (Its life hangs on its
/// primary's, so nothing is lost in between; a look at it costs cache misses.)
#[inline(always)]
fn refresh_reply<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    reply: &FlowKey<A>,
    frame: &F,
    tables: &T,
    now: Time,
) {
    let Some(reply) = tables.connection(reply) else { return };
    tables.store32(&reply.last_seen, now.tick());
    refresh_hop(packet, reply, frame, tables);
}

/// An entry learns where the client's frames come from now.
#[inline(always)]
fn refresh_hop<A: Parse, F: Frame, T: Tables<A>>(packet: &Packet<A>, entry: &Connection, frame: &F, tables: &T) {
    if let Some(hop) = rewrite::way_back(frame, packet.network)
        && entry.hop.get() != hop
    {
        entry.hop.set_with(hop, |cell, word| tables.store64(cell, word));
    }
}

/// A SYN may lead the connection back into a state that a bare ACK changes.
#[inline(always)]
fn unsettle_reply<A: Parse, T: Tables<A>>(reply: &FlowKey<A>, tables: &T) {
    let Some(reply) = tables.connection(reply) else { return };
    let word = StateWord(reply.state.get());
    if word.has(StateWord::SETTLED) {
        tables.exchange(&reply.state, word.0, word.without(StateWord::SETTLED).0);
    }
}

/// A packet from the server of a NAT connection.
#[inline(always)]
fn from_server<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    reply: &Connection,
    word: StateWord,
    frame: &F,
    tables: &T,
    now: Time,
    forward: &mut Forward<A>,
) -> Result<(), Stop> {
    let primary = || primary_key(&packet.flow, address::load(&reply.address), Port(reply.port.get() as u16));
    let is_primary = |primary: &Connection| connection::is_primary_of(primary, reply);
    take_from_server(packet, reply, word, (primary, is_primary), frame, tables, now)?;
    forward.server = reply.server.get();
    forward.counter = Counter::ForwardOut;
    forward.hop = reply.hop.get();
    forward.translation = Translation::Source;
    forward.address = address::load(&reply.address);
    forward.port = Port(reply.port.get() as u16);
    forward.mtu = mtu_towards_client(packet.bytes, forward.hop.index(), tables);
    Ok(())
}

/// Counts a packet from a server and steps its connection: the entry under `primary`, if it is the reply's.
#[inline(always)]
pub fn take_from_server<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    reply: &Connection,
    word: StateWord,
    (primary, is_primary): (impl Fn() -> FlowKey<A>, impl Fn(&Connection) -> bool),
    frame: &F,
    tables: &T,
    now: Time,
) -> Result<(), Stop> {
    let control = packet.flags.0 & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST | TcpFlags::ACK);
    let plain = control == TcpFlags::ACK || packet.flow.protocol != protocol::TCP;
    if !plain || !word.has(StateWord::SETTLED) || reply.last_seen.get() != now.tick() {
        let found = tables.connection(&primary()).filter(|primary| is_primary(primary)).ok_or(Stop::New)?;
        let from = follow_primary(packet, found, reply, word, tables, now)?;
        if packet.flags.any(TcpFlags::SYN | TcpFlags::RST) {
            let seen = (from, word.has(StateWord::SETTLED));
            signal::see_server(packet, found, seen, || primary().source, frame, tables, now);
        }
    }
    tables.account(reply.server.get(), Direction::Output, packet.bytes);
    if packet.flags.any(TcpFlags::SYN) {
        tables.count_checksum(frame.ingress(), parse::has_partial_checksum(frame, packet));
    }
    Ok(())
}

/// A packet that fits everywhere (RFC 8200 §5).
pub(crate) const FITS_EVERYWHERE: u32 = 1280;

/// MTU of the interface that the client's frames came in by; not looked up for packets that fit everywhere.
#[inline(always)]
pub fn mtu_towards_client<T: Shared>(bytes: u32, interface: u32, tables: &T) -> u32 {
    if bytes <= FITS_EVERYWHERE {
        return 0;
    }
    tables.interface(interface).filter(|found| found.index == interface).map_or(0, |found| found.mtu)
}

/// Steps and refreshes the primary that a reply belongs to; ends here when it is over. Returns its TCP state before.
#[inline(always)]
fn follow_primary<A: Parse, T: Tables<A>>(
    packet: &Packet<A>,
    primary: &Connection,
    reply: &Connection,
    word: StateWord,
    tables: &T,
    now: Time,
) -> Result<u8, Stop> {
    if connection::is_expired(primary, now) {
        return Err(Stop::New);
    }
    let is_tcp = packet.flow.protocol == protocol::TCP;
    let (from, state) =
        if is_tcp { connection::step(tables, primary, Direction::Output, packet.flags) } else { (0, 0) };
    let settles = !is_tcp || tcp_state::is_settled(state);
    connection::rearm(tables, primary, packet.flow.protocol, state);
    tables.store32(&primary.last_seen, now.tick());
    tables.store32(&reply.last_seen, now.tick());
    if settles && !word.has(StateWord::SETTLED) {
        tables.exchange(&reply.state, word.0, word.with(StateWord::SETTLED).0);
    }
    Ok(from)
}

/// The client's flow, from the flow of the server's packets and the virtual endpoint.
#[inline(always)]
pub fn primary_key<A: Copy>(reply: &FlowKey<A>, address: A, port: Port) -> FlowKey<A> {
    FlowKey {
        source: reply.destination,
        destination: address,
        source_port: reply.destination_port,
        destination_port: port,
        protocol: reply.protocol,
        kind: FlowKey::<A>::FLOW,
        reserved: 0,
    }
}
