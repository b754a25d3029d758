//! What follows from the network: which services this node forwards, and which servers are reached.

use super::Director;
use crate::desired::{endpoint_in_maps, is_owned};
use crate::observe::events::News;
use crate::observe::{Differences, Network};
use crate::plane::Plane;
use api::{EventKind, Level};
use model::{Key, VirtualService};
use protocols::health::{CheckId, Outcome};
use std::collections::BTreeSet;
use std::time::Instant;

impl<P: Plane, N: Network> Director<P, N> {
    /// The network has changed.
    pub(crate) fn hear(&mut self, news: &News, now: Instant) {
        let differences = self.observer.look_at_neighbours(&news.neighbours, now);
        self.follow(&differences);
    }

    /// Asks again for next hops that do not answer.
    pub(crate) fn ask_again(&mut self, now: Instant) {
        let differences = self.observer.ask_again(now);
        self.follow(&differences);
    }

    /// A full look at the network.
    pub(crate) fn look(&mut self, now: Instant) {
        match self.observer.look(&self.servers(), now) {
            Ok(differences) => {
                self.interfaces.heal(&mut self.plane, self.observer.links(), &self.trials, now);
                self.pave();
                self.follow(&differences);
            }
            Err(error) => tracing::warn!(%error, "cannot look at the network; what was seen last stays"),
        }
    }

    /// The same where something about links or addresses is otherwise. Ways to servers are watched anyway, and looked at
    /// one by one they take their time where there are thousands.
    pub(super) fn look_around(&mut self, now: Instant) {
        if !matches!(self.observer.has_news(), Ok(false)) {
            self.look(now);
        }
    }

    /// Checks have been made.
    pub(crate) fn checked(&mut self, results: impl IntoIterator<Item = (CheckId, Outcome)>) {
        let changed = self.health.finished(results);
        self.stand(&changed);
    }

    /// Checks are due.
    pub(crate) fn check(&mut self) {
        let changed = self.health.tick();
        self.stand(&changed);
    }

    /// What the connections of clients tell.
    pub(crate) fn listen(&mut self) {
        let told = self.health.watched().into_iter().filter_map(|(key, server)| {
            let service = self.store.services().get(&key)?;
            let there = endpoint_in_maps(service, server)?;
            Some(((key, server), self.plane.signals(&key.acting()?, &there)?))
        });
        let told = told.collect();
        let changed = self.health.hear(told);
        self.stand(&changed);
    }

    /// Servers have come or gone by their health.
    fn stand(&mut self, changed: &BTreeSet<Key>) {
        if !changed.is_empty() {
            // As below.
            let _ = self.reconcile(Some(changed));
        }
    }

    /// Services whose address is elsewhere may let their checks rest.
    pub(super) fn suspend(&mut self) {
        if !self.health.may_rest() {
            return;
        }
        let observer = &self.observer;
        let elsewhere = |service: &&VirtualService| !is_owned(service, observer);
        let absent = self.store.services().values().filter(elsewhere).map(|service| service.key).collect();
        self.health.absent(absent);
    }

    /// A full comparison with the maps, and with the pins: those that somebody removed are told once, and by `xlvs
    /// status` for as long as they are missing.
    pub(crate) fn heal(&mut self) {
        self.reconciler.refresh(&self.plane);
        let healed = self.reconcile(None);
        if let Ok(count @ 1..) = healed {
            let text = format!("the maps differed from the configuration; healed by {count} changes");
            self.events.tell(Level::Warn, EventKind::DriftHealed { count }, text);
        }
        match self.plane.check_pins() {
            Err(error) => self.troubled(error.to_string()),
            Ok(()) if healed.is_ok() => self.relieved(),
            Ok(()) => {}
        }
    }

    /// Brings the services that `differences` touch in line.
    fn follow(&mut self, differences: &Differences) {
        if differences.is_empty() {
            return;
        }
        self.suspend();
        if !differences.servers.is_empty() {
            self.settle_lanes(Instant::now());
        }
        let concerned = |service: &&VirtualService| {
            service.key.endpoint().is_some_and(|endpoint| differences.owned.contains(&endpoint.ip()))
                || service.options.local_addresses.addresses().any(|address| differences.owned.contains(&address))
                || service.servers.iter().any(|server| differences.servers.contains(&server.endpoint.ip()))
        };
        let keys = self.store.services().values().filter(concerned).map(|service| service.key).collect();
        // A failure is logged there and tried again by the next full comparison.
        let _ = self.reconcile(Some(&keys));
    }
}
