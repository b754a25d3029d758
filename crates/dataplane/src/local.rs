//! Local addresses in the maps.

use crate::maps::Maps;
use crate::translate::{load, store};
use forward::abi;
use model::{LocalAddresses, LocalRange, ServiceKey};
use std::net::IpAddr;
use std::sync::atomic::{Ordering, fence};

/// Writes what FullNAT needs of the service with this id. While the local addresses change, new connections find none;
/// those that there are keep theirs.
pub(crate) fn write(maps: &Maps, id: u32, key: &ServiceKey, local: &LocalAddresses) {
    let Some(cell) = maps.locals.get(id) else { return };
    if read(maps, id, key.endpoint.is_ipv4()) == *local && virtual_address(cell, key) == key.endpoint.ip() {
        return;
    }
    cell.size.set(0);
    fence(Ordering::SeqCst);
    store(&cell.address, key.endpoint.ip());
    let mut size = 0;
    for (place, cell) in cell.ranges.iter().enumerate() {
        let range = local.ranges().get(place);
        let (first_port, last_port) = range.map_or((0, 0), LocalRange::ports);
        let (addresses, ports) = range.map_or((0, 0), |range| (range.count(), u32::from(last_port - first_port) + 1));
        if let Some(range) = range {
            store(&cell.first, range.first());
        }
        cell.addresses.set(addresses);
        cell.ports.set(u32::from(first_port) | ports << 16);
        size += addresses * ports;
    }
    fence(Ordering::SeqCst);
    cell.size.set(size);
}

/// The local addresses of the service with this id.
pub(crate) fn read(maps: &Maps, id: u32, is_v4: bool) -> LocalAddresses {
    let Some(cell) = maps.locals.get(id).filter(|cell| cell.size.get() != 0) else { return LocalAddresses::default() };
    let ranges = cell.ranges.iter().filter_map(|range| read_range(range, is_v4));
    LocalAddresses::new(ranges.collect()).unwrap_or_default()
}

fn read_range(range: &abi::LocalRange, is_v4: bool) -> Option<LocalRange> {
    let (addresses, ports) = (range.addresses.get(), range.ports.get());
    let last = (ports & 0xffff) + (ports >> 16).checked_sub(1)?;
    LocalRange::of(load(&range.first, !is_v4), addresses, (ports as u16, u16::try_from(last).ok()?)).ok()
}

fn virtual_address(cell: &abi::Locals, key: &ServiceKey) -> IpAddr {
    load(&cell.address, key.endpoint.is_ipv6())
}
