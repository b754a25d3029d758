//! Packets that no live connection serves: find the service, choose a server, remember the connection.

use crate::abi::{
    Connection, FlowKey, NO_SERVER, NextHop, NextHopCell, Port, RealServer, Service, ServiceKey, Settings,
};
use crate::connection::{self, StateWord};
use crate::parse::{self, Parse};
use crate::rewrite;
use crate::tcp_state::{self, Direction};
use crate::{
    Answer, Cell32, Cell64, Counter, Forward, Frame, InsertError, Next, Packet, Stop, Tables, Time, Verdict, address,
    fullnat, schedule, steer,
};
use wire::{TcpFlags, protocol};

/// The verdict for a packet without a live connection, rewritten; or who goes on with it.
#[inline(always)]
pub fn establish<A: Parse, F: Frame, T: Tables<A>>(
    frame: &mut F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Verdict, Next> {
    let mut packet = Packet::unread();
    if let Err(counter) = parse::parse::<A, F>(frame, network, &mut packet) {
        return Ok(Verdict::because(counter));
    }
    let mut forward = Forward::undecided();
    match begin(&packet, frame, tables, now, &mut forward) {
        Ok(()) => Ok(rewrite::depart(frame, &packet, &forward, tables)),
        Err(Stop::FullNat) => Err(Next::Bind),
        Err(Stop::New) => Ok(Verdict::because(Counter::DropContended)),
        Err(Stop::Because(counter)) => Ok(refusal(counter)),
    }
}

/// The verdict for a packet that begins no flow.
#[inline(always)]
pub fn refusal(counter: Counter) -> Verdict {
    if counter == Counter::DropNoServer {
        return Verdict::telling(counter, Answer::PORT_UNREACHABLE);
    }
    Verdict::because(counter)
}

/// Finds the service, chooses a server, remembers the connection.
#[inline(always)]
fn begin<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    frame: &F,
    tables: &T,
    now: Time,
    forward: &mut Forward<A>,
) -> Result<(), Stop> {
    let service = find_service(packet, tables)?;
    if is_no_beginning(packet, tables) {
        return Err(Counter::PassNotSchedulable.into());
    }
    let (id, server) = admit(packet, service, false, frame, tables, now)?;
    tables.account(id, Direction::Input, packet.bytes);
    tables.count_checksum(frame.ingress(), parse::has_partial_checksum(frame, packet));
    steer::towards_server(id, server, server.flags.get(), forward).map_err(Stop::Because)
}

/// The same for a flow that somebody else's packet speaks of: `packet` has what the client's would have, but no flags.
#[inline(always)]
pub fn invite<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    frame: &F,
    tables: &T,
    now: Time,
) -> Result<(), Stop> {
    let service = find_service(packet, tables)?;
    admit(packet, service, true, frame, tables, now).map(|_| ())
}

/// The same for a first fragment, whose connection [`crate::fragment::lead`] then finds.
#[inline(always)]
pub fn admit_first<A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    frame: &F,
    tables: &T,
    now: Time,
) -> Result<(), Stop> {
    let service = find_service(packet, tables)?;
    if is_no_beginning(packet, tables) {
        return Err(Counter::PassNotSchedulable.into());
    }
    admit(packet, service, false, frame, tables, now).map(|_| ())
}

/// Chooses a server of the service, remembers the connection.
#[inline(always)]
fn admit<'tables, A: Parse, F: Frame, T: Tables<A>>(
    packet: &Packet<A>,
    service: &Service,
    invited: bool,
    frame: &F,
    tables: &'tables T,
    now: Time,
) -> Result<(u32, &'tables RealServer), Stop> {
    let id = schedule::schedule(tables, service, packet);
    if id == NO_SERVER {
        return Err(Counter::DropNoServer.into());
    }
    let server = tables.server(id).ok_or(Counter::DropInconsistent)?;
    let flags = server.flags.get();
    if flags & RealServer::READY != RealServer::READY {
        return Err(Counter::DropNoServer.into());
    }
    if fullnat::is_full_nat(server) {
        tables.hand(id);
        return Err(Stop::FullNat);
    }
    let new = NewConnection { packet, invited, service: service.id, id, server, now };
    new.remember(frame, tables)?;
    tables.account_connection(id);
    Ok((id, server))
}

/// The service of a packet that no connection serves (ip_vs_core.c, `ip_vs_schedule`).
#[inline(always)]
fn find_service<'tables, A: Parse, T: Tables<A>>(
    packet: &Packet<A>,
    tables: &'tables T,
) -> Result<&'tables Service, Counter> {
    let key = ServiceKey::new(packet.flow.destination, packet.flow.destination_port, packet.flow.protocol);
    let service = tables.service(&key).ok_or_else(|| stranger(packet))?;
    if service.flags & Service::OWNED == 0 {
        return Err(Counter::PassNotOwned);
    }
    Ok(service)
}

/// Why a packet is passed for which there is no service.
#[inline(always)]
fn stranger<A: Parse>(packet: &Packet<A>) -> Counter {
    let is_first = packet.flags.any(TcpFlags::SYN) && !packet.flags.any(TcpFlags::ACK | TcpFlags::RST);
    if packet.flow.protocol == protocol::TCP && !is_first { Counter::PassNoFlow } else { Counter::PassNoService }
}

/// True for TCP without SYN, or with RST, unless sloppy_tcp.
#[inline(always)]
fn is_no_beginning<A: Parse, T: Tables<A>>(packet: &Packet<A>, tables: &T) -> bool {
    if packet.flow.protocol != protocol::TCP {
        return false;
    }
    let sloppy = || tables.settings().is_some_and(|settings| settings.flags.get() & Settings::SLOPPY_TCP != 0);
    packet.flags.any(TcpFlags::RST) || !(packet.flags.any(TcpFlags::SYN) || sloppy())
}

/// A connection about to be remembered.
pub struct NewConnection<'a, A> {
    /// Its first packet.
    pub packet: &'a Packet<A>,
    /// No packet of its own has been seen.
    pub invited: bool,
    /// Id of its service.
    pub service: u32,
    /// Id of its server.
    pub id: u32,
    /// Its server.
    pub server: &'a RealServer,
    /// When.
    pub now: Time,
}

impl<A: Parse> NewConnection<'_, A> {
    /// Stores the connection: the reply first, then the primary, so that no packet can be forwarded whose reply could
    /// not be translated. Nothing is left behind when it fails.
    #[inline(always)]
    fn remember<F: Frame, T: Tables<A>>(&self, frame: &F, tables: &T) -> Result<(), Counter> {
        match tables.connection(&self.packet.flow) {
            Some(existing) => self.revive(existing, frame, tables)?,
            None => {
                if steer::is_nat(self.server) {
                    self.remember_reply(frame, tables)?;
                }
                self.insert_primary(frame, tables)?;
            }
        }
        connection::add_load(tables, self.id, self.packet.flow.protocol, self.first_state(), 1);
        Ok(())
    }

    /// Takes an entry that is dead or may be replaced, and makes it this connection's.
    #[inline(always)]
    fn revive<F: Frame, T: Tables<A>>(&self, existing: &Connection, frame: &F, tables: &T) -> Result<(), Counter> {
        let busy = self.claim(existing, tables)?;
        if steer::is_nat(self.server)
            && let Err(counter) = self.remember_reply(frame, tables)
        {
            tables.exchange(&existing.state, busy.0, busy.dead().0);
            return Err(counter);
        }
        self.fill(existing, tables);
        let hop = self.way_to_client(frame);
        existing.hop.set_with(hop, |cell, word| tables.store64(cell, word));
        connection::rearm(tables, existing, self.packet.flow.protocol, self.first_state());
        tables.store64(&existing.state, busy.reborn(self.first_state(), self.flags()).0);
        Ok(())
    }

    /// NAT: the entry that translates the server's packets back.
    #[inline(always)]
    fn remember_reply<F: Frame, T: Tables<A>>(&self, frame: &F, tables: &T) -> Result<(), Counter> {
        let key = self.reply_key();
        let hop = rewrite::way_back(frame, self.packet.network).ok_or(Counter::DropMalformed)?;
        match tables.insert(&key, &self.reply(hop)) {
            Ok(()) => Ok(()),
            Err(InsertError::Full) => Err(Counter::DropTableFull),
            Err(InsertError::Exists) => {
                let existing = tables.connection(&key).ok_or(Counter::DropContended)?;
                self.take_over_reply(existing, hop, tables)
            }
        }
    }

    #[inline(always)]
    fn reply_key(&self) -> FlowKey<A> {
        let (address, port) = steer::nat_endpoint(self.server);
        steer::reply_key(&self.packet.flow, address, port)
    }

    /// Takes the entry of a dead or replaceable connection into this CPU's hands and winds the old one up.
    #[inline(always)]
    pub fn claim<T: Tables<A>>(&self, existing: &Connection, tables: &T) -> Result<StateWord, Counter> {
        let word = StateWord(existing.state.get());
        // A live reply entry under a client's key belongs to the connection of a server that is a client here too.
        let usable = !word.is_live()
            || (!word.has(StateWord::REPLY) && connection::is_replaceable(tables, existing, self.packet, self.now));
        if word.is_busy() || !usable || !tables.exchange(&existing.state, word.0, word.busy().0) {
            return Err(Counter::DropContended);
        }
        if word.is_live() {
            wind_up(tables, &self.packet.flow, existing, word, self.now);
        }
        Ok(word.busy())
    }

    /// Overwrites a reply entry that stands in the way, if the connection it belongs to is not another live one.
    #[inline(always)]
    fn take_over_reply<T: Tables<A>>(&self, existing: &Connection, hop: NextHop, tables: &T) -> Result<(), Counter> {
        let word = StateWord(existing.state.get());
        if word.is_live() && self.is_in_use(existing, word, tables) {
            return Err(Counter::DropReplyCollision);
        }
        if word.is_busy() || !tables.exchange(&existing.state, word.0, word.busy().0) {
            return Err(Counter::DropContended);
        }
        existing.hop.set_with(hop, |cell, word| tables.store64(cell, word));
        address::store(tables, &existing.address, self.packet.flow.destination);
        tables.store32(&existing.port, self.packet.flow.destination_port.0 as u32);
        self.fill(existing, tables);
        tables.store64(&existing.state, word.busy().reborn(0, StateWord::REPLY).0);
        Ok(())
    }

    /// True when a live reply entry belongs to another live connection.
    #[inline(always)]
    fn is_in_use<T: Tables<A>>(&self, reply: &Connection, word: StateWord, tables: &T) -> bool {
        if !word.has(StateWord::REPLY) {
            return true;
        }
        let (address, port) = (address::load::<A>(&reply.address), Port(reply.port.get() as u16));
        if address == self.packet.flow.destination && port == self.packet.flow.destination_port {
            return false;
        }
        let mut key = self.packet.flow;
        key.destination = address;
        key.destination_port = port;
        let primary = tables.connection(&key);
        primary.is_some_and(|primary| {
            connection::is_primary_of(primary, reply) && !connection::is_expired(primary, self.now)
        })
    }

    /// Where errors from inside a tunnel go; nowhere where there is no tunnel.
    #[inline(always)]
    fn way_to_client<F: Frame>(&self, frame: &F) -> NextHop {
        let hop = if steer::is_tunnel(self.server) { rewrite::way_back(frame, self.packet.network) } else { None };
        hop.unwrap_or_default()
    }

    /// Its entry, under the client's flow.
    #[inline(always)]
    fn primary<F: Frame, T: Tables<A>>(&self, frame: &F, tables: &T) -> Connection {
        Connection {
            hop: NextHopCell::new(self.way_to_client(frame)),
            state: Cell64::new(StateWord::live(self.first_state(), self.flags()).0),
            last_seen: Cell32::new(self.now.tick()),
            server: Cell32::new(self.id),
            service: Cell32::new(self.service),
            timeout: Cell32::new(connection::timeout(tables, self.packet.flow.protocol, self.first_state())),
            ..Connection::default()
        }
    }

    #[inline(always)]
    fn insert_primary<F: Frame, T: Tables<A>>(&self, frame: &F, tables: &T) -> Result<(), Counter> {
        let primary = self.primary(frame, tables);
        let Err(error) = tables.insert(&self.packet.flow, &primary) else { return Ok(()) };
        if error == InsertError::Exists {
            // Another CPU began the same connection: its reply entry is this one, leave it.
            return Err(Counter::DropContended);
        }
        if steer::is_nat(self.server)
            && let Some(reply) = tables.connection(&self.reply_key())
        {
            let word = StateWord(reply.state.get());
            tables.exchange(&reply.state, word.0, word.dead().0);
        }
        Err(Counter::DropTableFull)
    }

    /// What both directions have in common.
    #[inline(always)]
    pub fn fill<T: Tables<A>>(&self, connection: &Connection, tables: &T) {
        tables.store32(&connection.last_seen, self.now.tick());
        tables.store32(&connection.server, self.id);
        tables.store32(&connection.service, self.service);
    }

    #[inline(always)]
    fn reply(&self, hop: NextHop) -> Connection {
        let [low, high] = self.packet.flow.destination.words();
        Connection {
            state: Cell64::new(StateWord::live(0, StateWord::REPLY).0),
            last_seen: Cell32::new(self.now.tick()),
            server: Cell32::new(self.id),
            service: Cell32::new(self.service),
            hop: NextHopCell::new(hop),
            address: [Cell64::new(low), Cell64::new(high)],
            port: Cell32::new(self.packet.flow.destination_port.0 as u32),
            ..Connection::default()
        }
    }

    /// State after the first packet: NONE, moved by it where it was one of the flow's own.
    #[inline(always)]
    pub fn first_state(&self) -> u8 {
        if self.invited || self.packet.flow.protocol != protocol::TCP {
            return 0;
        }
        let unanswered = self.flags() == StateWord::NO_OUTPUT;
        let seen = if unanswered { Direction::InputOnly } else { Direction::Input };
        tcp_state::next(seen, self.packet.flags, 0)
    }

    /// Flags of its state word.
    #[inline(always)]
    pub fn flags(&self) -> u64 {
        if steer::is_nat(self.server) {
            0
        } else if fullnat::is_full_nat(self.server) {
            StateWord::FULL_NAT
        } else {
            StateWord::NO_OUTPUT
        }
    }
}

/// Gives back what a primary connection held: its share in the server's load, and its reply entry.
#[inline(always)]
pub fn wind_up<A: Parse, T: Tables<A>>(
    tables: &T,
    flow: &FlowKey<A>,
    connection: &Connection,
    word: StateWord,
    now: Time,
) {
    let id = connection.server.get();
    connection::add_load(tables, id, flow.protocol, word.state(), u32::MAX);
    let Some(server) = tables.server(id) else { return };
    let key = if word.has(StateWord::FULL_NAT) {
        fullnat::reply_key(flow, connection, server)
    } else if steer::is_nat(server) {
        let (address, port) = steer::nat_endpoint::<A>(server);
        steer::reply_key(flow, address, port)
    } else {
        return;
    };
    let Some(reply) = tables.connection(&key) else { return };
    let reply_word = StateWord(reply.state.get());
    let ours = if word.has(StateWord::FULL_NAT) {
        fullnat::is_reply_of(reply, flow, id)
    } else {
        reply_word.has(StateWord::REPLY)
            && reply.server.get() == id
            && address::load::<A>(&reply.address) == flow.destination
            && reply.port.get() == flow.destination_port.0 as u32
    };
    // Of a connection that has been silent for so long nobody waits at its local port any more.
    let rests = !connection::is_expired(connection, now);
    let dead = if rests { reply_word.dead() } else { reply_word.dead().without(StateWord::ENDED) };
    if ours && reply_word.is_live() && tables.exchange(&reply.state, reply_word.0, dead.0) {
        // The grace period before its removal begins now.
        tables.store32(&reply.last_seen, now.tick());
    }
}
