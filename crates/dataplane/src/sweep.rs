//! Sweeping the connection tables, slice by slice.
//!
//! Only candidates are picked here, by their clock; the `expire` programs look again and decide, because between a
//! look and a removal from here a packet may refresh the connection.

use crate::error::{Doing, Error};
use crate::load::Generation;
use crate::maps::Maps;
use crate::plain::Plain;
use crate::syscall;
use crate::table::{SliceBuffer, Table};
use forward::Time;
use forward::abi::{Address4, Address6, Connection, FlowKey, RealServer, Settings};
use forward::connection::StateWord;
use forward::expire::GRACE;
use std::os::fd::{AsFd, BorrowedFd};

/// Entries looked at in one system call: a few milliseconds.
const SLICE: u32 = 4096;
/// Keys an `expire` program takes at once.
const KEYS: usize = 64;
/// Zeroes where a frame has its Ethernet header.
const HEADER: usize = 14;

/// How full a table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TableUse {
    /// Entries in use, as of the last complete pass (NAT uses two per connection).
    pub used: u32,
    /// Entries there is room for.
    pub size: u32,
}

/// What one slice brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SweepReport {
    /// IPv4
    pub family4: TableUse,
    /// IPv6
    pub family6: TableUse,
    /// Entries removed in this slice.
    pub expired: u64,
    /// True when this slice was the last of a pass over both tables.
    pub complete: bool,
}

/// Where the pass stands.
pub(crate) struct Sweeper {
    walk4: Walk<Address4>,
    walk6: Walk<Address6>,
    on_family6: bool,
}

impl Sweeper {
    pub(crate) const fn new() -> Self {
        Self { walk4: Walk::new(), walk6: Walk::new(), on_family6: false }
    }

    /// Sweeps one slice.
    pub(crate) fn step(&mut self, maps: &Maps, programs: &Generation) -> Result<SweepReport, Error> {
        let clock = Clock { now: now()?, orphans: Orphans::of(maps) };
        let step = if self.on_family6 {
            self.walk6.step(&maps.connections6, programs.expire6.as_fd(), &clock)?
        } else {
            self.walk4.step(&maps.connections4, programs.expire4.as_fd(), &clock)?
        };
        let complete = step.is_last && self.on_family6;
        self.on_family6 ^= step.is_last;
        let (size4, size6) = maps.connection_sizes().doing(|| "look at the connection tables".to_owned())?;
        Ok(SweepReport {
            family4: TableUse { used: self.walk4.used, size: size4 },
            family6: TableUse { used: self.walk6.used, size: size6 },
            expired: step.expired,
            complete,
        })
    }
}

/// The clock that the programs read, too.
pub(crate) fn now() -> Result<Time, Error> {
    use nix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map_err(std::io::Error::from);
    let now = now.doing(|| "read the clock".to_owned())?;
    Ok(Time(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64))
}

struct Clock<'m> {
    now: Time,
    orphans: Orphans<'m>,
}

/// Whose connections end without being silent first (expire_nodest_conn).
#[derive(Clone, Copy)]
enum Orphans<'m> {
    /// Nobody's.
    Wait,
    /// Those of servers that are no more.
    End(&'m Maps),
}

impl<'m> Orphans<'m> {
    fn of(maps: &'m Maps) -> Self {
        let flags = maps.settings.get(0).map_or(0, |settings| settings.flags.get());
        if flags & Settings::EXPIRE_NODEST == 0 { Self::Wait } else { Self::End(maps) }
    }

    fn include(self, connection: &Connection) -> bool {
        let Self::End(maps) = self else { return false };
        let server = maps.servers.get(connection.server.get());
        server.is_some_and(|server| server.flags.get() & RealServer::AVAILABLE == 0)
    }
}

impl Clock<'_> {
    /// True when the entry may be at its end. Replies live as long as their primaries, which only the program looks up.
    fn is_candidate(&self, connection: &Connection) -> bool {
        let word = StateWord(connection.state.get());
        let age = self.now.age(connection.last_seen.get());
        if word.is_busy() {
            false
        } else if !word.is_live() || word.has(StateWord::REPLY) {
            age >= GRACE
        } else {
            age > connection.timeout.get() || self.orphans.include(connection)
        }
    }
}

struct Step {
    expired: u64,
    is_last: bool,
}

/// A pass over the table of one family.
struct Walk<A> {
    position: Option<u32>,
    counted: u32,
    used: u32,
    buffer: SliceBuffer<FlowKey<A>, Connection>,
}

impl<A> Walk<A>
where
    FlowKey<A>: Plain,
{
    const fn new() -> Self {
        Self { position: None, counted: 0, used: 0, buffer: SliceBuffer::new() }
    }

    fn step(
        &mut self,
        table: &Table<FlowKey<A>, Connection>,
        program: BorrowedFd<'_>,
        clock: &Clock<'_>,
    ) -> Result<Step, Error> {
        let slice = self.buffer.read(table, self.position, SLICE).doing(|| "sweep connections".to_owned())?;
        let candidates = self.buffer.entries().filter(|(_, entry)| clock.is_candidate(entry));
        let keys: Vec<&[u8]> = candidates.map(|(key, _)| key.bytes()).collect();
        let mut expired = 0;
        for keys in keys.chunks(KEYS) {
            expired += expire(program, keys)?;
        }
        self.counted += slice.count;
        self.position = slice.next;
        let is_last = slice.next.is_none();
        if is_last {
            self.used = std::mem::take(&mut self.counted);
        }
        Ok(Step { expired, is_last })
    }
}

/// Has the program look at these keys; gives how many entries it removed.
fn expire(program: BorrowedFd<'_>, keys: &[&[u8]]) -> Result<u64, Error> {
    let mut frame = vec![0; HEADER];
    for key in keys {
        frame.extend_from_slice(key);
    }
    let result = syscall::test_run(program, &frame, 0).doing(|| "expire connections".to_owned())?;
    Ok(u64::from(result.result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forward::TcpState;

    fn connection(state: u64, last_seen: u32) -> Connection {
        let connection = Connection::default();
        connection.state.set(state);
        connection.last_seen.set(last_seen);
        connection.timeout.set(Time::ticks(60));
        connection
    }

    #[test]
    fn candidates_are_silent_for_longer_than_they_may() {
        let tick = 1_000_000;
        let clock = Clock { now: Time(tick << Time::TICK_SHIFT), orphans: Orphans::Wait };
        let seen = |seconds| tick as u32 - Time::ticks(seconds);
        let live = StateWord::live(TcpState::SynReceived as u8, 0).0;
        assert!(!clock.is_candidate(&connection(live, seen(60))));
        assert!(clock.is_candidate(&connection(live, seen(61))));
        let reply = StateWord::live(0, StateWord::REPLY);
        assert!(
            clock.is_candidate(&connection(reply.0, seen(3))) && !clock.is_candidate(&connection(reply.0, seen(1)))
        );
        assert!(clock.is_candidate(&connection(reply.dead().0, seen(3))));
        assert!(!clock.is_candidate(&connection(reply.busy().0, seen(9000))));
    }
}
