//! The counters of the forwarding path, by name.

use crate::maps::Maps;
use forward::Counter;
use std::collections::BTreeMap;

/// All of them, summed over CPUs.
pub(crate) fn read(maps: &Maps) -> BTreeMap<&'static str, u64> {
    let count = |counter: &Counter| {
        let values = maps.counters.get(*counter as u32).unwrap_or_else(|error| {
            tracing::warn!("counter {} cannot be read: {error}", counter.name());
            Vec::new()
        });
        (counter.name(), values.iter().sum())
    };
    Counter::ALL.iter().map(count).collect()
}
