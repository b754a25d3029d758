//! Values by key in JSON, whose objects have only strings as keys: a list of pairs.

use super::Key;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// As a list of pairs.
pub fn serialize<V: Serialize, S: Serializer>(values: &BTreeMap<Key, V>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values)
}

/// From a list of pairs.
pub fn deserialize<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Key, V>, D::Error> {
    Ok(Vec::<(Key, V)>::deserialize(deserializer)?.into_iter().collect())
}
