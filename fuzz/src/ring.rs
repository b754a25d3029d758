//! The tables of the hash schedulers and the constants of wrr.

use arbitrary::{Arbitrary, Unstructured};
use model::{Endpoint, ring};
use std::collections::BTreeSet;

#[derive(Arbitrary, Debug)]
struct Input {
    servers: Vec<(u16, u16, u32)>,
    small: bool,
}

pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let largest = if input.small { 8 } else { model::Weight::MAX };
    let mut seen = BTreeSet::new();
    let servers: Vec<(Endpoint, u32)> = input
        .servers
        .iter()
        .take(300)
        .map(|(host, port, weight)| {
            let [high, low] = host.to_be_bytes();
            (Endpoint::from(([10, 0, high, low], *port)), weight % (largest + 1))
        })
        .filter(|(endpoint, _)| seen.insert(*endpoint))
        .collect();
    maglev(&servers);
    let weights: Vec<u32> = servers.iter().map(|(_, weight)| *weight).collect();
    source_hash(&weights);
    weighted_round_robin(&weights);
}

/// All slots are taken, by servers with a weight only; a heavier server has no smaller share than the rounding allows.
fn maglev(servers: &[(Endpoint, u32)]) {
    let table = ring::maglev(servers);
    let weighted = servers.iter().filter(|(_, weight)| *weight > 0).count();
    assert_eq!(table.len(), if weighted == 0 { 0 } else { ring::MAGLEV_SLOTS });
    let mut slots = vec![0_usize; servers.len()];
    for server in &table {
        match slots.get_mut(*server) {
            Some(count) => *count += 1,
            None => panic!("a slot names server {server} of {}", servers.len()),
        }
    }
    for ((endpoint, weight), count) in servers.iter().zip(&slots) {
        assert!(*weight > 0 || *count == 0, "{endpoint} has no weight and {count} slots");
    }
    let light: Vec<usize> =
        servers.iter().zip(&slots).filter(|((_, weight), _)| *weight == 1).map(|(_, count)| *count).collect();
    let (least, most) = (light.iter().min(), light.iter().max());
    if let (Some(least), Some(most)) = (least, most) {
        // In each round every server takes its turns, so equals differ by what one round gives.
        assert!(most - least <= 64, "servers of weight 1 have {least} to {most} slots");
    }
}

fn source_hash(weights: &[u32]) {
    let table = ring::source_hash(weights);
    assert_eq!(table.len(), ring::SOURCE_HASH_SLOTS);
    for slot in table {
        assert_eq!(slot.is_some(), !weights.is_empty());
        assert!(slot.is_none_or(|server| server < weights.len()), "a slot names a server that is none");
    }
}

/// The required weight goes down from the top by steps and meets 1 step at the end, and every weight on its way.
fn weighted_round_robin(weights: &[u32]) {
    let (step, top) = (ring::weight_step(weights), ring::weight_top(weights));
    assert!(step >= 1);
    for weight in weights {
        assert_eq!(weight % step, 0, "the step divides every weight");
        assert!(*weight == 0 || weight - (step - 1) <= top, "no weight is over the top");
    }
}
