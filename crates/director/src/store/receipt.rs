//! What takes a change of the [`Store`](super::Store) back.

use super::{FileMark, Trial};
use model::health::ServiceHealth;
use model::{Key, SyncDaemon, SyncRole, Sysctls, Timeouts, VirtualService};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a change touched, as it was before.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(super) services: BTreeMap<Key, Option<VirtualService>>,
    pub(super) timeouts: Timeouts,
    pub(super) sysctls: Sysctls,
    pub(super) synchronization: BTreeMap<SyncRole, SyncDaemon>,
    pub(super) generation: u64,
    pub(super) file: Option<FileMark>,
    pub(super) health: Arc<BTreeMap<Key, ServiceHealth>>,
    pub(super) trial: Option<Trial>,
    pub(super) rejected: Option<u64>,
}

impl Receipt {
    /// The services that are other than before.
    pub(crate) fn touched(&self) -> BTreeSet<Key> {
        self.services.keys().copied().collect()
    }
}
