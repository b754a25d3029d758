//! What the daemon knows of the maps besides their contents: which ids and slots are taken, and by whom.

use crate::error::Error;
use crate::maps::Maps;
use crate::retired;
use crate::slots::{Slots, Span};
use crate::snapshot::{self, FoundService};
use crate::translate;
use forward::abi;
use model::{Endpoint, ForwardingMethod, ServerState, ServiceKey, ServiceOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Ids that are free, given out lowest first. Id 0 is never used.
#[derive(Debug)]
pub(crate) struct Ids {
    free: BTreeSet<u32>,
    size: u32,
}

impl Ids {
    pub(crate) fn new(size: u32) -> Self {
        Self { free: (1..size).collect(), size }
    }

    pub(crate) fn take(&mut self, what: &'static str) -> Result<u32, Error> {
        self.free.pop_first().ok_or(Error::NoSpace { what, size: self.size.saturating_sub(1) })
    }

    /// Marks an id as taken; false when it already was.
    pub(crate) fn reserve(&mut self, id: u32) -> bool {
        self.free.remove(&id)
    }

    pub(crate) fn give_back(&mut self, id: u32) {
        self.free.insert(id);
    }
}

/// A configured server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) id: u32,
    pub(crate) state: ServerState,
    pub(crate) last_weight: u32,
    /// It replies through us, or did before an edit: connections of that time still do.
    pub(crate) replies: bool,
    /// The same server in methods that it was edited away from: connections of that time keep theirs, under these ids, which
    /// stay as long as the server: what they counted is its.
    pub(crate) former: Vec<Former>,
}

/// A server in a method that it has no longer.
#[derive(Clone, Debug)]
pub(crate) struct Former {
    pub(crate) id: u32,
    pub(crate) method: ForwardingMethod,
}

impl Server {
    pub(crate) fn new(id: u32, state: ServerState, last_weight: u32) -> Self {
        let replies = state.server.method.replies_here();
        Self { id, state, last_weight, replies, former: Vec::new() }
    }

    /// True when this is its method. Another encapsulation is the same method: in the kernel, too, it changes for all
    /// connections.
    pub(crate) fn has_method(&self, method: ForwardingMethod) -> bool {
        translate::method(self.state.server.method) == translate::method(method)
    }

    /// All its ids, that of its method first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.id).chain(self.former.iter().map(|former| former.id))
    }

    /// How it stands under the id of a former method: out of every rotation.
    pub(crate) fn state_in(&self, method: ForwardingMethod) -> ServerState {
        let mut state = self.state.clone();
        state.server.method = method;
        state
    }
}

/// A service.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) id: u32,
    pub(crate) options: ServiceOptions,
    pub(crate) owned: bool,
    /// Newest first.
    pub(crate) servers: Vec<Server>,
    pub(crate) list: Span,
    pub(crate) table: Span,
}

impl Service {
    pub(crate) fn position(&self, endpoint: &Endpoint) -> Option<usize> {
        self.servers.iter().position(|server| server.state.server.endpoint == *endpoint)
    }

    pub(crate) fn effective_weights(&self) -> Vec<u32> {
        self.servers.iter().map(|server| translate::effective_weight(self.owned, &server.state)).collect()
    }
}

/// A removed server whose id may still be named by connections.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    pub(crate) id: u32,
    /// Id of its service, which is not given to another one as long as this lasts.
    pub(crate) service: u32,
    /// What it was.
    pub(crate) was: (ServiceKey, Endpoint),
    pub(crate) since: Instant,
}

/// The books.
pub(crate) struct Mirror {
    pub(crate) services: BTreeMap<ServiceKey, Service>,
    pub(crate) gone: Vec<Gone>,
    pub(crate) slots: Slots,
    pub(crate) server_ids: Ids,
    pub(crate) service_ids: Ids,
}

impl Mirror {
    /// Books of the maps as they are.
    pub(crate) fn of(maps: &Maps, now: Instant) -> Result<Self, Error> {
        let mut mirror = Self {
            services: BTreeMap::new(),
            gone: Vec::new(),
            slots: Slots::new(maps.schedule.len()),
            server_ids: Ids::new(maps.servers.len().min(maps.loads.len())),
            service_ids: Ids::new(maps.cursors.len()),
        };
        for found in snapshot::services(maps)? {
            mirror.enter(found)?;
        }
        mirror.find_gone(maps, now)?;
        Ok(mirror)
    }

    fn enter(&mut self, found: FoundService) -> Result<(), Error> {
        let key = found.key;
        let free = self.service_ids.reserve(found.id)
            && self.slots.reserve(found.list)
            && self.slots.reserve(found.table)
            && found.servers.iter().all(|server| self.server_ids.reserve(server.id));
        if !free {
            return Err(Error::Inconsistent(format!("service {key} shares ids or slots with another one")));
        }
        let servers = found.servers.into_iter();
        let servers = servers.map(|it| Server::new(it.id, it.state, it.last_weight));
        let options = ServiceOptions {
            scheduler: found.scheduler,
            scheduler_flags: found.flags,
            local_addresses: found.local,
            watched: found.watched,
            ..ServiceOptions::default()
        };
        let service = Service {
            id: found.id,
            options,
            owned: found.owned,
            servers: servers.collect(),
            list: found.list,
            table: found.table,
        };
        self.services.insert(key, service);
        Ok(())
    }

    /// Servers that are taken but in no list: former methods of those that are, removed ones, or additions that were cut
    /// short.
    fn find_gone(&mut self, maps: &Maps, now: Instant) -> Result<(), Error> {
        for id in 1..maps.servers.len() {
            let Some(cell) = maps.servers.get(id) else { continue };
            if cell.flags.get() & abi::RealServer::TAKEN == 0 || !self.server_ids.reserve(id) {
                continue;
            }
            let service = cell.service.get();
            self.service_ids.reserve(service);
            let key = retired::service_key(maps, service)?;
            let Some(tunnel) = maps.tunnels.get(id) else { continue };
            let found = translate::read_server((cell, tunnel)).server;
            if self.enter_former(&key, service, Former { id, method: found.method }, &found.endpoint) {
                continue;
            }
            make_unavailable(maps, id);
            self.gone.push(Gone { id, service, was: (key, found.endpoint), since: now });
        }
        Ok(())
    }

    /// True for a former method of a server that is there.
    fn enter_former(&mut self, key: &ServiceKey, service: u32, former: Former, endpoint: &Endpoint) -> bool {
        let known = self.services.get_mut(key).filter(|known| known.id == service);
        let server = known.and_then(|known| {
            let position = known.position(endpoint)?;
            known.servers.get_mut(position)
        });
        let Some(server) = server.filter(|server| !server.has_method(former.method)) else { return false };
        server.replies |= former.method.replies_here();
        server.former.push(former);
        true
    }

    /// The id that this service had, if removed servers of it are still named by connections.
    pub(crate) fn former_service_id(&self, key: &ServiceKey) -> Option<u32> {
        self.gone.iter().find(|gone| gone.was.0 == *key).map(|gone| gone.service)
    }

    /// Takes a removed server back out of the books, in whatever methods it had.
    pub(crate) fn revive(&mut self, service: u32, endpoint: &Endpoint) -> Vec<Gone> {
        self.gone.extract_if(.., |gone| gone.service == service && gone.was.1 == *endpoint).collect()
    }

    /// True when a service or a removed server still has this service id.
    pub(crate) fn uses_service_id(&self, id: u32) -> bool {
        self.used_service_ids().any(|used| used == id)
    }

    /// The ids of services, and of those whose removed servers are still named by connections.
    pub(crate) fn used_service_ids(&self) -> impl Iterator<Item = u32> {
        self.services.values().map(|service| service.id).chain(self.gone.iter().map(|gone| gone.service))
    }
}

/// Takes a server out of every rotation; connections that name it are dropped from now on.
pub(crate) fn make_unavailable(maps: &Maps, id: u32) {
    if let Some(load) = maps.loads.get(id) {
        load.weight.set(0);
    }
    if let Some(cell) = maps.servers.get(id) {
        cell.flags.set(cell.flags.get() & !abi::RealServer::AVAILABLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_start_at_one_and_run_out_cleanly() {
        let mut ids = Ids::new(3);
        assert_eq!((ids.take("x").unwrap(), ids.take("x").unwrap()), (1, 2));
        assert!(ids.take("server").unwrap_err().to_string().contains("another server: the table holds 2"));
        ids.give_back(1);
        assert_eq!(ids.take("x").unwrap(), 1);
        assert!(!ids.reserve(1));
    }
}
