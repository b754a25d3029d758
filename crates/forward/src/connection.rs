//! The life of a connection entry: its state word, its clock, its share in the server's load.

use crate::abi::{Connection, RealServer, Settings};
use crate::tcp_state::{self, Direction, TcpState};
use crate::{Packet, Shared, Time};
use wire::{TcpFlags, protocol};

/// The state word of a connection: TCP state, flags, generation and life in one word that changes by exchange only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateWord(pub u64);

impl StateWord {
    /// The reply direction of a NAT connection.
    pub const REPLY: u64 = 1 << 8;
    /// Reply: a bare ACK cannot change the primary's state any more.
    pub const SETTLED: u64 = 1 << 9;
    /// The director does not see the server's packets (kernel: `IP_VS_CONN_F_NOOUTPUT`).
    pub const NO_OUTPUT: u64 = 1 << 10;

    /// Either direction of a FullNAT connection.
    pub const FULL_NAT: u64 = 1 << 11;
    /// Reply of FullNAT: the client has closed, [`Connection::end`] is known.
    pub const ENDED: u64 = 1 << 12;
    /// Primary: counted as failed at its beginning ([`crate::signal`]).
    pub const FAILED: u64 = 1 << 13;
    /// Primary: its client has acknowledged the number that its server, which is watched, chose.
    pub const PROVEN: u64 = 1 << 14;

    const GENERATION: u64 = 1 << 16;
    const GENERATION_MASK: u64 = 0xffff << 16;
    const LIVE: u64 = 1 << 32;
    const BUSY: u64 = 1 << 33;
    const LIFE_MASK: u64 = Self::LIVE | Self::BUSY;

    /// A live word with this state and these flags.
    #[inline(always)]
    pub const fn live(state: u8, flags: u64) -> Self {
        Self(Self::LIVE | flags | state as u64)
    }

    /// The TCP state by number.
    #[inline(always)]
    pub const fn state(self) -> u8 {
        self.0 as u8
    }

    /// True when packets may use the entry. A zeroed entry is dead.
    #[inline(always)]
    pub const fn is_live(self) -> bool {
        self.0 & Self::LIVE != 0
    }

    /// True when packets may use the entry and it is none of FullNAT's.
    #[inline(always)]
    pub const fn is_live_and_plain(self) -> bool {
        self.0 & (Self::LIVE | Self::FULL_NAT) == Self::LIVE
    }

    /// True while one CPU re-creates or removes the entry: hands off.
    #[inline(always)]
    pub const fn is_busy(self) -> bool {
        self.0 & Self::BUSY != 0
    }

    /// True when all of `flags` are set.
    #[inline(always)]
    pub const fn has(self, flags: u64) -> bool {
        self.0 & flags == flags
    }

    /// The same word in another state.
    #[inline(always)]
    pub const fn with_state(self, state: u8) -> Self {
        Self(self.0 & !0xff | state as u64)
    }

    /// The same word with `flags` set.
    #[inline(always)]
    pub const fn with(self, flags: u64) -> Self {
        Self(self.0 | flags)
    }

    /// The same word without `flags`.
    #[inline(always)]
    pub const fn without(self, flags: u64) -> Self {
        Self(self.0 & !flags)
    }

    /// The entry dead, of the next generation, so that no exchange that began before can succeed after.
    #[inline(always)]
    pub const fn dead(self) -> Self {
        let generation = (self.0 & Self::GENERATION_MASK).wrapping_add(Self::GENERATION) & Self::GENERATION_MASK;
        Self(self.0 & !(Self::LIFE_MASK | Self::GENERATION_MASK) | generation)
    }

    /// The entry in the hands of one CPU.
    #[inline(always)]
    pub const fn busy(self) -> Self {
        Self(self.dead().0 | Self::BUSY)
    }

    /// This (busy) entry live again, with a state and flags.
    #[inline(always)]
    pub const fn reborn(self, state: u8, flags: u64) -> Self {
        Self(Self::live(state, flags).0 | self.0 & Self::GENERATION_MASK)
    }
}

/// Ticks that a connection in this state may be silent, by the settings now.
#[inline(always)]
pub fn timeout<T: Shared>(tables: &T, protocol: u8, state: u8) -> u32 {
    let Some(settings) = tables.settings() else { return 0 };
    if protocol == protocol::TCP {
        settings.tcp_timeouts.get(state as usize).map_or(0, |cell| cell.get())
    } else {
        settings.udp_timeout.get()
    }
}

/// Gives the connection the time-out of its state (kernel: with every packet; here once a tick and with every change
/// of state).
#[inline(always)]
pub fn rearm<T: Shared>(tables: &T, connection: &Connection, protocol: u8, state: u8) {
    let timeout = timeout(tables, protocol, state);
    if connection.timeout.get() != timeout {
        tables.store32(&connection.timeout, timeout);
    }
}

/// True when the connection has been silent for longer than it may.
#[inline(always)]
pub fn is_expired(connection: &Connection, now: Time) -> bool {
    now.age(connection.last_seen.get()) > connection.timeout.get()
}

/// True when `primary` is the living primary of this reply entry: its server may have changed since.
#[inline(always)]
pub fn is_primary_of(primary: &Connection, reply: &Connection) -> bool {
    StateWord(primary.state.get()).is_live() && primary.server.get() == reply.server.get()
}

/// True when a live entry shall not serve this packet but be scheduled anew: expired, closed and reopened by a SYN
/// (conn_reuse_mode), or without a server where expire_nodest_conn says so.
#[inline(always)]
pub fn is_replaceable<A, T: Shared>(tables: &T, connection: &Connection, packet: &Packet<A>, now: Time) -> bool {
    let id = connection.server.get();
    let flags = tables.server(id).map_or(0, |server| server.flags.get());
    is_stale(tables, connection, packet, now) || is_orphan_to_expire(tables, id, flags, packet)
}

/// The part of [`is_replaceable`] that does not depend on the server.
#[inline(always)]
pub fn is_stale<A, T: Shared>(tables: &T, connection: &Connection, packet: &Packet<A>, now: Time) -> bool {
    is_expired(connection, now) || (packet.flags.any(TcpFlags::SYN) && is_reopened(tables, connection))
}

/// A SYN on a connection in TIME_WAIT or CLOSE is a new one (ip_vs_core.c, `is_new_conn_expected`).
#[inline(always)]
fn is_reopened<T: Shared>(tables: &T, connection: &Connection) -> bool {
    let word = StateWord(connection.state.get());
    let flags = tables.settings().map_or(0, |settings| settings.flags.get());
    let state = word.state();
    if state == TcpState::TimeWait as u8 || state == TcpState::Close as u8 {
        flags & Settings::REUSE != 0
    } else {
        state == TcpState::FinWait as u8 && word.has(StateWord::NO_OUTPUT) && flags & Settings::REUSE_FIN_WAIT != 0
    }
}

/// expire_nodest_conn: any packet of a connection whose server is gone, a SYN also when it is quiesced.
#[inline(always)]
pub fn is_orphan_to_expire<A, T: Shared>(tables: &T, server: u32, server_flags: u32, packet: &Packet<A>) -> bool {
    let flags = tables.settings().map_or(0, |settings| settings.flags.get());
    if flags & Settings::EXPIRE_NODEST == 0 {
        return false;
    }
    server_flags & RealServer::AVAILABLE == 0
        || (packet.flags.any(TcpFlags::SYN) && tables.load(server).is_some_and(|load| load.weight.get() == 0))
}

/// expire_nodest_conn: the connection's server is gone; nobody need wait for a packet.
#[inline(always)]
pub fn is_abandoned<T: Shared>(tables: &T, connection: &Connection) -> bool {
    let flags = tables.settings().map_or(0, |settings| settings.flags.get());
    let removed = |server: &RealServer| server.flags.get() & RealServer::AVAILABLE == 0;
    flags & Settings::EXPIRE_NODEST != 0 && tables.server(connection.server.get()).is_some_and(removed)
}

/// Moves the connection's TCP state by one packet, and the server's active and inactive counts with it: exactly once,
/// by whoever wins the exchange. Returns the states before and afterwards.
#[inline(always)]
pub fn step<T: Shared>(tables: &T, connection: &Connection, direction: Direction, flags: TcpFlags) -> (u8, u8) {
    let mut state = 0;
    for _ in 0..3 {
        let word = StateWord(connection.state.get());
        let direction = if direction == Direction::Input && word.has(StateWord::NO_OUTPUT) {
            Direction::InputOnly
        } else {
            direction
        };
        state = tcp_state::next(direction, flags, word.state());
        if state == word.state() || !word.is_live() {
            return (state, state);
        }
        if tables.exchange(&connection.state, word.0, word.with_state(state).0) {
            move_load(tables, connection.server.get(), word.state(), state);
            rearm(tables, connection, protocol::TCP, state);
            return (word.state(), state);
        }
    }
    (state, state)
}

#[inline(always)]
fn move_load<T: Shared>(tables: &T, server: u32, from: u8, to: u8) {
    let Some(load) = tables.load(server) else { return };
    match (tcp_state::is_active(from), tcp_state::is_active(to)) {
        (false, true) => {
            tables.add(&load.active, 1);
            tables.add(&load.inactive, u32::MAX);
        }
        (true, false) => {
            tables.add(&load.inactive, 1);
            tables.add(&load.active, u32::MAX);
        }
        _ => {}
    }
}

/// Adds one connection in `state` to its server's load, or with `u32::MAX` takes one off.
#[inline(always)]
pub fn add_load<T: Shared>(tables: &T, server: u32, protocol: u8, state: u8, delta: u32) {
    let Some(load) = tables.load(server) else { return };
    let active = protocol == protocol::TCP && tcp_state::is_active(state);
    tables.add(if active { &load.active } else { &load.inactive }, delta);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_goes_through_life() {
        let word = StateWord::live(TcpState::SynReceived as u8, StateWord::NO_OUTPUT);
        assert!(word.is_live() && !word.is_busy() && word.has(StateWord::NO_OUTPUT));
        assert_eq!(word.with_state(1).state(), 1);
        let dead = word.dead();
        assert!(!dead.is_live() && dead != word);
        let busy = dead.busy();
        assert!(busy.is_busy() && !busy.is_live());
        let again = busy.reborn(3, 0);
        assert!(again.is_live() && !again.is_busy() && again.0 != word.0);
        assert!(!StateWord(0).is_live());
    }

    #[test]
    fn generations_wrap_without_touching_anything_else() {
        let mut word = StateWord::live(5, StateWord::REPLY);
        for _ in 0..70_000 {
            word = word.dead();
        }
        assert_eq!(word.state(), 5);
        assert!(word.has(StateWord::REPLY) && !word.is_live() && !word.is_busy());
    }
}
