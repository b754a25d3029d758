//! Checks on the way of clients: the programs are wherever packets to the servers leave.

use super::Director;
use crate::health::Results;
use crate::observe::Network;
use crate::observe::sight::Route;
use crate::plane::Plane;
use model::Key;
use std::collections::BTreeSet;

impl<P: Plane, N: Network> Director<P, N> {
    /// Health follows the services that there are, of which these are others than before. Returns those whose servers
    /// are others now.
    pub(super) fn supervise(&mut self, touched: &BTreeSet<Key>) -> BTreeSet<Key> {
        self.pave();
        // First, so that no check begins that may rest.
        self.suspend();
        self.health.supervise(self.store.services(), touched)
    }

    /// Has the programs there, before checks need them.
    pub(super) fn pave(&mut self) {
        let servers = self.health.servers_through(self.store.services());
        if servers.is_empty() && self.paved.is_empty() {
            return;
        }
        let exit = |address| match self.observer.route(address) {
            Route::Via { interface, .. } => Some(interface),
            Route::Local | Route::Broadcast | Route::None => None,
        };
        let exits: BTreeSet<u32> = servers.into_iter().filter_map(exit).collect();
        if let Err(error) = self.plane.check_by(&exits) {
            tracing::warn!(%error, "checks that go through their service fail");
        }
        self.paved = exits;
    }

    /// From now on checks are made.
    pub(crate) fn begin_checks(&mut self) -> std::io::Result<Results> {
        let passages = self.plane.passages().unwrap_or_else(|error| {
            tracing::warn!(%error, "checks that go through their service fail");
            None
        });
        self.health.begin(passages)
    }
}
