//! A configuration on trial: what was before it is kept until somebody confirms it, and comes back when nobody does.

use super::file::fingerprint;
use super::{FileMark, Receipt, Store};
use model::health::ServiceHealth;
use model::{Config, Key, LaneChoice, Sysctls, Timeouts, VirtualService};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What was before a configuration that waits to be confirmed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// When it is over, by [`now`].
    until: Duration,
    /// Of what is on trial.
    fingerprint: u64,
    /// Services that it touched; none were new.
    #[serde(with = "model::key::pairs")]
    services: BTreeMap<Key, Option<VirtualService>>,
    timeouts: Timeouts,
    sysctls: Sysctls,
    file: Option<FileMark>,
    #[serde(with = "model::key::pairs")]
    health: BTreeMap<Key, ServiceHealth>,
    /// Interfaces that it moved to another lane.
    pub(crate) lanes: BTreeMap<String, LaneChoice>,
    /// Interfaces that it added.
    pub(crate) interfaces: Vec<String>,
}

/// The clock that goes on while the machine sleeps, and begins anew with what is kept.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

impl Trial {
    /// Time left.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_sub(now())
    }
}

impl Store {
    /// What waits to be confirmed.
    pub(crate) fn trial(&self) -> Option<&Trial> {
        self.trial.as_ref()
    }

    /// What was taken over with this receipt is on trial from now on.
    pub(crate) fn try_for(
        &mut self,
        length: Duration,
        config: &Config,
        receipt: &Receipt,
        lanes: BTreeMap<String, LaneChoice>,
        interfaces: Vec<String>,
    ) {
        self.trial = Some(Trial {
            until: now() + length,
            fingerprint: fingerprint(config),
            services: receipt.services.clone(),
            timeouts: receipt.timeouts,
            sysctls: receipt.sysctls.clone(),
            file: receipt.file.clone(),
            health: BTreeMap::clone(&receipt.health),
            lanes,
            interfaces,
        });
    }

    /// What is on trial stays. The receipt puts it on trial again.
    pub(crate) fn confirm(&mut self) -> Option<Receipt> {
        let receipt = self.receipt();
        self.trial.take().map(|_| receipt)
    }

    /// What was before the trial is there again, whatever was done since then to what it touched.
    pub(crate) fn roll_back(&mut self) -> Option<(Receipt, Trial)> {
        let mut receipt = self.receipt();
        let trial = self.trial.take()?;
        for (key, before) in &trial.services {
            self.put(*key, before.clone(), &mut receipt);
        }
        self.timeouts = trial.timeouts;
        self.sysctls = trial.sysctls.clone();
        self.file = trial.file.clone();
        self.health = Arc::new(trial.health.clone());
        self.rejected = Some(trial.fingerprint);
        self.generation += 1;
        Some((receipt, trial))
    }

    /// Whether this was on trial last, and nobody confirmed it.
    pub(crate) fn has_rejected(&self, config: &Config) -> bool {
        self.rejected.is_some_and(|rejected| rejected == fingerprint(config))
    }
}
