//! The end of connections: retire what has been silent too long, later remove what is retired.
//!
//! Two steps, because a preallocated element is reused at once: a CPU that still holds a pointer would write into
//! another flow. A retired entry is a miss for every packet and may be revived in place; only after a grace period is
//! it removed.

use crate::abi::{Connection, FlowKey, Port};
use crate::connection::{self, StateWord};
use crate::parse::Parse;
use crate::{Tables, Time, address, establish, fullnat, steer};

/// Ticks between retiring and removing: far longer than any packet is in flight through the programs.
pub const GRACE: u32 = Time::ticks(2);

/// Ticks that the local port of a closed FullNAT connection is remembered for: as long as its server may wait there
/// (TIME_WAIT of Linux: 60 s). Taken again before, it goes on from where it ended.
pub const QUARANTINE: u32 = Time::ticks(64);

/// What became of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It lives on.
    Kept,
    /// It is dead now, and will be removed in a later pass.
    Retired,
    /// It is gone.
    Removed,
}

/// Looks at one entry and retires or removes it if its time has come.
#[inline(always)]
pub fn expire<A: Parse, T: Tables<A>>(key: &FlowKey<A>, tables: &T, now: Time) -> Outcome {
    let Some(connection) = tables.connection(key) else { return Outcome::Kept };
    let word = StateWord(connection.state.get());
    if word.is_busy() {
        return Outcome::Kept;
    }
    if !word.is_live() {
        return remove(key, connection, word, tables, now);
    }
    let over = if word.has(StateWord::REPLY) {
        is_reply_over(key, connection, tables, now)
    } else {
        connection::is_expired(connection, now) || connection::is_abandoned(tables, connection)
    };
    if !over || !tables.exchange(&connection.state, word.0, word.dead().0) {
        return Outcome::Kept;
    }
    if !word.has(StateWord::REPLY) {
        establish::wind_up(tables, key, connection, word, now);
    }
    tables.store32(&connection.last_seen, now.tick());
    Outcome::Retired
}

#[inline(always)]
fn remove<A: Parse, T: Tables<A>>(
    key: &FlowKey<A>,
    connection: &Connection,
    word: StateWord,
    tables: &T,
    now: Time,
) -> Outcome {
    let rest = if word.has(StateWord::ENDED) { QUARANTINE } else { GRACE };
    if now.age(connection.last_seen.get()) < rest || !tables.exchange(&connection.state, word.0, word.busy().0) {
        return Outcome::Kept;
    }
    tables.remove(key);
    Outcome::Removed
}

/// A reply lives as long as its primary, and at least for the grace period (the primary is inserted after it).
#[inline(always)]
fn is_reply_over<A: Parse, T: Tables<A>>(key: &FlowKey<A>, reply: &Connection, tables: &T, now: Time) -> bool {
    if now.age(reply.last_seen.get()) < GRACE {
        return false;
    }
    if StateWord(reply.state.get()).has(StateWord::FULL_NAT) {
        let flow = fullnat::primary_key::<A, T>(tables, key.protocol, reply);
        let primary = flow.and_then(|flow| tables.connection(&flow));
        return primary.is_none_or(|primary| !fullnat::is_primary_of(primary, reply, key));
    }
    let flow = steer::primary_key(key, address::load::<A>(&reply.address), Port(reply.port.get() as u16));
    tables.connection(&flow).is_none_or(|primary| !connection::is_primary_of(primary, reply))
}
