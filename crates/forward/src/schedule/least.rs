//! lc, wlc, sed, nq, fo and ovf: the whole list is looked at, and the best server taken.

use super::STRETCH;
use crate::Shared;
use crate::abi::SchedulerKind::{
    self, Failover, LeastConnection, NeverQueue, Overflow, ShortestExpectedDelay, WeightedLeastConnection,
};
use crate::abi::{Load, MAX_SERVERS_PER_SERVICE, NO_SERVER, Service};
use core::hint::black_box;

/// The server whose cost is least for its share; the first of equals wins.
#[inline(always)]
pub fn least_connection<T: Shared>(tables: &T, service: &Service) -> u32 {
    let mut chosen = NO_SERVER;
    let mut position = 0;
    while position < MAX_SERVERS_PER_SERVICE && position < service.list_count {
        chosen = tables.least_of_stretch(service, position, chosen);
        position += STRETCH;
    }
    chosen
}

/// The part of [`least_connection`] from position `from` on, after `chosen` was the best so far.
///
/// The choice is kept as the id read from the table, never as a position: the verifier follows known numbers one by
/// one through the loop and would not come to an end. Nor does it follow more than eight branches a server, so that the
/// schedulers differ by factors here.
#[inline(always)]
pub fn least_of_stretch<T: Shared>(tables: &T, service: &Service, from: u32, chosen: u32) -> u32 {
    let (start, count) = (service.list_start, service.list_count);
    let taste = Taste::of(service.scheduler);
    // Before the first choice every cost is less: `1 × share > cost × 0`.
    let (mut chosen, mut least, mut its_share) = (chosen, 1u64, 0u64);
    if chosen != NO_SERVER
        && let Some(load) = tables.load(chosen)
    {
        (least, its_share) = (taste.cost(load), taste.share(load));
    }
    let mut position = from;
    let mut steps = 0;
    while steps < STRETCH && position < count {
        let Some(server) = tables.slot(start.wrapping_add(position)) else { break };
        let Some(load) = tables.load(server) else { break };
        position += 1;
        steps += 1;
        let (cost, share) = (taste.cost(load), taste.share(load));
        if least * share > cost * its_share {
            (chosen, least, its_share) = (server, cost, share);
        }
    }
    chosen
}

/// Factors by which the schedulers differ, each 0 or 1 but for the last.
///
/// The compiler must know neither what they are nor that they are 0 or 1: it would make branches of them again, and the
/// verifier follow each, for every server.
struct Taste {
    /// lc, wlc: 256 × active + inactive.
    all: u64,
    /// sed, nq: the active ones.
    active: u64,
    /// sed, fo, ovf: and one more.
    one: u64,
    /// nq: and one more unless the server is idle, which costs nothing then.
    busy: u64,
    /// All but lc: by weight.
    weighted: u64,
    /// ovf: not while there are more active ones than the weight says.
    overflow: u64,
    /// Bits of a load.
    width: u64,
}

impl Taste {
    #[inline(always)]
    fn of(scheduler: u8) -> Self {
        let is_one_of = |kinds: u64| black_box(black_box(kinds) >> (scheduler & 63) & 1);
        Self {
            all: is_one_of(ALL),
            active: is_one_of(ACTIVE),
            one: is_one_of(ONE),
            busy: is_one_of(BUSY),
            weighted: is_one_of(WEIGHTED),
            overflow: is_one_of(OVERFLOW),
            width: black_box(32),
        }
    }

    /// What one more connection costs a server.
    #[inline(always)]
    fn cost(&self, load: &Load) -> u64 {
        let (active, inactive) = (load.active.get() as u64, load.inactive.get() as u64);
        ((active << 8) + inactive) * self.all + active * self.active + self.one + self.is_there(active) * self.busy
    }

    /// What a server's cost is divided by; 0 for one that is not eligible.
    #[inline(always)]
    fn share(&self, load: &Load) -> u64 {
        let (weight, active) = (load.weight.get() as u64, load.active.get() as u64);
        let is_over = (weight.wrapping_sub(active) >> self.width) & self.overflow;
        let there = self.is_there(weight);
        (there + (weight - there) * self.weighted) * (1 - is_over)
    }

    /// 0 of 0, 1 of any other number of 32 bits.
    #[inline(always)]
    fn is_there(&self, number: u64) -> u64 {
        (number + u32::MAX as u64) >> self.width
    }
}

const ALL: u64 = set(&[LeastConnection, WeightedLeastConnection]);
const ACTIVE: u64 = set(&[ShortestExpectedDelay, NeverQueue]);
const ONE: u64 = set(&[ShortestExpectedDelay, Failover, Overflow]);
const BUSY: u64 = set(&[NeverQueue]);
const WEIGHTED: u64 = !set(&[LeastConnection]);
const OVERFLOW: u64 = set(&[Overflow]);

/// A bit for each of them.
const fn set(kinds: &[SchedulerKind]) -> u64 {
    let (mut bits, mut rest) = (0, kinds);
    while let [kind, others @ ..] = rest {
        bits |= 1 << *kind as u8;
        rest = others;
    }
    bits
}
