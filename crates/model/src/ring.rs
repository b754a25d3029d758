//! Tables and constants of the schedulers, filled exactly as the kernel fills them.
//!
//! Servers stand in kernel order (newest first); results are indices into that order. The packet side only
//! looks up: which slot a client falls on is said at [`maglev`] and [`source_hash`].

use crate::Endpoint;
use crate::hash::{MAGLEV_OFFSET_KEY, MAGLEV_SKIP_KEY, fold, half_siphash};

/// Slots of a Maglev table: the prime of the kernel's default, `CONFIG_IP_VS_MH_TAB_INDEX=12`.
pub const MAGLEV_SLOTS: usize = 4093;
/// Slots of a source hash table, and of a destination hash table.
pub const SOURCE_HASH_SLOTS: usize = 256;
/// A turn of a Maglev server is at most this many bits wide; larger weights are shifted down.
const MAGLEV_TURN_BITS: u32 = 6;

/// The Maglev table for servers with their [`last_weight`]s: one index per slot, or no slots at all while no
/// server ever had a weight. A server whose weight is 0 now keeps its slots (nobody is served from them).
///
/// A client falls on slot `half_siphash(MAGLEV_OFFSET_KEY, fold(address) + port) % MAGLEV_SLOTS`, the sum
/// wrapping, the port 0 unless the service has mh-port.
pub fn maglev(servers: &[(Endpoint, u32)]) -> Vec<usize> {
    let mut walks = walks(servers);
    let mut table = vec![None; MAGLEV_SLOTS];
    let mut free = MAGLEV_SLOTS;
    if walks.iter().all(|walk| walk.turns == 0) {
        return Vec::new();
    }
    'full: loop {
        for (index, walk) in walks.iter_mut().enumerate() {
            for _ in 0..walk.turns {
                walk.take(&mut table, index);
                free -= 1;
                if free == 0 {
                    break 'full;
                }
            }
        }
    }
    table.into_iter().flatten().collect()
}

/// The source hash table for servers with their current weights: each in turn takes as many slots as its weight
/// says, and at least one. All slots are empty when there are no servers.
///
/// A client falls on slot `source_hash_slot(fold(address) + port)`, the sum wrapping, the port 0 unless the service
/// has sh-port. A slot whose server has weight 0 serves nobody.
pub fn source_hash(weights: &[u32]) -> Vec<Option<usize>> {
    let turns = weights.iter().enumerate().flat_map(|(index, weight)| {
        let slots = (*weight).clamp(1, SOURCE_HASH_SLOTS as u32);
        std::iter::repeat_n(Some(index), slots as usize)
    });
    let mut table: Vec<_> = turns.cycle().take(SOURCE_HASH_SLOTS).collect();
    table.resize(SOURCE_HASH_SLOTS, None);
    table
}

/// The destination hash table for so many servers: dealt in turn, whatever their weights. All slots are empty when there
/// are no servers.
///
/// A client falls on slot `source_hash_slot(fold(virtual address))`. A slot whose server has weight 0 serves nobody.
pub fn destination_hash(servers: usize) -> Vec<Option<usize>> {
    let mut table: Vec<_> = (0..servers).map(Some).cycle().take(SOURCE_HASH_SLOTS).collect();
    table.resize(SOURCE_HASH_SLOTS, None);
    table
}

/// wrr: the step by which the required weight sinks, the greatest common divisor of the weights that are not 0.
pub fn weight_step(weights: &[u32]) -> u32 {
    common_divisor(weights).max(1)
}

/// wrr: where the required weight starts, so that the last pass requires 1. 0 while no server has a weight.
pub fn weight_top(weights: &[u32]) -> u32 {
    weights.iter().copied().max().unwrap_or(0).saturating_sub(weight_step(weights) - 1)
}

/// mh: the weight that counts for the table. `before` is the last weight of a server that stays in the
/// configuration; a server that is added (or added again) starts with the weight it is given.
pub const fn last_weight(before: Option<u32>, configured: u32) -> u32 {
    match before {
        Some(before) if configured == 0 => before,
        _ => configured,
    }
}

/// A server's walk over the Maglev table: its preference list, one slot after the other.
struct Walk {
    slot: usize,
    skip: usize,
    turns: u32,
}

impl Walk {
    /// Takes the next slot of the preference list that is free. There must be one: the table's size is prime.
    fn take(&mut self, table: &mut [Option<usize>], server: usize) {
        while let Some(slot) = table.get_mut(self.slot) {
            if slot.is_none() {
                *slot = Some(server);
                return;
            }
            self.slot = (self.slot + self.skip) % MAGLEV_SLOTS;
        }
    }
}

fn walks(servers: &[(Endpoint, u32)]) -> Vec<Walk> {
    let weights: Vec<u32> = servers.iter().map(|(_, weight)| *weight).collect();
    let divisor = common_divisor(&weights).max(1);
    let top = weights.iter().copied().max().unwrap_or(0) / divisor;
    let shift = (u32::BITS - top.leading_zeros()).saturating_sub(MAGLEV_TURN_BITS);
    let walk = |(endpoint, weight): &(Endpoint, u32)| {
        let word = fold(endpoint.ip()).wrapping_add(u32::from(endpoint.port()));
        Walk {
            slot: half_siphash(MAGLEV_OFFSET_KEY, word) as usize % MAGLEV_SLOTS,
            skip: half_siphash(MAGLEV_SKIP_KEY, word) as usize % (MAGLEV_SLOTS - 1) + 1,
            turns: ((weight / divisor) >> shift).max(u32::from(*weight != 0)),
        }
    };
    servers.iter().map(walk).collect()
}

/// The greatest common divisor of the weights that are not 0; 0 if there is none.
fn common_divisor(weights: &[u32]) -> u32 {
    weights.iter().fold(0, |mut divisor, weight| {
        let mut rest = *weight;
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        divisor
    })
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
