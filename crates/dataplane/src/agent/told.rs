//! What the programs are told, and what they tell.

use super::AgentOptions;
use super::load::Loaded;
use crate::error::{Doing, Error};
use crate::pins::{is_layout, names_in};
use crate::plain::Plain;
use crate::syscall;
use crate::table::{PerCpu, Table};
use forward::agent::Reception;
use forward::agent::abi::MOST_ADDRESSES;
use model::Prefix;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

/// Keys of tries are the length of a prefix, then its bytes.
type Trie4 = [u8; 8];
type Trie6 = [u8; 20];

/// Tells them everything; what they were told before and is not said again, they forget.
pub(super) fn tell(loaded: &Loaded, options: &AgentOptions) -> Result<(), Error> {
    let settings: Table<u32, [u8; 4]> = open(&loaded.maps, "SETTINGS")?;
    let [high, low] = options.gue_port.to_be_bytes();
    let [kind4, kind6] = options.toa_kinds;
    settings.set(&0, &[high, low, kind4, kind6]).doing(|| "write the settings of the programs".to_owned())?;
    let (mut four, mut six) = (BTreeSet::new(), BTreeSet::new());
    for address in &options.virtual_addresses {
        match address {
            IpAddr::V4(address) => drop(four.insert(address.octets())),
            IpAddr::V6(address) => drop(six.insert(address.octets())),
        }
    }
    replace::<[u8; 4]>(loaded, "VIRTUAL4", &four, "virtual addresses")?;
    replace::<[u8; 16]>(loaded, "VIRTUAL6", &six, "virtual addresses")?;
    replace::<Trie4>(loaded, "DIRECTORS4", &keys(&options.directors), "directors")?;
    replace::<Trie6>(loaded, "DIRECTORS6", &keys(&options.directors), "directors")
}

fn keys<const N: usize>(prefixes: &BTreeSet<Prefix>) -> BTreeSet<[u8; N]> {
    let key = |prefix: &Prefix| {
        let mut key = u32::from(prefix.length()).to_ne_bytes().to_vec();
        match prefix.address() {
            IpAddr::V4(address) => key.extend(address.octets()),
            IpAddr::V6(address) => key.extend(address.octets()),
        }
        <[u8; N]>::try_from(key).ok()
    };
    prefixes.iter().filter_map(key).collect()
}

/// New elements come before old ones go: what stays is there all the time.
fn replace<K: Plain + Ord>(loaded: &Loaded, name: &str, wanted: &BTreeSet<K>, what: &'static str) -> Result<(), Error> {
    if wanted.len() > MOST_ADDRESSES as usize {
        return Err(Error::NoSpace { what, size: MOST_ADDRESSES });
    }
    let doing = || format!("write the {what} of the programs");
    let table: Table<K, u32> = open(&loaded.maps, name)?;
    let there: Vec<K> = table.entries().doing(doing)?.into_iter().map(|(key, _)| key).collect();
    for key in there.iter().filter(|key| !wanted.contains(key)) {
        if there.len() + wanted.len() > MOST_ADDRESSES as usize {
            table.remove(key).doing(doing)?;
        }
    }
    for key in wanted {
        table.set(key, &1).doing(doing)?;
    }
    for key in there.iter().filter(|key| !wanted.contains(key)) {
        table.remove(key).doing(doing)?;
    }
    Ok(())
}

fn open<K: Plain, V: Plain>(maps: &Path, name: &str) -> Result<Table<K, V>, Error> {
    let path = maps.join(name);
    let table = syscall::open_pin(&path).and_then(Table::new);
    table.map_err(|error| Error::Pins { path, reason: error.to_string() })
}

/// Everything counted so far, summed over CPUs.
pub(super) fn counters(root: &Path) -> Result<BTreeMap<&'static str, u64>, Error> {
    let Some(maps) = names_in(root).into_iter().find(|name| is_layout(name)) else { return Ok(BTreeMap::new()) };
    let path = root.join(maps).join("RECEPTION");
    let counters = syscall::open_pin(&path).and_then(PerCpu::<u64>::new);
    let counters = counters.map_err(|error| Error::Pins { path, reason: error.to_string() })?;
    let read = |reception: &Reception| {
        let values = counters.get(*reception as u32).doing(|| "read the counters of the programs".to_owned())?;
        Ok((reception.name(), values.iter().sum()))
    };
    Reception::ALL.iter().map(read).collect()
}
