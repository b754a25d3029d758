//! The configuration: what the operator asked for, with a generation number.
//!
//! Pure. A request changes it whole or not at all; the [`Receipt`] of a change can take it back, so that what
//! could not be kept or could not be written into the maps leaves no trace.

mod file;
mod receipt;
mod record;
mod requests;
mod rules;
#[cfg(test)]
mod tests;
mod trial;

pub(crate) use file::FileMark;
pub(crate) use receipt::Receipt;
pub(crate) use record::{Record, Snapshot, restore};
pub(crate) use trial::Trial;

use api::{Refusal, RefusalKind, Request};
use model::health::ServiceHealth;
use model::{Config, DirectorSettings, Key, SyncDaemon, SyncRole, Sysctl, Sysctls, Timeouts, VirtualService};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Services, servers, time-outs and sysctls as configured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Store {
    generation: u64,
    services: BTreeMap<Key, VirtualService>,
    timeouts: Timeouts,
    sysctls: Sysctls,
    synchronization: BTreeMap<SyncRole, SyncDaemon>,
    file: Option<FileMark>,
    /// As the configuration file has it.
    health: Arc<BTreeMap<Key, ServiceHealth>>,
    /// What was taken over last waits to be confirmed.
    trial: Option<Trial>,
    /// Fingerprint of a configuration that was not confirmed: a start does not take it over by itself.
    rejected: Option<u64>,
}

/// The refusal of that kind.
pub(crate) fn refuse(kind: RefusalKind, message: impl Into<String>) -> Refusal {
    Refusal { kind, message: message.into(), request: None }
}

impl Store {
    /// Grows by one with every change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The services by key.
    pub(crate) fn services(&self) -> &BTreeMap<Key, VirtualService> {
        &self.services
    }

    /// The time-outs.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// The sysctls.
    pub(crate) fn sysctls(&self) -> &Sysctls {
        &self.sysctls
    }

    /// The synchronization daemons.
    pub(crate) fn synchronization(&self) -> &BTreeMap<SyncRole, SyncDaemon> {
        &self.synchronization
    }

    /// What decides whether servers take part.
    pub(crate) fn health(&self) -> &Arc<BTreeMap<Key, ServiceHealth>> {
        &self.health
    }

    /// What the configuration file asks for and is not done.
    pub(crate) fn not_done(&self) -> &[String] {
        self.file.as_ref().map_or(&[], |file| &file.not_done)
    }

    /// Everything that a configuration file can say and that is kept here.
    pub(crate) fn configuration(&self) -> Config {
        let sysctls = Sysctl::ALL.map(|sysctl| (sysctl, self.sysctls.get(sysctl))).into();
        Config {
            director: DirectorSettings { sysctls, ..DirectorSettings::default() },
            services: self.services.values().cloned().collect(),
            timeouts: self.timeouts,
            health: BTreeMap::clone(&self.health),
            ..Config::default()
        }
    }

    /// Number of servers in all services.
    pub(crate) fn server_count(&self) -> usize {
        self.services.values().map(|service| service.servers.len()).sum()
    }

    /// Carries out a request that changes the configuration: whole, or not at all.
    pub(crate) fn change(&mut self, request: &Request) -> Result<Receipt, Refusal> {
        let mut receipt = self.receipt();
        match self.carry_out(request, &mut receipt) {
            Ok(()) => {
                self.generation += 1;
                Ok(receipt)
            }
            Err(refusal) => {
                self.take_back(receipt);
                Err(refusal)
            }
        }
    }

    /// Takes a change back. Receipts are given back in the reverse order of their changes.
    pub(crate) fn take_back(&mut self, receipt: Receipt) {
        for (key, before) in receipt.services {
            match before {
                Some(service) => self.services.insert(key, service),
                None => self.services.remove(&key),
            };
        }
        self.timeouts = receipt.timeouts;
        self.sysctls = receipt.sysctls;
        self.synchronization = receipt.synchronization;
        self.generation = receipt.generation;
        self.file = receipt.file;
        self.health = receipt.health;
        self.trial = receipt.trial;
        self.rejected = receipt.rejected;
    }

    /// What takes back whatever is done from now on.
    pub(crate) fn receipt(&self) -> Receipt {
        Receipt {
            services: BTreeMap::new(),
            timeouts: self.timeouts,
            sysctls: self.sysctls.clone(),
            synchronization: self.synchronization.clone(),
            generation: self.generation,
            file: self.file.clone(),
            health: Arc::clone(&self.health),
            trial: self.trial.clone(),
            rejected: self.rejected,
        }
    }

    /// The only place where `services` changes: remembers what was there first.
    fn put(&mut self, key: Key, after: Option<VirtualService>, receipt: &mut Receipt) {
        let before = match after {
            Some(service) => self.services.insert(key, service),
            None => self.services.remove(&key),
        };
        receipt.services.entry(key).or_insert(before);
    }
}
