//! Zero points: what the counters stood at when `-Z` was said, or when a service or server was added.
//!
//! The counters of the data plane only grow; what is shown is the distance from the zero point.

use api::TrafficCounters;
use forward::abi::Statistics;
use model::{Endpoint, Key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A service, or one server of it.
pub(crate) type Subject = (Key, Option<Endpoint>);

/// Zero points by subject.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(Subject, TrafficCounters)>", into = "Vec<(Subject, TrafficCounters)>")]
pub(crate) struct ZeroPoints(BTreeMap<Subject, TrafficCounters>);

impl ZeroPoints {
    /// Sets the zero point of `subject` to what its counters stand at.
    pub(crate) fn set(&mut self, subject: Subject, current: TrafficCounters) {
        self.0.insert(subject, current);
    }

    /// Adds the points of `other`, which are newer.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// True when no point is set.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets subjects that are no more.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Subject) -> bool) {
        self.0.retain(|subject, _| keep(subject));
    }

    /// The traffic of `subject` since its zero point.
    pub(crate) fn since(&self, subject: &Subject, current: TrafficCounters) -> TrafficCounters {
        let zero = self.0.get(subject).copied().unwrap_or_default();
        // A counter below its zero point has started anew, in a slot of its own.
        let from = |now: u64, then: u64| now.checked_sub(then).unwrap_or(now);
        TrafficCounters {
            connections: from(current.connections, zero.connections),
            in_packets: from(current.in_packets, zero.in_packets),
            out_packets: from(current.out_packets, zero.out_packets),
            in_bytes: from(current.in_bytes, zero.in_bytes),
            out_bytes: from(current.out_bytes, zero.out_bytes),
        }
    }
}

/// The counters of the data plane in the words of the API.
pub(crate) fn counters(statistics: Statistics) -> TrafficCounters {
    TrafficCounters {
        connections: statistics.connections,
        in_packets: statistics.in_packets,
        out_packets: statistics.out_packets,
        in_bytes: statistics.in_bytes,
        out_bytes: statistics.out_bytes,
    }
}

impl From<Vec<(Subject, TrafficCounters)>> for ZeroPoints {
    fn from(points: Vec<(Subject, TrafficCounters)>) -> Self {
        Self(points.into_iter().collect())
    }
}

impl From<ZeroPoints> for Vec<(Subject, TrafficCounters)> {
    fn from(points: ZeroPoints) -> Self {
        points.0.into_iter().collect()
    }
}
