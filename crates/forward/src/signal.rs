//! Passive signals: what the connections of real clients tell of their server.
//!
//! Only for servers that are watched ([`RealServer::WATCHED`]), which answer through this node: NAT and FullNAT. All
//! others pay one test of a word that is loaded anyway.
//!
//! Whoever can send packets here can forge their source, so that a signal counts only where a forger has no hand in it:
//!
//! * A client is *known* once it has acknowledged the very sequence number of a watched server's SYN, which a forger does
//!   not see; an ACK that merely moves the TCP state does not do. It is known to that service alone, and for an hour.
//! * *Unanswered* are connections of known clients whose SYN comes again, half a second later at least, while the server
//!   has not answered.
//! * *Reset* are those of known clients that the server resets instead of answering their SYN: with ACK, as what comes
//!   without is reset; what comes with ACK (a forger's SYN, too) is reset by right, and without. And those whose
//!   handshake is complete by the server's number, if it resets them with its first word after. A reset later, after
//!   data or an acknowledgement, is how many servers close, and no signal.
//! * *Begun* counts all of these, and those whose handshake completes: connections whose beginning is decided.
//! * A connection fails once, and each failure marks its client among 64 places, as each completed handshake does among
//!   64 others: the marks tell at least how many clients failed, so that one alone, however many connections it opens, is seen
//!   to be one; and how many were served meanwhile. Who forges addresses that are known can send what no server answers (a
//!   wrong checksum): he would need as many of them as there are clients at the time.
//!
//! Who is known stands in a table of one word a place, which a later client takes over ([`CLIENTS`] places): a flood of
//! handshakes makes it forget, and fewer signals count. What follows from the counts is the daemon's to decide.

use crate::abi::{CLIENTS, Connection, RealServer, Signals};
use crate::connection::StateWord;
use crate::fullnat::Handshake;
use crate::parse::Parse;
use crate::tcp_state::TcpState;
use crate::{Cell32, Cell64, Frame, Packet, Shared, Time};
use wire::{Tcp, TcpFlags};

/// Ticks that a client is known for.
const KNOWN: u32 = Time::ticks(3600);
/// Ticks after which a repeated SYN means that the server has not answered: about half a second, of the second that clients wait.
const PATIENCE: u32 = 7;

/// A client of a service, spread over a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client(u64);

impl Client {
    /// The client with this address; each of IPv4 has a word of its own.
    #[inline(always)]
    pub fn new<A: Parse>(address: A, service: u32) -> Self {
        let [low, high] = address.words();
        let word = (low ^ (service as u64) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = word ^ word >> 32 ^ high;
        let word = (word ^ word >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self(word ^ word >> 29)
    }

    /// Its place among the known ones.
    #[inline(always)]
    pub const fn place(self) -> u32 {
        self.0 as u32 % CLIENTS
    }

    /// What tells it from others of the same place; never 0, which is an empty one.
    #[inline(always)]
    const fn tag(self) -> u32 {
        (self.0 >> 32) as u32 | 1
    }

    /// Its mark among those that failed, or were served.
    #[inline(always)]
    pub const fn mark(self) -> u64 {
        1 << (self.0 >> 16 & 63)
    }

    #[inline(always)]
    fn is_known<T: Shared>(self, tables: &T, now: Time) -> bool {
        let Some(place) = tables.client(self.place()) else { return false };
        let word = place.get();
        (word >> 32) as u32 == self.tag() && now.age(word as u32) < KNOWN
    }

    #[inline(always)]
    fn remember<T: Shared>(self, tables: &T, now: Time) {
        if let Some(place) = tables.client(self.place()) {
            tables.store64(place, (self.tag() as u64) << 32 | now.tick() as u64);
        }
    }
}

/// Looks at a packet that a client has sent to a watched server; `from` and `to` are the TCP states before and after it.
#[inline(always)]
pub fn see_client<A: Parse, F: Frame, T: Shared>(
    packet: &Packet<A>,
    connection: &Connection,
    (from, to): (u8, u8),
    frame: &F,
    tables: &T,
    now: Time,
) {
    if packet.flags.any(TcpFlags::SYN) {
        miss_answer(packet, connection, tables, now);
    } else if from == TcpState::SynReceived as u8 && to == TcpState::Established as u8 {
        meet_client(packet, connection, frame, tables, now);
    }
}

/// A SYN comes again: the server has had its time.
#[inline(always)]
fn miss_answer<A: Parse, T: Shared>(packet: &Packet<A>, connection: &Connection, tables: &T, now: Time) {
    let word = StateWord(connection.state.get());
    let waits = word.state() == TcpState::SynReceived as u8 && !packet.flags.any(TcpFlags::ACK);
    if !waits || Handshake(connection).is_answered() || now.age(connection.last_seen.get()) < PATIENCE {
        return;
    }
    let client = Client::new(packet.flow.source, connection.service.get());
    if client.is_known(tables, now) && is_first_failure(tables, connection, word) {
        count(tables, connection.server.get(), client, |signals| (&signals.unanswered, 1));
    }
}

/// A client has moved its connection to ESTABLISHED: if by the number that its server chose, it is one.
#[inline(always)]
fn meet_client<A: Parse, F: Frame, T: Shared>(
    packet: &Packet<A>,
    connection: &Connection,
    frame: &F,
    tables: &T,
    now: Time,
) {
    let Some(tcp) = frame.read::<Tcp>(packet.transport) else { return };
    let word = StateWord(connection.state.get());
    if !Handshake(connection).is_completed_by(tcp.acknowledgement.get()) {
        // It may have been begun anew where it stood, and proven before.
        if word.has(StateWord::PROVEN) {
            tables.exchange(&connection.state, word.0, word.without(StateWord::PROVEN).0);
        }
        return;
    }
    let client = Client::new(packet.flow.source, connection.service.get());
    client.remember(tables, now);
    let proven = word.with(StateWord::PROVEN);
    if word.is_live()
        && tables.exchange(&connection.state, word.0, proven.0)
        && let Some(signals) = tables.signals(connection.server.get())
    {
        tables.add(&signals.begun, 1);
        mark(tables, &signals.served, client);
    }
}

/// Looks at a SYN or RST of a server: `from` is the TCP state before it, `settled` says that the server has spoken since
/// the connection was established.
#[inline(always)]
pub fn see_server<A: Parse, F: Frame, T: Shared>(
    packet: &Packet<A>,
    primary: &Connection,
    (from, settled): (u8, bool),
    client: impl Fn() -> A,
    frame: &F,
    tables: &T,
    now: Time,
) {
    let watched = |server: &RealServer| server.flags.get() & RealServer::WATCHED != 0;
    if !tables.server(primary.server.get()).is_some_and(watched) {
        return;
    }
    if packet.flags.any(TcpFlags::RST) {
        end_badly(packet, primary, (from, settled), client, tables, now);
    } else if packet.flags.any(TcpFlags::ACK)
        && let Some(tcp) = frame.read::<Tcp>(packet.transport)
    {
        Handshake(primary).answered(tables, tcp.sequence.get());
    }
}

/// A server has reset a connection; whether at its beginning.
#[inline(always)]
fn end_badly<A: Parse, T: Shared>(
    packet: &Packet<A>,
    primary: &Connection,
    (from, settled): (u8, bool),
    client: impl Fn() -> A,
    tables: &T,
    now: Time,
) {
    let word = StateWord(primary.state.get());
    let refused =
        from == TcpState::SynReceived as u8 && packet.flags.any(TcpFlags::ACK) && !Handshake(primary).is_answered();
    let broken = from == TcpState::Established as u8 && word.has(StateWord::PROVEN) && !settled;
    if !refused && !broken {
        return;
    }
    let client = Client::new(client(), primary.service.get());
    if (broken || client.is_known(tables, now)) && is_first_failure(tables, primary, word) {
        count(tables, primary.server.get(), client, |signals| (&signals.reset, refused as u32));
    }
}

/// True once for a connection.
#[inline(always)]
fn is_first_failure<T: Shared>(tables: &T, connection: &Connection, word: StateWord) -> bool {
    word.is_live()
        && !word.has(StateWord::FAILED)
        && tables.exchange(&connection.state, word.0, word.with(StateWord::FAILED).0)
}

/// Counts a failure, and its connection unless that is counted.
#[inline(always)]
fn count<T: Shared>(tables: &T, server: u32, client: Client, counter: impl Fn(&Signals) -> (&Cell32, u32)) {
    let Some(signals) = tables.signals(server) else { return };
    let (failures, begun) = counter(signals);
    tables.add(failures, 1);
    if begun != 0 {
        tables.add(&signals.begun, begun);
    }
    mark(tables, &signals.failed, client);
}

/// A mark that is lost to other CPUs three times is not worth more.
#[inline(always)]
fn mark<T: Shared>(tables: &T, cell: &Cell64, client: Client) {
    for _ in 0..3 {
        let marks = cell.get();
        let marked = marks | client.mark();
        if marked == marks || tables.exchange(cell, marks, marked) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Address4, Address6};
    use crate::host::HashTables;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::collections::HashSet;

    fn four(number: u32) -> Client {
        Client::new(Address4::from(Ipv4Addr::from(0x0a00_0000 + number)), 0)
    }

    fn six(number: u128) -> Client {
        Client::new(Address6::from(Ipv6Addr::from((0xfd00 << 112) + number)), 0)
    }

    /// Neighbours of either family have places and marks of their own, as far as there are so many.
    #[test]
    fn clients_are_spread() {
        for clients in [(0..4096).map(four).collect::<Vec<_>>(), (0..4096).map(six).collect()] {
            let places: HashSet<u32> = clients.iter().map(|client| client.place()).collect();
            let marks = clients.iter().take(256).fold(0, |marks, client| marks | client.mark());
            assert!(places.len() > 3800, "{} places", places.len());
            assert!(marks.count_ones() > 58, "{marks:#x}");
        }
    }

    #[test]
    fn a_client_is_known_to_its_service_for_an_hour() {
        let tables = HashTables::new(1, 2);
        let (now, address) = (Time(1 << 50), Address4::from(Ipv4Addr::new(192, 0, 2, 1)));
        let later = |ticks: u32| Time(now.0 + ((ticks as u64) << Time::TICK_SHIFT));
        let client = Client::new(address, 0);
        assert!(!client.is_known(&tables, now));
        client.remember(&tables, now);
        assert!(client.is_known(&tables, later(KNOWN - 1)) && !client.is_known(&tables, later(KNOWN)));
        assert!(!Client::new(address, 1).is_known(&tables, now));
    }

    /// Who takes a place takes it away from who had it.
    #[test]
    fn a_later_client_of_the_same_place_makes_it_forget() {
        let (tables, now) = (HashTables::new(1, 2), Time(1 << 50));
        let (one, other) = (four(1), (2..).map(four).find(|it| it.place() == four(1).place()).unwrap());
        one.remember(&tables, now);
        assert!(one.is_known(&tables, now) && !other.is_known(&tables, now));
        other.remember(&tables, now);
        assert!(!one.is_known(&tables, now) && other.is_known(&tables, now));
    }
}
