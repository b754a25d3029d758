//! What the maps must look like: read from the BPF object, named by a hash in the pin path, compared before use.

use crate::error::Error;
use crate::retired::Retired;
use crate::syscall::{self, MapShape};
use aya_obj::Object;
use forward::abi::SCHEMA;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Maps whose size is the operator's choice; it is not part of the schema.
pub(crate) const SIZED_BY_OPTIONS: [&str; 2] = ["CONNECTIONS4", "CONNECTIONS6"];
/// The maps that belong to a generation of programs instead of the schema: tail calls, one map a lane.
pub(crate) const JUMPS: [&str; 2] = ["JUMPS", "TC_JUMPS"];
/// How the names of maps begin that belong to a generation, too, and are not pinned: those of captures.
const CAPTURE: &str = "CAPTURE_";
/// Our own map beside those of the object: what outlives a service, by its id.
pub(crate) const RETIRED: &str = "RETIRED";

/// The shapes of all pinned maps, by name.
pub(crate) struct Schema {
    shapes: BTreeMap<String, MapShape>,
}

impl Schema {
    /// From the BPF object, plus what this crate adds.
    pub(crate) fn of_object(object: &[u8]) -> Result<Self, Error> {
        let mut schema = Self::of_maps(object)?;
        let services = schema.shape("CURSORS").map_or(forward::abi::MAX_SERVICES, |cursors| cursors.max_entries);
        schema.shapes.insert(RETIRED.to_owned(), retired_shape(services));
        Ok(schema)
    }

    /// From the BPF object alone.
    pub(crate) fn of_maps(object: &[u8]) -> Result<Self, Error> {
        let object = Object::parse(object).map_err(|error| Error::Load(format!("the object is damaged: {error}")))?;
        let of_generation = |name: &str| JUMPS.contains(&name) || name.starts_with(CAPTURE);
        let maps = object.maps.iter().filter(|(name, _)| !name.starts_with('.') && !of_generation(name));
        Ok(Self { shapes: maps.map(|(name, map)| (name.clone(), shape_of(map))).collect() })
    }

    /// Names and shapes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, MapShape)> {
        self.shapes.iter().map(|(name, shape)| (name.as_str(), *shape))
    }

    /// The shape of one map.
    pub(crate) fn shape(&self, name: &str) -> Option<MapShape> {
        self.shapes.get(name).copied()
    }

    /// The directory of maps with this schema.
    pub(crate) fn directory_name(&self) -> String {
        format!("v{SCHEMA}-{:016x}", self.hash())
    }

    fn hash(&self) -> u64 {
        let mut hash = Fnv::new();
        for (name, shape) in &self.shapes {
            hash.add(name.as_bytes());
            let size = if SIZED_BY_OPTIONS.contains(&name.as_str()) { 0 } else { shape.max_entries };
            for number in [shape.map_type, shape.key_size, shape.value_size, size, shape.flags] {
                hash.add(&number.to_le_bytes());
            }
        }
        hash.0
    }

    /// Compares an open map with what it must be. The size of a connection table is taken as it is.
    pub(crate) fn check(&self, name: &str, map: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
        let pins = |reason| Error::Pins { path: path.to_owned(), reason };
        let found = syscall::map_shape(map).map_err(|error| pins(format!("is not a map: {error}")))?;
        let Some(mut expected) = self.shape(name) else { return Ok(()) };
        if SIZED_BY_OPTIONS.contains(&name) {
            expected.max_entries = found.max_entries;
        }
        if found == expected {
            return Ok(());
        }
        Err(pins(format!(
            "has another layout than these programs need ({found:?} instead of {expected:?}); `xlvs detach --all` removes it"
        )))
    }
}

fn shape_of(map: &aya_obj::Map) -> MapShape {
    MapShape {
        map_type: map.map_type(),
        key_size: map.key_size(),
        value_size: map.value_size(),
        max_entries: map.max_entries(),
        flags: map.map_flags(),
    }
}

const fn retired_shape(services: u32) -> MapShape {
    MapShape {
        map_type: syscall::MAP_TYPE_ARRAY,
        key_size: size_of::<u32>() as u32,
        value_size: size_of::<Retired>() as u32,
        max_entries: services,
        flags: 0,
    }
}

/// FNV-1a, 64 bits: tells builds and layouts apart; nobody attacks it.
pub(crate) struct Fnv(pub(crate) u64);

impl Fnv {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(value_size: u32, connections: u32) -> Schema {
        let shape = |max_entries| MapShape { map_type: 1, key_size: 16, value_size, max_entries, flags: 0 };
        let shapes = [("CONNECTIONS4".to_owned(), shape(connections)), ("SERVICES4".to_owned(), shape(10))];
        Schema { shapes: shapes.into() }
    }

    #[test]
    fn a_changed_layout_has_another_directory_and_a_changed_table_size_has_not() {
        let name = schema(64, 1000).directory_name();
        assert_ne!(name, schema(72, 1000).directory_name());
        assert_eq!(name, schema(64, 2000).directory_name());
        assert!(name.starts_with(&format!("v{SCHEMA}-")) && !name.contains('.'), "{name}: bpffs refuses dots");
    }

    #[test]
    fn fnv_is_fnv() {
        let mut hash = Fnv::new();
        hash.add(b"foobar");
        assert_eq!(hash.0, 0x8594_4171_f739_67e8);
    }
}
