//! The maps as `forward::Tables`.

use crate::{atomic, maps};
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use forward::abi::{
    Address4, Address6, Connection, FlowKey, Fragment, FragmentKey, INTERFACE_SLOTS, Interface, Load, Locals, Passage,
    RealServer, Service, ServiceKey, Settings, Signals, Tunnel,
};
use forward::filter::Filter;
use forward::fullnat::Place;
use forward::passage::Passages;
use forward::schedule::Scan;
use forward::tcp_state::Direction;
use forward::{Cell32, Cell64, Counter, InsertError, Shared, Tables, Time};

/// The maps, written to or (`REMEMBERS` is false) only read: every change is then left out or pretended.
pub(crate) struct MapTables<const REMEMBERS: bool>;

/// The maps that packets meet.
pub(crate) type Live = MapTables<true>;
/// The maps as packets find them.
pub(crate) const LIVE: Live = MapTables;
/// The maps for a question: what would be?
pub(crate) const REHEARSAL: MapTables<false> = MapTables;

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
    map.get_ptr(key).map(|pointer| unsafe { &*pointer })
}

#[inline(always)]
fn insert<K: Copy, V>(map: &'static HashMap<K, V>, key: &K, value: &V) -> Result<(), InsertError> {
    // As in `entry`.
    let key = *key;
    match map.insert(key, value, NO_EXIST) {
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

impl<const REMEMBERS: bool> Shared for MapTables<REMEMBERS> {
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
    fn tunnel(&self, id: u32) -> Option<&Tunnel> {
        element(&maps::TUNNELS, id)
    }

    #[inline(always)]
    fn load(&self, id: u32) -> Option<&Load> {
        element(&maps::LOADS, id)
    }

    #[inline(always)]
    fn locals(&self, service: u32) -> Option<&Locals> {
        element(&maps::LOCALS, service)
    }

    #[inline(always)]
    fn draft(&self) -> Option<&Connection> {
        // SAFETY: this CPU's own element, whose words are cells.
        maps::DRAFT.get_ptr(0).map(|pointer| unsafe { &*pointer })
    }

    #[inline(always)]
    fn hand(&self, server: u32) {
        maps::tell_server(server);
    }

    #[inline(always)]
    fn handed(&self) -> u32 {
        maps::server()
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
    fn client(&self, place: u32) -> Option<&Cell64> {
        element(&maps::CLIENT_PLACES, place)
    }

    #[inline(always)]
    fn signals(&self, id: u32) -> Option<&Signals> {
        element(&maps::SIGNALS, id)
    }

    #[inline(always)]
    fn bucket(&self, bucket: u32) -> Option<&Cell64> {
        element(&maps::BUCKETS, bucket)
    }

    #[inline(always)]
    fn scan(&self, service: &Service, from: u32, minimum: u32) -> Scan {
        // SAFETY: a reference points to a whole service.
        Scan::from_word(unsafe { crate::functions::scan_servers(service, from, minimum) })
    }

    #[inline(always)]
    fn scan_stretch(&self, service: &Service, from: u32, minimum: u32) -> Scan {
        // SAFETY: a reference points to a whole service.
        Scan::from_word(unsafe { crate::functions::scan_stretch(service, from, minimum) })
    }

    #[inline(always)]
    fn least_connection(&self, service: &Service) -> u32 {
        // SAFETY: a reference points to a whole service.
        unsafe { crate::functions::least_connection(service) as u32 }
    }

    #[inline(always)]
    fn least_of_stretch(&self, service: &Service, from: u32, chosen: u32) -> u32 {
        // SAFETY: a reference points to a whole service.
        unsafe { crate::functions::least_of_stretch(service, from, chosen) as u32 }
    }

    #[inline(always)]
    fn fall_back(&self, service: &Service, client: u32) -> u32 {
        // SAFETY: a reference points to a whole service.
        unsafe { crate::functions::fall_back(service, client) as u32 }
    }

    #[inline(always)]
    fn fall_back_on_stretch(&self, service: &Service, client: u32, from: u32) -> u32 {
        // SAFETY: a reference points to a whole service.
        unsafe { crate::functions::fall_back_on_stretch(service, client, from) as u32 }
    }

    #[inline(always)]
    fn exchange(&self, cell: &Cell64, expected: u64, new: u64) -> bool {
        !REMEMBERS || atomic::exchange(cell, expected, new)
    }

    #[inline(always)]
    fn store32(&self, cell: &Cell32, value: u32) {
        if REMEMBERS {
            cell.set(value);
        }
    }

    #[inline(always)]
    fn store64(&self, cell: &Cell64, value: u64) {
        if REMEMBERS {
            cell.set(value);
        }
    }

    #[inline(always)]
    fn add(&self, cell: &Cell32, delta: u32) {
        if REMEMBERS {
            atomic::add(cell, delta);
        }
    }

    #[inline(always)]
    fn account(&self, server: u32, direction: Direction, bytes: u32) {
        if REMEMBERS && let Some(place) = maps::STATISTICS.get_ptr_mut(server) {
            // SAFETY: this CPU's own element.
            unsafe { &mut *place }.add_packet(direction, bytes);
        }
    }

    #[inline(always)]
    fn account_connection(&self, server: u32) {
        if REMEMBERS && let Some(place) = maps::STATISTICS.get_ptr_mut(server) {
            // SAFETY: this CPU's own element.
            unsafe { (*place).connections += 1 };
        }
    }

    #[inline(always)]
    fn count(&self, counter: Counter) {
        if REMEMBERS {
            bump(&maps::COUNTERS, counter as u32);
        }
    }

    #[inline(always)]
    fn count_checksum(&self, interface: u32, partial: bool) {
        if REMEMBERS && let Some(place) = maps::INTERFACE_COUNTERS.get_ptr_mut(interface % INTERFACE_SLOTS) {
            // SAFETY: this CPU's own element.
            unsafe { &mut *place }.add(partial);
        }
    }
}

macro_rules! family {
    ($address:ty, $connections:ident, $services:ident, $fragments:ident, $passages:ident, $find_place:ident, $occupy:ident) => {
        impl<const REMEMBERS: bool> Tables<$address> for MapTables<REMEMBERS> {
            #[inline(always)]
            fn connection(&self, key: &FlowKey<$address>) -> Option<&Connection> {
                entry(&maps::$connections, key)
            }

            #[inline(always)]
            fn insert(&self, key: &FlowKey<$address>, connection: &Connection) -> Result<(), InsertError> {
                if REMEMBERS { insert(&maps::$connections, key, connection) } else { Ok(()) }
            }

            /// Packets alone take places: a question does not come so far.
            #[inline(always)]
            fn find_place(&self, key: &mut FlowKey<$address>, _now: Time) -> Place {
                // SAFETY: a reference points to a whole key.
                Place::from_word(unsafe { crate::functions::$find_place(key) })
            }

            #[inline(always)]
            fn occupy(&self, key: &FlowKey<$address>, _now: Time) -> Place {
                // SAFETY: a reference points to a whole key.
                Place::from_word(unsafe { crate::functions::$occupy(key) })
            }

            #[inline(always)]
            fn remove(&self, key: &FlowKey<$address>) {
                if REMEMBERS {
                    let _ = maps::$connections.remove(key);
                }
            }

            #[inline(always)]
            fn fragment(&self, key: &FragmentKey<$address>) -> Option<&Fragment> {
                // SAFETY: preallocated elements stay mapped. One that was given to another datagram in between leads
                // one fragment astray.
                maps::$fragments.get_ptr(*key).map(|pointer| unsafe { &*pointer })
            }

            #[inline(always)]
            fn remember_fragment(&self, key: &FragmentKey<$address>, fragment: &Fragment) {
                if REMEMBERS {
                    let _ = maps::$fragments.insert(*key, fragment, 0);
                }
            }

            #[inline(always)]
            fn service(&self, key: &ServiceKey<$address>) -> Option<&Service> {
                entry(&maps::$services, key)
            }
        }

        impl Passages<$address> for Live {
            #[inline(always)]
            fn passage(&self, key: &ServiceKey<$address>) -> Option<&Passage> {
                // (An element that is removed meanwhile stays as it is until the program has ended.)
                entry(&maps::$passages, key)
            }
        }
    };
}

family!(Address4, CONNECTIONS4, SERVICES4, FRAGMENTS4, PASSAGES4, find_place4, occupy4);
family!(Address6, CONNECTIONS6, SERVICES6, FRAGMENTS6, PASSAGES6, find_place6, occupy6);
