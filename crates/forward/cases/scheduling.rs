//! Which server a new flow gets. The kernel's own choices are replayed from recordings elsewhere; here are the corners.

use super::answers::port_unreachable;
use super::net::{Net, SERVER_SIDE};
use super::{Case, Step, forward, tell};
use crate::Counter::{DropNoServer, ForwardIn};
use crate::abi::{Method, SchedulerKind, Service};
use crate::host::World;
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
        sequence("sed by weight", SchedulerKind::ShortestExpectedDelay, &[1, 3, 2], &[2, 2, 2]),
        sequence("nq newest idle first", SchedulerKind::NeverQueue, &[1, 3, 0, 2], &[4, 4, 4]),
        sequence("fo highest weight", SchedulerKind::Failover, &[2, 5, 5, 0], &[3, 3, 3]),
        sequence("ovf highest weight", SchedulerKind::Overflow, &[2, 5, 5, 0], &[3, 3, 3]),
        active("sed", SchedulerKind::ShortestExpectedDelay, &[1, 3, 2], &[2, 3, 2, 3, 2, 1, 2, 3, 2, 3]),
        active("nq", SchedulerKind::NeverQueue, &[1, 3, 2], &[3, 2, 1, 2, 3, 2, 2]),
        active("ovf", SchedulerKind::Overflow, &[1, 0, 2], &[3, 3, 3, 1, 1]),
        nobody("sed", SchedulerKind::ShortestExpectedDelay),
        nobody("nq", SchedulerKind::NeverQueue),
        nobody("fo", SchedulerKind::Failover),
        nobody("ovf", SchedulerKind::Overflow),
        fallback("sh-fallback", SchedulerKind::SourceHash, 256),
        fallback("mh-fallback", SchedulerKind::Maglev, 4093),
        destination_hash(),
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

/// The same with connections of TCP, which are active.
fn active(name: &str, scheduler: SchedulerKind, weights: &'static [u32], served: &[u32]) -> Case {
    const TCP: Net = Net { protocol: protocol::TCP, ..NET };
    let mut steps: Vec<Step> = served
        .iter()
        .zip(7000..)
        .map(|(id, port)| forward(&TCP.request(port).syn(), ForwardIn, SERVER_SIDE, &TCP.at_server(*id, port).syn()))
        .collect();
    if scheduler == SchedulerKind::Overflow {
        steps.push(tell(&TCP.request(7100).syn(), DropNoServer, port_unreachable(TCP)));
    }
    let world = Box::new(move || TCP.world_with(scheduler, weights, &[]));
    Case { name: name.to_string() + " with active connections", world, steps }
}

/// A client whose slot has no server is served by the first on its way that has one; nobody is served by nobody.
fn fallback(name: &str, scheduler: SchedulerKind, slots: usize) -> Case {
    let table: Vec<usize> = (0..slots).map(|slot| slot % 3).collect();
    let client = crate::Address::fold(crate::abi::Address4(u32::from_ne_bytes([10, 0, 0, 2])));
    let hash = |word| match scheduler {
        SchedulerKind::SourceHash => crate::schedule::source_hash(word) as usize % slots,
        _ => crate::schedule::maglev_hash(word) as usize % slots,
    };
    let first = hash(client);
    let way = (0..slots).map(|step| match scheduler {
        SchedulerKind::SourceHash => (2 * first + step) % slots,
        _ => hash(client.wrapping_add(((first + step) % slots) as u32)),
    });
    let own = first % 3;
    let next = way.map(|slot| slot % 3).find(|server| *server != own).unwrap_or(own);
    let served = |server: usize, port| {
        let id = server as u32 + 1;
        forward(&NET.request(port), ForwardIn, SERVER_SIDE, &NET.at_server(id, port))
    };
    let steps = std::vec![
        served(own, 7000),
        Step::Change(|world| world.edit_services(|service| service.flags |= Service::HASH_FALLBACK)),
        served(own, 7001),
        Step::Change(quiesce_first_served),
        served(next, 7002),
        Step::Change(|world| world.tables.loads.iter().for_each(|load| load.weight.set(0))),
        tell(&NET.request(7003), DropNoServer, port_unreachable(NET)),
    ];
    Case { name: name.to_string(), world: Box::new(move || NET.world_with(scheduler, &[1, 1, 1], &table)), steps }
}

/// Quiesces the server that has connections.
fn quiesce_first_served(world: &mut World) {
    for load in world.tables.loads.iter().filter(|load| load.inactive.get() > 0) {
        load.weight.set(0);
    }
}

/// dh: the virtual address alone decides, whatever the client.
fn destination_hash() -> Case {
    let table: Vec<usize> = (0..256).map(|slot| slot % 3).collect();
    let steps = (7000..7004).map(|port| {
        let vip = crate::schedule::source_hash(u32::from_be_bytes([10, 0, 0, 100]));
        let id = vip % 3 + 1;
        forward(&NET.request(port), ForwardIn, SERVER_SIDE, &NET.at_server(id, port))
    });
    let steps = steps.collect();
    let world = Box::new(move || NET.world_with(SchedulerKind::DestinationHash, &[1, 1, 1], &table));
    Case { name: "dh".to_string(), world, steps }
}

/// All weights 0: dropped, nothing remembered.
fn nobody(name: &str, scheduler: SchedulerKind) -> Case {
    let steps = std::vec![tell(&NET.request(7000), DropNoServer, port_unreachable(NET)), Step::Entries(0)];
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
    steps.push(tell(&NET.request(7010), DropNoServer, port_unreachable(NET)));
    Case { name: name.to_string(), world: Box::new(move || NET.world_with(scheduler, &[1, 1, 1], &table)), steps }
}
