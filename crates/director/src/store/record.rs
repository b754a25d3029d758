//! The lines of the journal: one snapshot, then what happened since.

use super::{FileMark, Store, Trial};
use crate::zero::ZeroPoints;
use api::Request;
use model::health::ServiceHealth;
use model::{Key, SyncDaemon, SyncRole, Sysctls, Timeouts, VirtualService};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the lines. Another one is not read: the remedy is in the error.
const FORMAT: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Record {
    /// The first line.
    Snapshot(Box<Snapshot>),
    /// A request that was carried out.
    Change(Request),
    /// Zero points of the counters that were set.
    Zero(ZeroPoints),
}

/// Everything that is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    format: u32,
    generation: u64,
    timeouts: Timeouts,
    #[serde(default)]
    sysctls: Sysctls,
    #[serde(default)]
    synchronization: BTreeMap<SyncRole, SyncDaemon>,
    services: Vec<VirtualService>,
    file: Option<FileMark>,
    #[serde(default, with = "model::key::pairs")]
    health: BTreeMap<Key, ServiceHealth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trial: Option<Trial>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejected: Option<u64>,
    zero: ZeroPoints,
}

impl Snapshot {
    /// Of this moment.
    pub(crate) fn of(store: &Store, zero: &ZeroPoints) -> Self {
        Self {
            format: FORMAT,
            generation: store.generation,
            timeouts: store.timeouts,
            sysctls: store.sysctls.clone(),
            synchronization: store.synchronization.clone(),
            services: store.services.values().cloned().collect(),
            file: store.file.clone(),
            health: BTreeMap::clone(&store.health),
            trial: store.trial.clone(),
            rejected: store.rejected,
            zero: zero.clone(),
        }
    }

    fn open(self) -> Result<(Store, ZeroPoints), String> {
        if self.format != FORMAT {
            return Err(format!("has format {}, this version reads {FORMAT}", self.format));
        }
        let Self {
            generation, timeouts, sysctls, synchronization, services, file, health, trial, rejected, zero, ..
        } = self;
        let services = services.into_iter().map(|service| (service.key, service)).collect();
        let store = Store {
            generation,
            services,
            timeouts,
            sysctls,
            synchronization,
            file,
            health: health.into(),
            trial,
            rejected,
        };
        Ok((store, zero))
    }
}

/// What the lines add up to. The error says what is wrong with which line.
pub(crate) fn restore(lines: &[String]) -> Result<(Store, ZeroPoints), String> {
    let mut kept = (Store::default(), ZeroPoints::default());
    for (index, line) in lines.iter().enumerate() {
        let place = |what: String| format!("line {} {what}", index + 1);
        let record = serde_json::from_str(line).map_err(|error| place(format!("cannot be read: {error}")))?;
        match record {
            Record::Snapshot(snapshot) => kept = snapshot.open().map_err(place)?,
            Record::Change(request) => {
                kept.0.change(&request).map_err(|refusal| place(format!("cannot be repeated: {refusal}")))?;
            }
            Record::Zero(points) => kept.1.merge(points),
        }
    }
    Ok(kept)
}
