//! rr and wrr: a cursor goes around the list.

use super::STRETCH;
use crate::Shared;
use crate::abi::{Load, MAX_SERVERS_PER_SERVICE, NO_SERVER, Service};

/// A cursor: position of the last choice plus one (0: before the head), and wrr's current weight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    /// Position in the list plus one; 0 before the head.
    pub position: u32,
    /// wrr's current weight.
    pub weight: u32,
}

impl Cursor {
    /// From the shared word.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self { position: word as u32, weight: (word >> 32) as u32 }
    }

    /// As the shared word.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.position as u64 | (self.weight as u64) << 32
    }
}

/// What a traversal of a list found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scan {
    /// Position of the server found, plus one; 0 when none was.
    pub found: u32,
    /// The largest weight seen on the way.
    pub largest: u32,
}

impl Scan {
    /// From the word that a BPF function returns.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self { found: word as u32, largest: (word >> 32) as u32 }
    }

    /// As one word.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.found as u64 | (self.largest as u64) << 32
    }
}

/// From position `from` to the end of the list: the first server whose weight is at least `minimum` (and not 0).
#[inline(always)]
pub fn scan<T: Shared>(tables: &T, service: &Service, from: u32, minimum: u32) -> Scan {
    let mut largest = 0;
    let mut position = from;
    let mut stretches = 0;
    while stretches < MAX_SERVERS_PER_SERVICE / STRETCH && position < service.list_count {
        let scan = tables.scan_stretch(service, position, minimum);
        if scan.found != 0 {
            return scan;
        }
        if scan.largest > largest {
            largest = scan.largest;
        }
        position = position.wrapping_add(STRETCH);
        stretches += 1;
    }
    Scan { found: 0, largest }
}

/// The part of [`scan`] from position `from` on.
#[inline(always)]
pub fn scan_stretch<T: Shared>(tables: &T, service: &Service, from: u32, minimum: u32) -> Scan {
    let (start, count) = (service.list_start, service.list_count);
    let mut largest = 0;
    let mut position = from;
    let mut steps = 0;
    while steps < STRETCH && position < count {
        let Some(load) = load_at(tables, start.wrapping_add(position)) else { break };
        position += 1;
        steps += 1;
        let weight = load.weight.get();
        if weight >= minimum && weight > 0 {
            return Scan { found: position, largest: weight };
        }
        if weight > largest {
            largest = weight;
        }
    }
    Scan { found: 0, largest }
}

#[inline(always)]
fn load_at<T: Shared>(tables: &T, slot: u32) -> Option<&Load> {
    tables.load(tables.slot(slot)?)
}

#[inline(always)]
fn server_at<T: Shared>(tables: &T, service: &Service, found: u32) -> u32 {
    tables.slot(service.list_start.wrapping_add(found.wrapping_sub(1))).unwrap_or(NO_SERVER)
}

/// The next server after the cursor with a weight, once around the list.
#[inline(always)]
pub(super) fn round_robin<T: Shared>(tables: &T, service: &Service) -> u32 {
    let Some(cell) = tables.cursor(service.id) else { return NO_SERVER };
    let mut server = NO_SERVER;
    for _ in 0..4 {
        let word = cell.get();
        let mut found = tables.scan(service, Cursor::from_word(word).position, 1).found;
        if found == 0 {
            found = tables.scan(service, 0, 1).found;
        }
        if found == 0 {
            return NO_SERVER;
        }
        server = server_at(tables, service, found);
        // Whoever loses the exchange looks again, so that no two CPUs serve the same turn.
        if tables.exchange(cell, word, Cursor { position: found, weight: 0 }.word()) {
            break;
        }
    }
    server
}

/// The kernel's interleaved wrr. A traversal that finds nothing tells the largest weight there is, so that the weights
/// in between, at which no server could be found either, are stepped over at once: three traversals always do.
#[inline(always)]
pub(super) fn weighted_round_robin<T: Shared>(tables: &T, service: &Service) -> u32 {
    let Some(cell) = tables.cursor(service.id) else { return NO_SERVER };
    let mut server = NO_SERVER;
    for _ in 0..4 {
        let word = cell.get();
        let next = next_turn(tables, service, Cursor::from_word(word));
        if next.position == 0 {
            return NO_SERVER;
        }
        server = server_at(tables, service, next.position);
        if tables.exchange(cell, word, next.word()) {
            break;
        }
    }
    server
}

/// Where wrr's cursor goes from `cursor`; position 0 when no server is eligible.
#[inline(always)]
fn next_turn<T: Shared>(tables: &T, service: &Service, cursor: Cursor) -> Cursor {
    let mut weight = cursor.weight;
    if weight == 0 || weight > service.weight_top {
        weight = service.weight_top;
    }
    let mut scan = tables.scan(service, cursor.position, weight);
    if scan.found == 0 {
        weight = lower(weight, service);
        scan = tables.scan(service, 0, weight);
    }
    if scan.found == 0 && scan.largest > 0 {
        weight = lower_to(weight, scan.largest, service.weight_step);
        scan = tables.scan(service, 0, weight);
    }
    Cursor { position: scan.found, weight }
}

/// One step down, from the lowest back to the top.
#[inline(always)]
fn lower(weight: u32, service: &Service) -> u32 {
    if weight > service.weight_step { weight - service.weight_step } else { service.weight_top }
}

/// The highest weight on the ladder of `step`s below `weight` that is not over `largest`.
#[inline(always)]
fn lower_to(weight: u32, largest: u32, step: u32) -> u32 {
    if step == 0 || weight <= largest {
        return weight;
    }
    let steps = (weight - largest).div_ceil(step);
    let lowered = weight.wrapping_sub(steps.wrapping_mul(step));
    if lowered == 0 || lowered > weight { 1 } else { lowered }
}
