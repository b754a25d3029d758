//! The tables against what a real kernel chose (`goldens/scheduling-*.json`), and their own rules.

use super::*;
use crate::hash::source_hash_slot;
use serde_json::Value;
use std::path::Path;

/// One recording, replayed on the tables of this module.
struct Replay {
    scheduler: String,
    port: bool,
    fallback: bool,
    service: Endpoint,
    /// Endpoint, weight, last weight; newest first.
    servers: Vec<(Endpoint, u32, u32)>,
}

impl Replay {
    fn new(golden: &Value) -> Self {
        let service = golden["service"].as_str().unwrap().parse().unwrap();
        let mut replay = Self { scheduler: String::new(), port: false, fallback: false, service, servers: Vec::new() };
        replay.service(golden);
        for server in golden["servers"].as_array().unwrap() {
            replay.add(server);
        }
        replay
    }

    fn service(&mut self, service: &Value) {
        self.scheduler = service["scheduler"].as_str().unwrap().to_owned();
        let flags = service["flags"].as_array().unwrap();
        let has = |end: &str| flags.iter().any(|flag| flag.as_str().unwrap().ends_with(end));
        (self.port, self.fallback) = (has("-port"), has("-fallback"));
    }

    fn add(&mut self, server: &Value) {
        let weight = weight(server);
        self.servers.insert(0, (endpoint(server), weight, last_weight(None, weight)));
    }

    fn edit(&mut self, server: &Value) {
        let found = self.servers.iter_mut().find(|(known, ..)| *known == endpoint(server)).unwrap();
        found.1 = weight(server);
        found.2 = last_weight(Some(found.2), found.1);
    }

    fn choose(&self, client: Endpoint) -> Option<Endpoint> {
        let port = if self.port { client.port() } else { 0 };
        let word = fold(client.ip()).wrapping_add(u32::from(port));
        if self.scheduler == "mh" { self.choose_maglev(word) } else { self.choose_hash(word) }
    }

    fn choose_maglev(&self, word: u32) -> Option<Endpoint> {
        let servers: Vec<_> = self.servers.iter().map(|(endpoint, _, last)| (*endpoint, *last)).collect();
        let table = maglev(&servers);
        let slot =
            |offset: usize| half_siphash(MAGLEV_OFFSET_KEY, word.wrapping_add(offset as u32)) as usize % MAGLEV_SLOTS;
        let first = slot(0);
        let others = (0..MAGLEV_SLOTS).map(|offset| slot((first + offset) % MAGLEV_SLOTS));
        let others = others.take(if self.fallback { MAGLEV_SLOTS } else { 0 });
        std::iter::once(first).chain(others).find_map(|slot| self.eligible(*table.get(slot)?))
    }

    fn choose_hash(&self, word: u32) -> Option<Endpoint> {
        let weights: Vec<_> = self.servers.iter().map(|(_, weight, _)| *weight).collect();
        let is_dh = self.scheduler == "dh";
        let table = if is_dh { destination_hash(weights.len()) } else { source_hash(&weights) };
        let first = source_hash_slot(if is_dh { fold(self.service.ip()) } else { word });
        let others = (0..SOURCE_HASH_SLOTS).map(|offset| (2 * first + offset) % SOURCE_HASH_SLOTS);
        let others = others.take(if self.fallback { SOURCE_HASH_SLOTS } else { 0 });
        std::iter::once(first).chain(others).find_map(|slot| self.eligible(table[slot]?))
    }

    fn eligible(&self, index: usize) -> Option<Endpoint> {
        let (endpoint, weight, _) = self.servers[index];
        (weight > 0).then_some(endpoint)
    }
}

fn endpoint(server: &Value) -> Endpoint {
    let port = server["port"].as_u64().unwrap();
    Endpoint::new(server["address"].as_str().unwrap().parse().unwrap(), u16::try_from(port).unwrap())
}

fn weight(server: &Value) -> u32 {
    u32::try_from(server["weight"].as_u64().unwrap()).unwrap()
}

/// Replays one file; how many flows it compared.
fn replay(path: &Path) -> usize {
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut replay = Replay::new(&golden);
    let mut flows = 0;
    for step in golden["steps"].as_array().unwrap() {
        if let Some(client) = step["client"].as_str() {
            if matches!(replay.scheduler.as_str(), "sh" | "mh" | "dh") {
                let chosen = step["chosen"].as_str().map(|text| text.parse::<Endpoint>().unwrap());
                assert_eq!(replay.choose(client.parse().unwrap()), chosen, "{}: {step}", path.display());
                flows += 1;
            }
        } else if step["add"].is_object() {
            replay.add(&step["add"]);
        } else if step["edit"].is_object() {
            replay.edit(&step["edit"]);
        } else if step["delete"].is_object() {
            replay.servers.retain(|(known, ..)| *known != endpoint(&step["delete"]));
        } else if step["service"].is_object() {
            replay.service(&step["service"]);
        }
    }
    flows
}

#[test]
fn clients_are_served_as_the_kernel_served_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens");
    let (mut files, mut flows) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("scheduling-") {
            let compared = replay(&path);
            files += usize::from(compared > 0);
            flows += compared;
        }
    }
    println!("{flows} flows in {files} recordings");
    assert!(files >= 60 && flows >= 8000, "recordings are missing: {flows} flows in {files} files");
}

fn server(number: u8, weight: u32) -> (Endpoint, u32) {
    (Endpoint::from(([10, 0, 0, number], 80)), weight)
}

#[test]
fn a_maglev_table_is_full_or_absent() {
    assert_eq!(maglev(&[]), Vec::<usize>::new());
    assert_eq!(maglev(&[server(1, 0), server(2, 0)]), Vec::<usize>::new());
    assert_eq!(maglev(&[server(1, 0), server(2, 9)]), vec![1; MAGLEV_SLOTS]);
    let table = maglev(&[server(1, 1), server(2, 3), server(3, 2)]);
    let shares: Vec<_> = (0..3).map(|index| table.iter().filter(|slot| **slot == index).count()).collect();
    // Whole rounds of 6 slots, and the last of them broken off after the first slot: 4093 = 682 * 6 + 1.
    assert_eq!(shares, [683, 2046, 1364]);
}

#[test]
fn a_maglev_server_keeps_most_of_its_slots_when_another_goes() {
    let all: Vec<_> = (1..=10).map(|number| server(number, 1)).collect();
    let (before, after) = (maglev(&all), maglev(&all[..9]));
    let moved = before.iter().zip(&after).filter(|(before, after)| **before != 9 && before != after).count();
    assert!(moved < MAGLEV_SLOTS / 20, "{moved} slots of servers that stayed have moved");
}

#[test]
fn source_hash_deals_slots_by_weight() {
    assert_eq!(source_hash(&[]), vec![None; SOURCE_HASH_SLOTS]);
    assert_eq!(source_hash(&[2, 0, 1])[..6], [0, 0, 1, 2, 0, 0].map(Some));
    assert_eq!(source_hash(&[u32::MAX, 1]), vec![Some(0); SOURCE_HASH_SLOTS]);
}

#[test]
fn destination_hash_deals_slots_in_turn() {
    assert_eq!(destination_hash(0), vec![None; SOURCE_HASH_SLOTS]);
    assert_eq!(destination_hash(3)[..5], [0, 1, 2, 0, 1].map(Some));
    assert_eq!(destination_hash(300)[255], Some(255));
}

#[test]
fn weighted_round_robin_constants() {
    for (weights, step, top) in [
        (&[][..], 1, 0),
        (&[0, 0], 1, 0),
        (&[1, 3, 2], 1, 3),
        (&[4, 0, 6], 2, 5),
        (&[7], 7, 1),
        (&[1, 1_000_000], 1, 1_000_000),
        (&[2_147_483_647, 2_147_483_647], 2_147_483_647, 1),
    ] {
        assert_eq!((weight_step(weights), weight_top(weights)), (step, top), "{weights:?}");
    }
}

#[test]
fn the_last_weight_outlives_a_quiesce_but_not_an_addition() {
    assert_eq!(last_weight(None, 3), 3);
    assert_eq!(last_weight(Some(3), 0), 3);
    assert_eq!(last_weight(Some(3), 5), 5);
    assert_eq!(last_weight(None, 0), 0);
}
