//! Choosing a real server for a new connection, as the kernel chooses (net/netfilter/ipvs/ip_vs_{rr,wrr,lc,wlc,sh,mh}.c).
//!
//! Lists stand newest first, as in the kernel. The hash schedulers are one table look-up; the list schedulers scan,
//! bounded by [`MAX_SERVERS_PER_SERVICE`].

use crate::abi::{Load, MAX_SERVERS_PER_SERVICE, NO_SERVER, SchedulerKind, Service};
use crate::{Address, Packet, Shared};

const ROUND_ROBIN: u8 = SchedulerKind::RoundRobin as u8;
const WEIGHTED_ROUND_ROBIN: u8 = SchedulerKind::WeightedRoundRobin as u8;
const LEAST_CONNECTION: u8 = SchedulerKind::LeastConnection as u8;
const WEIGHTED_LEAST_CONNECTION: u8 = SchedulerKind::WeightedLeastConnection as u8;
const SOURCE_HASH: u8 = SchedulerKind::SourceHash as u8;
const MAGLEV: u8 = SchedulerKind::Maglev as u8;

/// The server for a new connection, or `NO_SERVER` when none is eligible.
#[inline(always)]
pub fn schedule<A: Address, T: Shared>(tables: &T, service: &Service, packet: &Packet<A>) -> u32 {
    if service.table_size == 0 {
        return pick(tables, service);
    }
    let port = if service.flags & Service::HASH_PORT != 0 { packet.flow.source_port.get() as u32 } else { 0 };
    let client = packet.flow.source.fold().wrapping_add(port);
    let slot = match service.scheduler {
        SOURCE_HASH => source_hash(client) % service.table_size,
        MAGLEV => maglev_hash(client) % service.table_size,
        _ => return NO_SERVER,
    };
    let server = tables.slot(service.table_start.wrapping_add(slot)).unwrap_or(NO_SERVER);
    match tables.load(server) {
        Some(load) if load.weight.get() > 0 => server,
        _ => NO_SERVER,
    }
}

/// The bucket of a client under sh: the kernel's `hash_32` to eight bits.
#[inline(always)]
pub const fn source_hash(client: u32) -> u32 {
    client.wrapping_mul(0x61c8_8647) >> 24
}

/// The hash of a client under mh: the kernel's `hsiphash` of one word (SipHash-1-3 on 64-bit machines) under mh's first key.
#[inline(always)]
pub const fn maglev_hash(client: u32) -> u32 {
    const KEY: u64 = 2_654_435_761;
    let state = [
        0x736f_6d65_7073_6575 ^ KEY,
        0x646f_7261_6e64_6f6d ^ KEY,
        0x6c79_6765_6e65_7261 ^ KEY,
        0x7465_6462_7974_6573 ^ KEY,
    ];
    let block = 4 << 56 | client as u64;
    let [a, b, c, d] = state;
    let [a, b, c, d] = sip_round([a, b, c, d ^ block]);
    let [a, b, c, d] = sip_round(sip_round(sip_round([a ^ block, b, c ^ 0xff, d])));
    (a ^ b ^ c ^ d) as u32
}

/// One round of SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF", §2.1).
#[inline(always)]
const fn sip_round([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    let a = a.wrapping_add(b);
    let b = b.rotate_left(13) ^ a;
    let a = a.rotate_left(32);
    let c = c.wrapping_add(d);
    let d = d.rotate_left(16) ^ c;
    let a = a.wrapping_add(d);
    let d = d.rotate_left(21) ^ a;
    let c = c.wrapping_add(b);
    let b = b.rotate_left(17) ^ c;
    let c = c.rotate_left(32);
    [a, b, c, d]
}

/// The server that a list scheduler picks, or `NO_SERVER`; moves the cursor of rr and wrr.
#[inline(always)]
fn pick<T: Shared>(tables: &T, service: &Service) -> u32 {
    match service.scheduler {
        ROUND_ROBIN => round_robin(tables, service),
        WEIGHTED_ROUND_ROBIN => weighted_round_robin(tables, service),
        LEAST_CONNECTION | WEIGHTED_LEAST_CONNECTION => tables.least_connection(service),
        _ => NO_SERVER,
    }
}

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
    let (start, count) = (service.list_start, service.list_count);
    let mut largest = 0;
    let mut position = from;
    let mut steps = 0;
    while steps < MAX_SERVERS_PER_SERVICE && position < count {
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
fn round_robin<T: Shared>(tables: &T, service: &Service) -> u32 {
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
fn weighted_round_robin<T: Shared>(tables: &T, service: &Service) -> u32 {
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

/// The server with the least overhead (256 × active + inactive), by weight or not; the first of equals wins.
///
/// The choice is kept as the id read from the table, never as a position: the verifier follows known numbers one by
/// one through the loop and would not come to an end.
#[inline(always)]
pub fn least_connection<T: Shared>(tables: &T, service: &Service) -> u32 {
    let weighted = service.scheduler == WEIGHTED_LEAST_CONNECTION;
    let (start, count) = (service.list_start, service.list_count);
    // Before the first choice every overhead is less: `1 × share > overhead × 0`.
    let (mut chosen, mut least, mut its_weight) = (NO_SERVER, 1u64, 0u64);
    let mut position = 0;
    while position < MAX_SERVERS_PER_SERVICE && position < count {
        let Some(server) = tables.slot(start.wrapping_add(position)) else { break };
        let Some(load) = tables.load(server) else { break };
        position += 1;
        let weight = load.weight.get() as u64;
        let overhead = ((load.active.get() as u64) << 8) + load.inactive.get() as u64;
        let share = if weighted || weight == 0 { weight } else { 1 };
        if least * share > overhead * its_weight {
            (chosen, least, its_weight) = (server, overhead, share);
        }
    }
    chosen
}
