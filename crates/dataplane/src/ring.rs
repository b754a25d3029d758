//! The hash tables of sh, mh and dh as server ids; what they contain is decided in `model::ring`.

use crate::mirror::Service;
use forward::abi::NO_SERVER;
use model::{Endpoint, Scheduler, ring};

/// All that the hash table of a service depends on.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Input {
    /// The scheduler has no table.
    None,
    /// mh: ids, endpoints and last weights.
    Maglev(Vec<(u32, Endpoint, u32)>),
    /// sh: ids and configured weights.
    SourceHash(Vec<(u32, u32)>),
    /// dh: ids.
    DestinationHash(Vec<u32>),
}

/// What the table of this service depends on: equal inputs, equal tables.
pub(crate) fn input(service: &Service) -> Input {
    let servers = service.servers.iter();
    match service.options.scheduler {
        Scheduler::Maglev => {
            Input::Maglev(servers.map(|it| (it.id, it.state.server.endpoint, it.last_weight)).collect())
        }
        Scheduler::SourceHash => Input::SourceHash(servers.map(|it| (it.id, it.state.server.weight.get())).collect()),
        Scheduler::DestinationHash => Input::DestinationHash(servers.map(|it| it.id).collect()),
        _ => Input::None,
    }
}

/// The table: a server id for each slot. Empty for schedulers without one, and for services without servers.
pub(crate) fn table(service: &Service) -> Vec<u32> {
    match input(service) {
        Input::Maglev(servers) if !servers.is_empty() => {
            let named: Vec<_> = servers.iter().map(|(_, endpoint, weight)| (*endpoint, *weight)).collect();
            let id = |index: usize| servers.get(index).map_or(NO_SERVER, |(id, ..)| *id);
            ring::maglev(&named).into_iter().map(id).collect()
        }
        Input::SourceHash(servers) if !servers.is_empty() => {
            let weights: Vec<_> = servers.iter().map(|(_, weight)| *weight).collect();
            let id = |index: usize| servers.get(index).map_or(NO_SERVER, |(id, _)| *id);
            ring::source_hash(&weights).into_iter().map(|index| index.map_or(NO_SERVER, id)).collect()
        }
        Input::DestinationHash(servers) if !servers.is_empty() => {
            let id = |index: usize| servers.get(index).copied().unwrap_or(NO_SERVER);
            ring::destination_hash(servers.len()).into_iter().map(|index| index.map_or(NO_SERVER, id)).collect()
        }
        _ => Vec::new(),
    }
}
