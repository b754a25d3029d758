//! The tables of the forwarding path in ordinary memory.
#![expect(unsafe_code, reason = "hands out entries of tables that grow behind shared references")]
#![expect(clippy::indexing_slicing, reason = "tables of fixed size, indexed by numbers that were checked")]

use crate::abi::{
    Address4, Address6, CLIENTS, Connection, FlowKey, Fragment, FragmentKey, INTERFACE_SLOTS, Interface,
    InterfaceCounters, KeyTail, Load, Locals, Passage, RealServer, Service, ServiceKey, Settings, Signals, Statistics,
    Tunnel,
};
use crate::filter::Filter;
use crate::fullnat::{self, Place};
use crate::pace::BUCKETS;
use crate::passage::Passages;
use crate::schedule::{self, Scan};
use crate::tcp_state::{Direction, TcpState};
use crate::{Cell32, Cell64, Counter, InsertError, Shared, Tables, Time};
use core::cell::{Cell, RefCell, UnsafeCell};
use core::hash::Hash;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::boxed::Box;
use std::collections::HashMap;
use std::vec::Vec;

/// One family's maps.
struct FamilyTables<A: KeyTail> {
    connections: UnsafeCell<HashMap<FlowKey<A>, Box<Connection>>>,
    /// Removed entries: borrowed references to them must stay valid, as pointers do in the kernel until the grace period ends.
    #[expect(clippy::vec_box, reason = "the entries must stay where they are")]
    graveyard: RefCell<Vec<Box<Connection>>>,
    fragments: UnsafeCell<HashMap<FragmentKey<A>, Box<Fragment>>>,
    /// Replaced ones, which may still be borrowed.
    #[expect(clippy::vec_box, reason = "as above")]
    old_fragments: RefCell<Vec<Box<Fragment>>>,
    services: HashMap<ServiceKey<A>, Service>,
    passages: HashMap<ServiceKey<A>, Passage>,
    capacity: usize,
}

impl<A: KeyTail + Copy + Eq + Hash> FamilyTables<A> {
    fn new(capacity: usize) -> Self {
        let (connections, fragments) = (UnsafeCell::default(), UnsafeCell::default());
        let (graveyard, old_fragments) = (RefCell::default(), RefCell::default());
        let (services, passages) = (HashMap::new(), HashMap::new());
        Self { connections, graveyard, fragments, old_fragments, services, passages, capacity }
    }

    fn fragment(&self, key: &FragmentKey<A>) -> Option<&Fragment> {
        // SAFETY: as in `connections`.
        unsafe { &*self.fragments.get() }.get(key).map(|boxed| &**boxed)
    }

    fn remember_fragment(&self, key: &FragmentKey<A>, fragment: &Fragment) {
        // SAFETY: as in `connections`; the replaced box is kept.
        if let Some(old) = unsafe { &mut *self.fragments.get() }.insert(*key, Box::new(fragment.clone())) {
            self.old_fragments.borrow_mut().push(old);
        }
    }

    fn connections(&self) -> &HashMap<FlowKey<A>, Box<Connection>> {
        // SAFETY: single-threaded (`UnsafeCell` is not `Sync`), and no reference to the map itself outlives a call.
        unsafe { &*self.connections.get() }
    }

    fn connection(&self, key: &FlowKey<A>) -> Option<&Connection> {
        self.connections().get(key).map(|boxed| &**boxed)
    }

    fn insert(&self, key: &FlowKey<A>, connection: &Connection) -> Result<(), InsertError> {
        if self.connections().contains_key(key) {
            return Err(InsertError::Exists);
        }
        if self.connections().len() >= self.capacity {
            return Err(InsertError::Full);
        }
        // SAFETY: as in `connections`; entries are boxed, so references to them survive the map's growth.
        unsafe { &mut *self.connections.get() }.insert(*key, Box::new(connection.clone()));
        Ok(())
    }

    fn remove(&self, key: &FlowKey<A>) {
        // SAFETY: as in `connections`; the removed box is kept.
        if let Some(removed) = unsafe { &mut *self.connections.get() }.remove(key) {
            self.graveyard.borrow_mut().push(removed);
        }
    }
}

/// All tables in memory, with the sizes given at creation.
pub struct HashTables {
    family4: FamilyTables<Address4>,
    family6: FamilyTables<Address6>,
    /// The prefilter.
    pub filter: Filter,
    interfaces: Vec<Interface>,
    /// Settings, with IPVS's defaults.
    pub settings: Settings,
    /// Servers by id.
    pub servers: Vec<RealServer>,
    /// Tunnels by server id.
    pub tunnels: Vec<Tunnel>,
    /// Loads by server id.
    pub loads: Vec<Load>,
    /// Lists and hash tables of the schedulers.
    pub schedule: Vec<u32>,
    /// Cursors by service id.
    pub cursors: Vec<Cell64>,
    /// Local addresses by service id.
    pub locals: Vec<Locals>,
    /// An entry in the making.
    draft: Connection,
    /// The server that one program tells the next.
    handed: Cell<u32>,
    /// Clients that are known, by place.
    pub clients: Vec<Cell64>,
    /// Signals by server id.
    pub signals: Vec<Signals>,
    /// Token buckets.
    pub buckets: Vec<Cell64>,
    /// Statistics by server id.
    pub statistics: Vec<Cell<Statistics>>,
    /// Counters by number.
    pub counters: Vec<Cell<u64>>,
    /// Checksums looked at, by interface.
    pub checksums: RefCell<HashMap<u32, InterfaceCounters>>,
}

impl HashTables {
    /// Empty tables with room for `connections` entries a family and `servers` servers and services.
    pub fn new(connections: usize, servers: usize) -> Self {
        Self {
            family4: FamilyTables::new(connections),
            family6: FamilyTables::new(connections),
            filter: Filter::EMPTY,
            interfaces: vec![Interface::default(); INTERFACE_SLOTS as usize],
            settings: default_settings(),
            servers: vec![RealServer::default(); servers],
            tunnels: vec![Tunnel::default(); servers],
            loads: vec![Load::default(); servers],
            schedule: vec![0; 1 << 16],
            cursors: vec![Cell64::default(); servers],
            locals: vec![Locals::default(); servers],
            draft: Connection::default(),
            handed: Cell::new(0),
            clients: vec![Cell64::default(); CLIENTS as usize],
            signals: vec![Signals::default(); servers],
            buckets: vec![Cell64::default(); BUCKETS as usize],
            statistics: vec![Cell::default(); servers],
            counters: vec![Cell::new(0); Counter::COUNT as usize],
            checksums: RefCell::default(),
        }
    }

    /// Makes `interface` one with programs attached.
    pub fn set_interface(&mut self, interface: Interface) {
        self.interfaces[(interface.index % INTERFACE_SLOTS) as usize] = interface;
    }

    /// Adds or replaces an IPv4 service.
    pub fn set_service4(&mut self, key: ServiceKey<Address4>, service: Service) {
        self.family4.services.insert(key, service);
    }

    /// Adds or replaces an IPv6 service.
    pub fn set_service6(&mut self, key: ServiceKey<Address6>, service: Service) {
        self.family6.services.insert(key, service);
    }

    /// Opens a passage to a check with this address of IPv4.
    pub fn set_passage4(&mut self, key: ServiceKey<Address4>, passage: Passage) {
        self.family4.passages.insert(key, passage);
    }

    /// The same for IPv6.
    pub fn set_passage6(&mut self, key: ServiceKey<Address6>, passage: Passage) {
        self.family6.passages.insert(key, passage);
    }

    /// All passages of IPv4.
    pub fn passages4(&self) -> impl Iterator<Item = (&ServiceKey<Address4>, &Passage)> {
        self.family4.passages.iter()
    }

    /// All passages of IPv6.
    pub fn passages6(&self) -> impl Iterator<Item = (&ServiceKey<Address6>, &Passage)> {
        self.family6.passages.iter()
    }

    /// All IPv4 services.
    pub fn services4(&self) -> impl Iterator<Item = (&ServiceKey<Address4>, &Service)> {
        self.family4.services.iter()
    }

    /// All IPv6 services.
    pub fn services6(&self) -> impl Iterator<Item = (&ServiceKey<Address6>, &Service)> {
        self.family6.services.iter()
    }

    /// Changes every service in place.
    pub fn edit_services(&mut self, edit: impl Fn(&mut Service)) {
        self.family4.services.values_mut().for_each(&edit);
        self.family6.services.values_mut().for_each(edit);
    }

    /// All interfaces.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// How often `counter` was counted.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].get()
    }

    /// Entries of both families.
    pub fn connections(&self) -> usize {
        self.family4.connections().len() + self.family6.connections().len()
    }

    /// Keys of all IPv4 entries.
    pub fn keys4(&self) -> Vec<FlowKey<Address4>> {
        self.family4.connections().keys().copied().collect()
    }

    /// All IPv4 entries.
    pub fn entries4(&self) -> impl Iterator<Item = (&FlowKey<Address4>, &Connection)> {
        self.family4.connections().iter().map(|(key, entry)| (key, &**entry))
    }

    /// All IPv6 entries.
    pub fn entries6(&self) -> impl Iterator<Item = (&FlowKey<Address6>, &Connection)> {
        self.family6.connections().iter().map(|(key, entry)| (key, &**entry))
    }

    /// Looks at every datagram that comes in pieces.
    pub fn each_fragment(&self, look: impl Fn(&Fragment)) {
        // SAFETY: as in `connections`; nobody changes the maps meanwhile.
        let (four, six) = unsafe { (&*self.family4.fragments.get(), &*self.family6.fragments.get()) };
        four.values().chain(six.values()).for_each(|entry| look(entry));
    }

    /// Keys of all IPv6 entries.
    pub fn keys6(&self) -> Vec<FlowKey<Address6>> {
        self.family6.connections().keys().copied().collect()
    }
}

/// Settings with IPVS's defaults.
pub fn default_settings() -> Settings {
    let settings = Settings::default();
    for (cell, seconds) in settings.tcp_timeouts.iter().zip(TcpState::TIMEOUTS) {
        cell.set(Time::ticks(seconds));
    }
    settings.udp_timeout.set(Time::ticks(300));
    settings.flags.set(Settings::REUSE_CLOSED);
    settings.toa_kinds.set(Settings::TOA_KINDS);
    settings
}

impl Shared for HashTables {
    fn filter(&self) -> Option<&Filter> {
        Some(&self.filter)
    }

    fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.get((index % INTERFACE_SLOTS) as usize)
    }

    fn settings(&self) -> Option<&Settings> {
        Some(&self.settings)
    }

    fn server(&self, id: u32) -> Option<&RealServer> {
        self.servers.get(id as usize)
    }

    fn tunnel(&self, id: u32) -> Option<&Tunnel> {
        self.tunnels.get(id as usize)
    }

    fn load(&self, id: u32) -> Option<&Load> {
        self.loads.get(id as usize)
    }

    fn locals(&self, service: u32) -> Option<&Locals> {
        self.locals.get(service as usize)
    }

    fn draft(&self) -> Option<&Connection> {
        Some(&self.draft)
    }

    fn hand(&self, server: u32) {
        self.handed.set(server);
    }

    fn handed(&self) -> u32 {
        self.handed.get()
    }

    fn slot(&self, slot: u32) -> Option<u32> {
        self.schedule.get(slot as usize).copied()
    }

    fn client(&self, place: u32) -> Option<&Cell64> {
        self.clients.get(place as usize)
    }

    fn signals(&self, id: u32) -> Option<&Signals> {
        self.signals.get(id as usize)
    }

    fn bucket(&self, bucket: u32) -> Option<&Cell64> {
        self.buckets.get(bucket as usize)
    }

    fn cursor(&self, service: u32) -> Option<&Cell64> {
        self.cursors.get(service as usize)
    }

    fn scan(&self, service: &Service, from: u32, minimum: u32) -> Scan {
        schedule::scan(self, service, from, minimum)
    }

    fn scan_stretch(&self, service: &Service, from: u32, minimum: u32) -> Scan {
        schedule::scan_stretch(self, service, from, minimum)
    }

    fn least_connection(&self, service: &Service) -> u32 {
        schedule::least_connection(self, service)
    }

    fn least_of_stretch(&self, service: &Service, from: u32, chosen: u32) -> u32 {
        schedule::least_of_stretch(self, service, from, chosen)
    }

    fn fall_back(&self, service: &Service, client: u32) -> u32 {
        schedule::fall_back(self, service, client)
    }

    fn fall_back_on_stretch(&self, service: &Service, client: u32, from: u32) -> u32 {
        schedule::fall_back_on_stretch(self, service, client, from)
    }

    fn exchange(&self, cell: &Cell64, expected: u64, new: u64) -> bool {
        // SAFETY: the cell is live and aligned; all other accesses to it are single words.
        let atomic = unsafe { AtomicU64::from_ptr(cell.pointer()) };
        atomic.compare_exchange(expected, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn store32(&self, cell: &Cell32, value: u32) {
        cell.set(value);
    }

    fn store64(&self, cell: &Cell64, value: u64) {
        cell.set(value);
    }

    fn add(&self, cell: &Cell32, delta: u32) {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(cell.pointer()) }.fetch_add(delta, Ordering::Relaxed);
    }

    fn account(&self, server: u32, direction: Direction, bytes: u32) {
        let Some(cell) = self.statistics.get(server as usize) else { return };
        let mut statistics = cell.get();
        statistics.add_packet(direction, bytes);
        cell.set(statistics);
    }

    fn account_connection(&self, server: u32) {
        let Some(cell) = self.statistics.get(server as usize) else { return };
        let mut statistics = cell.get();
        statistics.connections += 1;
        cell.set(statistics);
    }

    fn count(&self, counter: Counter) {
        let cell = &self.counters[counter as usize];
        cell.set(cell.get() + 1);
    }

    fn count_checksum(&self, interface: u32, partial: bool) {
        self.checksums.borrow_mut().entry(interface).or_default().add(partial);
    }
}

macro_rules! family {
    ($address:ty, $field:ident) => {
        impl Tables<$address> for HashTables {
            fn connection(&self, key: &FlowKey<$address>) -> Option<&Connection> {
                self.$field.connection(key)
            }

            fn insert(&self, key: &FlowKey<$address>, connection: &Connection) -> Result<(), InsertError> {
                self.$field.insert(key, connection)
            }

            fn find_place(&self, key: &mut FlowKey<$address>, now: Time) -> Place {
                fullnat::find_place(self, key, now)
            }

            fn occupy(&self, key: &FlowKey<$address>, now: Time) -> Place {
                fullnat::occupy(self, key, now)
            }

            fn remove(&self, key: &FlowKey<$address>) {
                self.$field.remove(key)
            }

            fn fragment(&self, key: &FragmentKey<$address>) -> Option<&Fragment> {
                self.$field.fragment(key)
            }

            fn remember_fragment(&self, key: &FragmentKey<$address>, fragment: &Fragment) {
                self.$field.remember_fragment(key, fragment)
            }

            fn service(&self, key: &ServiceKey<$address>) -> Option<&Service> {
                self.$field.services.get(key)
            }
        }

        impl Passages<$address> for HashTables {
            fn passage(&self, key: &ServiceKey<$address>) -> Option<&Passage> {
                self.$field.passages.get(key)
            }
        }
    };
}

family!(Address4, family4);
family!(Address6, family6);
