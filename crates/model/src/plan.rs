//! From what is to what is wanted: the smallest list of changes, always the same for the same two states.
//!
//! Only what reaches the maps counts: a service's name, or `any` while it does not change who owns the
//! address, is no difference.

use crate::{Change, Endpoint, ServerState, ServiceKey, ServiceState, State};
use std::collections::{BTreeMap, BTreeSet};

/// The changes that lead from `actual` to `desired`, to be made in their order: removals, then additions in the
/// order of addition, then edits.
///
/// Servers keep the order they were added in, because schedulers go by it. A server that stands elsewhere in the
/// wanted order is removed and added again in one go; those before the first such server are left alone.
pub fn plan(desired: &State, actual: &State) -> Vec<Change> {
    let mut plan = Plan::default();
    for service in actual.services.keys().filter(|service| !desired.services.contains_key(service)) {
        plan.removals.push(Change::RemoveService { service: *service });
    }
    for (service, wanted) in &desired.services {
        match actual.services.get(service) {
            None => plan.add_service(*service, wanted),
            Some(present) => plan.change_service(*service, wanted, present),
        }
    }
    if desired.timeouts != actual.timeouts {
        plan.edits.push(Change::SetTimeouts(desired.timeouts));
    }
    if desired.sysctls != actual.sysctls {
        plan.edits.push(Change::SetSysctls(desired.sysctls.clone()));
    }
    plan.in_order()
}

#[derive(Default)]
struct Plan {
    removals: Vec<Change>,
    additions: Vec<Change>,
    edits: Vec<Change>,
}

impl Plan {
    fn in_order(self) -> Vec<Change> {
        [self.removals, self.additions, self.edits].concat()
    }

    fn add_service(&mut self, service: ServiceKey, wanted: &ServiceState) {
        let (options, owned) = (wanted.options.clone(), wanted.owned);
        self.additions.push(Change::AddService { service, options, owned });
        for server in &wanted.servers {
            self.additions.push(Change::AddServer { service, server: server.clone() });
        }
    }

    fn change_service(&mut self, service: ServiceKey, wanted: &ServiceState, present: &ServiceState) {
        if differs(wanted, present) {
            let (options, owned) = (wanted.options.clone(), wanted.owned);
            self.edits.push(Change::EditService { service, options, owned });
        }
        self.remove_servers(service, wanted, present);
        let (staying, later) = wanted.servers.split_at(count_staying(&wanted.servers, &present.servers));
        let present: BTreeMap<Endpoint, &ServerState> = by_endpoint(&present.servers).collect();
        for server in later {
            let endpoint = server.server.endpoint;
            if present.contains_key(&endpoint) {
                self.additions.push(Change::RemoveServer { service, server: endpoint });
            }
            self.additions.push(Change::AddServer { service, server: server.clone() });
        }
        for server in staying {
            if present.get(&server.server.endpoint).is_some_and(|present| *present != server) {
                self.edits.push(Change::EditServer { service, server: server.clone() });
            }
        }
    }

    fn remove_servers(&mut self, service: ServiceKey, wanted: &ServiceState, present: &ServiceState) {
        let wanted: BTreeSet<Endpoint> = by_endpoint(&wanted.servers).map(|(endpoint, _)| endpoint).collect();
        let gone = by_endpoint(&present.servers).filter(|(endpoint, _)| !wanted.contains(endpoint));
        self.removals.extend(gone.map(|(server, _)| Change::RemoveServer { service, server }));
    }
}

/// How many of the wanted servers, from the first on, can stay where they are: additions go to the end, so all
/// that follows the first server out of order has to be added after it.
fn count_staying(wanted: &[ServerState], present: &[ServerState]) -> usize {
    let mut rest = present.iter();
    let stays = |server: &&ServerState| rest.any(|present| present.server.endpoint == server.server.endpoint);
    wanted.iter().take_while(stays).count()
}

/// Whether the options differ in what reaches the maps.
fn differs(wanted: &ServiceState, present: &ServiceState) -> bool {
    let relevant = |state: &ServiceState| {
        (state.options.scheduler, state.options.scheduler_flags, state.options.watched, state.owned)
    };
    relevant(wanted) != relevant(present) || wanted.options.local_addresses != present.options.local_addresses
}

fn by_endpoint(servers: &[ServerState]) -> impl Iterator<Item = (Endpoint, &ServerState)> {
    servers.iter().map(|server| (server.server.endpoint, server))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
