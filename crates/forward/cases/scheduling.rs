//! Which server a new flow gets. The kernel's own choices are replayed from recordings elsewhere; here are the corners.

use super::net::{Net, SERVER_SIDE};
use super::{Case, Step, forward, refuse};
use crate::Counter::{DropNoServer, ForwardIn};
use crate::abi::{Method, SchedulerKind};
use std::boxed::Box;
use std::string::ToString;
use std::vec::Vec;
use wire::protocol;

const NET: Net = Net { six: false, method: Method::DirectRouting, protocol: protocol::UDP };

pub(super) fn cases() -> Vec<Case> {
    std::vec![
        sequence("wrr 1 3 2", SchedulerKind::WeightedRoundRobin, &[1, 3, 2], &[2, 3, 2, 3, 2, 1, 2, 3, 2, 3, 2, 1]),
        sequence("wrr 4 0 6", SchedulerKind::WeightedRoundRobin, &[4, 0, 6], &[3, 3, 1, 3, 1, 3, 3, 1, 3, 1]),
        sequence("wrr far apart", SchedulerKind::WeightedRoundRobin, &[1, 1_000_000], &[2, 2, 2, 2, 2]),
        sequence("rr skips weight 0", SchedulerKind::RoundRobin, &[1, 0, 1, 0], &[3, 1, 3, 1]),
        sequence("lc newest first among equals", SchedulerKind::LeastConnection, &[1, 5, 1], &[3, 2, 1, 3, 2, 1]),
        sequence("wlc by weight", SchedulerKind::WeightedLeastConnection, &[1, 2, 1], &[3, 2, 1, 2, 3, 2, 1, 2]),
        sequence("wlc skips weight 0", SchedulerKind::WeightedLeastConnection, &[0, 1], &[2, 2]),
        nobody("rr", SchedulerKind::RoundRobin),
        nobody("wrr", SchedulerKind::WeightedRoundRobin),
        nobody("lc", SchedulerKind::LeastConnection),
        nobody("wlc", SchedulerKind::WeightedLeastConnection),
        hashed("sh", SchedulerKind::SourceHash, 256),
        hashed("mh", SchedulerKind::Maglev, 4093),
    ]
}

fn sequence(name: &str, scheduler: SchedulerKind, weights: &'static [u32], served: &[u32]) -> Case {
    let steps = served
        .iter()
        .zip(7000..)
        .map(|(id, port)| forward(&NET.request(port), ForwardIn, SERVER_SIDE, &NET.at_server(*id, port)))
        .collect();
    Case { name: name.to_string(), world: Box::new(move || NET.world_with(scheduler, weights, &[])), steps }
}

/// All weights 0: dropped, nothing remembered.
fn nobody(name: &str, scheduler: SchedulerKind) -> Case {
    let steps = std::vec![refuse(&NET.request(7000), DropNoServer), Step::Entries(0)];
    Case {
        name: format!("{name} with nobody"),
        world: Box::new(move || NET.world_with(scheduler, &[0, 0], &[])),
        steps,
    }
}

/// A hash scheduler: one client, one server, whatever the port; none when that server has weight 0.
fn hashed(name: &str, scheduler: SchedulerKind, slots: usize) -> Case {
    let table: Vec<usize> = (0..slots).map(|slot| slot % 3).collect();
    let client = crate::Address::fold(crate::abi::Address4(u32::from_ne_bytes([10, 0, 0, 2])));
    let hash = match scheduler {
        SchedulerKind::SourceHash => crate::schedule::source_hash(client),
        _ => crate::schedule::maglev_hash(client),
    };
    let id = (hash as usize % slots % 3) as u32 + 1;
    let mut steps: Vec<Step> = (7000..7004)
        .map(|port| forward(&NET.request(port), ForwardIn, SERVER_SIDE, &NET.at_server(id, port)))
        .collect();
    steps.push(Step::Change(|world| world.tables.loads.iter().for_each(|load| load.weight.set(0))));
    steps.push(refuse(&NET.request(7010), DropNoServer));
    Case { name: name.to_string(), world: Box::new(move || NET.world_with(scheduler, &[1, 1, 1], &table)), steps }
}
