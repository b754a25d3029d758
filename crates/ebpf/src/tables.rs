//! The maps as `forward::Tables`, and a rehearsal of them that remembers nothing.

use crate::{atomic, maps};
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use forward::abi::{
    Address4, Address6, Connection, FlowKey, INTERFACE_SLOTS, Interface, Load, RealServer, Service, ServiceKey,
    Settings,
};
use forward::filter::Filter;
use forward::schedule::Scan;
use forward::tcp_state::Direction;
use forward::{Cell32, Cell64, Counter, InsertError, Shared, Tables};

/// The maps.
pub(crate) struct MapTables;

/// BPF_NOEXIST (linux/bpf.h).
const NO_EXIST: u64 = 1;
/// -EEXIST
const EXISTS: i64 = -17;

#[inline(always)]
fn element<T>(array: &'static Array<T>, index: u32) -> Option<&'static T> {
    // SAFETY: elements of an array live as long as the program; shared words inside are cells.
    array.get_ptr(index).map(|pointer| unsafe { &*pointer })
}

#[inline(always)]
fn entry<K: Copy, V>(map: &'static HashMap<K, V>, key: &K) -> Option<&'static V> {
    // A key of its own on the stack: the packet it is part of then stays in registers.
    let key = *key;
    // SAFETY: preallocated elements stay mapped; forward's two-phase removal keeps an old pointer harmless.
    map.get_ptr(&key).map(|pointer| unsafe { &*pointer })
}

#[inline(always)]
fn insert<K: Copy, V>(map: &'static HashMap<K, V>, key: &K, value: &V) -> Result<(), InsertError> {
    // As in `entry`.
    let key = *key;
    match map.insert(&key, value, NO_EXIST) {
        Ok(()) => Ok(()),
        Err(error) if error as i64 == EXISTS => Err(InsertError::Exists),
        Err(_) => Err(InsertError::Full),
    }
}

#[inline(always)]
fn bump(array: &'static PerCpuArray<u64>, index: u32) {
    if let Some(place) = array.get_ptr_mut(index) {
        // SAFETY: this CPU's own element.
        unsafe { *place += 1 };
    }
}

impl Shared for MapTables {
    #[inline(always)]
    fn filter(&self) -> Option<&Filter> {
        element(&maps::FILTER, 0)
    }

    #[inline(always)]
    fn interface(&self, index: u32) -> Option<&Interface> {
        element(&maps::INTERFACES, index % INTERFACE_SLOTS)
    }

    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        element(&maps::SETTINGS, 0)
    }

    #[inline(always)]
    fn server(&self, id: u32) -> Option<&RealServer> {
        element(&maps::SERVERS, id)
    }

    #[inline(always)]
    fn load(&self, id: u32) -> Option<&Load> {
        element(&maps::LOADS, id)
    }

    #[inline(always)]
    fn slot(&self, slot: u32) -> Option<u32> {
        element(&maps::SCHEDULE, slot).copied()
    }

    #[inline(always)]
    fn cursor(&self, service: u32) -> Option<&Cell64> {
        element(&maps::CURSORS, service)
    }

    #[inline(always)]
    fn scan(&self, service: &Service, from: u32, minimum: u32) -> Scan {
        // SAFETY: a reference points to a whole service.
        Scan::from_word(unsafe { crate::scan_servers(service, from, minimum) })
    }

    #[inline(always)]
    fn least_connection(&self, service: &Service) -> u32 {
        // SAFETY: a reference points to a whole service.
        unsafe { crate::least_connection(service) }
    }

    #[inline(always)]
    fn exchange(&self, cell: &Cell64, expected: u64, new: u64) -> bool {
        atomic::exchange(cell, expected, new)
    }

    #[inline(always)]
    fn store32(&self, cell: &Cell32, value: u32) {
        cell.set(value);
    }

    #[inline(always)]
    fn store64(&self, cell: &Cell64, value: u64) {
        cell.set(value);
    }

    #[inline(always)]
    fn add(&self, cell: &Cell32, delta: u32) {
        atomic::add(cell, delta);
    }

    #[inline(always)]
    fn account(&self, server: u32, direction: Direction, bytes: u32) {
        if let Some(place) = maps::STATISTICS.get_ptr_mut(server) {
            // SAFETY: this CPU's own element.
            unsafe { &mut *place }.add_packet(direction, bytes);
        }
    }

    #[inline(always)]
    fn account_connection(&self, server: u32) {
        if let Some(place) = maps::STATISTICS.get_ptr_mut(server) {
            // SAFETY: this CPU's own element.
            unsafe { (*place).connections += 1 };
        }
    }

    #[inline(always)]
    fn count(&self, counter: Counter) {
        bump(&maps::COUNTERS, counter as u32);
    }

    #[inline(always)]
    fn count_partial_checksum(&self, interface: u32) {
        bump(&maps::INTERFACE_COUNTERS, interface % INTERFACE_SLOTS);
    }
}

/// The maps, read only: every change is refused or pretended.
pub(crate) struct Rehearsal;

impl Shared for Rehearsal {
    #[inline(always)]
    fn filter(&self) -> Option<&Filter> {
        element(&maps::FILTER, 0)
    }

    #[inline(always)]
    fn interface(&self, index: u32) -> Option<&Interface> {
        element(&maps::INTERFACES, index % INTERFACE_SLOTS)
    }

    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        element(&maps::SETTINGS, 0)
    }

    #[inline(always)]
    fn server(&self, id: u32) -> Option<&RealServer> {
        element(&maps::SERVERS, id)
    }

    #[inline(always)]
    fn load(&self, id: u32) -> Option<&Load> {
        element(&maps::LOADS, id)
    }

    #[inline(always)]
    fn slot(&self, slot: u32) -> Option<u32> {
        element(&maps::SCHEDULE, slot).copied()
    }

    #[inline(always)]
    fn cursor(&self, service: u32) -> Option<&Cell64> {
        element(&maps::CURSORS, service)
    }

    #[inline(always)]
    fn scan(&self, service: &Service, from: u32, minimum: u32) -> Scan {
        // SAFETY: a reference points to a whole service.
        Scan::from_word(unsafe { crate::scan_servers(service, from, minimum) })
    }

    #[inline(always)]
    fn least_connection(&self, service: &Service) -> u32 {
        // SAFETY: a reference points to a whole service.
        unsafe { crate::least_connection(service) }
    }

    #[inline(always)]
    fn exchange(&self, _: &Cell64, _: u64, _: u64) -> bool {
        true
    }

    #[inline(always)]
    fn store32(&self, _: &Cell32, _: u32) {}

    #[inline(always)]
    fn store64(&self, _: &Cell64, _: u64) {}

    #[inline(always)]
    fn add(&self, _: &Cell32, _: u32) {}

    #[inline(always)]
    fn account(&self, _: u32, _: Direction, _: u32) {}

    #[inline(always)]
    fn account_connection(&self, _: u32) {}

    #[inline(always)]
    fn count(&self, _: Counter) {}

    #[inline(always)]
    fn count_partial_checksum(&self, _: u32) {}
}

macro_rules! family {
    ($address:ty, $connections:ident, $services:ident) => {
        impl Tables<$address> for MapTables {
            #[inline(always)]
            fn connection(&self, key: &FlowKey<$address>) -> Option<&Connection> {
                entry(&maps::$connections, key)
            }

            #[inline(always)]
            fn insert(&self, key: &FlowKey<$address>, connection: &Connection) -> Result<(), InsertError> {
                insert(&maps::$connections, key, connection)
            }

            #[inline(always)]
            fn remove(&self, key: &FlowKey<$address>) {
                let _ = maps::$connections.remove(key);
            }

            #[inline(always)]
            fn service(&self, key: &ServiceKey<$address>) -> Option<&Service> {
                entry(&maps::$services, key)
            }
        }

        impl Tables<$address> for Rehearsal {
            #[inline(always)]
            fn connection(&self, key: &FlowKey<$address>) -> Option<&Connection> {
                entry(&maps::$connections, key)
            }

            #[inline(always)]
            fn insert(&self, _: &FlowKey<$address>, _: &Connection) -> Result<(), InsertError> {
                Ok(())
            }

            #[inline(always)]
            fn remove(&self, _: &FlowKey<$address>) {}

            #[inline(always)]
            fn service(&self, key: &ServiceKey<$address>) -> Option<&Service> {
                entry(&maps::$services, key)
            }
        }
    };
}

family!(Address4, CONNECTIONS4, SERVICES4);
family!(Address6, CONNECTIONS6, SERVICES6);
