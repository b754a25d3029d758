//! A director in memory: services and servers put straight into host tables, as the daemon puts them into maps.
#![expect(clippy::indexing_slicing, reason = "ids and slots are handed out here")]

use super::packet::DIRECTOR_MAC;
use super::{HashTables, SliceFrame};
use crate::abi::{
    Address4, Address6, Connection, Envelope, FlowKey, Interface, Method, NextHop, Outer, Passage, Port, RealServer,
    SchedulerKind, Service, ServiceKey,
};
use crate::connection::StateWord;
use crate::{Address, Cell64, Family, Time, Verdict, decide, passage};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::vec::Vec;
use wire::{MacAddress, protocol};

/// The director's own addresses towards its servers.
pub const DIRECTOR4: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
/// The same of IPv6.
pub const DIRECTOR6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x1001);

/// A real server of a [`World`].
#[derive(Clone, Copy, Debug)]
pub struct ServerSpec {
    /// Address and port.
    pub endpoint: SocketAddr,
    /// How it is reached.
    pub method: Method,
    /// Its weight.
    pub weight: u32,
    /// Interface it is reached by: 1 is the one that frames come in by, 0 none, it is this host.
    pub interface: u32,
}

/// Host tables with a director's configuration in them.
pub struct World {
    /// The tables.
    pub tables: HashTables,
    /// The time that packets see.
    pub now: Time,
    servers: u32,
    services: u32,
    slots: u32,
}

impl World {
    /// No services; interface 1 attached; room for `connections` entries a family.
    pub fn new(connections: usize) -> Self {
        let mut tables = HashTables::new(connections, 2048);
        tables.set_interface(Interface { index: 1, address: DIRECTOR_MAC, ..Interface::default() });
        Self { tables, now: Time(1 << 40), servers: 1, services: 0, slots: 0 }
    }

    /// Adds an owned service with its servers, oldest first. `table` holds the places in that list that the slots of a
    /// hash table name. Returns the server ids in the same order.
    pub fn service(
        &mut self,
        protocol: u8,
        endpoint: SocketAddr,
        scheduler: SchedulerKind,
        servers: &[ServerSpec],
        table: &[usize],
    ) -> Vec<u32> {
        let ids: Vec<u32> = servers.iter().map(|server| self.server(server)).collect();
        let list: Vec<u32> = ids.iter().rev().copied().collect();
        let table: Vec<u32> = table.iter().map(|place| ids[*place]).collect();
        let step = servers.iter().map(|server| server.weight).filter(|weight| *weight > 0).fold(0, gcd).max(1);
        let service = Service {
            id: self.services,
            scheduler: scheduler as u8,
            flags: Service::OWNED,
            reserved: 0,
            list_count: list.len() as u32,
            list_start: self.allocate(&list),
            table_size: table.len() as u32,
            table_start: self.allocate(&table),
            weight_step: step,
            weight_top: servers.iter().map(|server| server.weight).max().unwrap_or(0).saturating_sub(step - 1),
        };
        self.services += 1;
        self.publish(protocol, endpoint, service);
        ids
    }

    /// Puts a service under its key, in the filter too.
    pub fn publish(&mut self, protocol: u8, endpoint: SocketAddr, service: Service) {
        let port = Port::new(endpoint.port());
        match endpoint.ip() {
            IpAddr::V4(address) => {
                let address = Address4::from(address);
                self.tables.filter.insert(address.filter_hash());
                self.tables.set_service4(ServiceKey::new(address, port, protocol), service);
            }
            IpAddr::V6(address) => {
                let address = Address6::from(address);
                self.tables.filter.insert(address.filter_hash());
                self.tables.set_service6(ServiceKey::new(address, port, protocol), service);
            }
        }
    }

    /// Gives the service with this id a virtual address to remember and local addresses: the first, how many, the first
    /// port, how many.
    pub fn localize(&mut self, service: u32, virtual_address: IpAddr, ranges: &[(IpAddr, u32, u16, u16)]) {
        let locals = &self.tables.locals[service as usize];
        store(&locals.address, virtual_address);
        let mut size = 0;
        for (cell, (first, addresses, port, ports)) in locals.ranges.iter().zip(ranges) {
            store(&cell.first, *first);
            cell.addresses.set(*addresses);
            cell.ports.set(u32::from(*port) | u32::from(*ports) << 16);
            size += addresses * u32::from(*ports);
        }
        locals.size.set(size);
    }

    /// Changes every service in place.
    pub fn edit_services(&mut self, edit: impl Fn(&mut Service)) {
        self.tables.edit_services(edit);
    }

    fn server(&mut self, spec: &ServerSpec) -> u32 {
        let id = self.servers;
        self.servers += 1;
        let hash = match spec.endpoint.ip() {
            IpAddr::V4(address) => Address4::from(address).filter_hash(),
            IpAddr::V6(address) => Address6::from(address).filter_hash(),
        };
        if matches!(spec.method, Method::Nat | Method::FullNat) {
            self.tables.filter.insert(hash);
        }
        let server = &self.tables.servers[id as usize];
        server.service.set(self.services);
        server.hop.set(hop(id, spec.interface));
        store(&server.address, spec.endpoint.ip());
        server.port_and_method.set((spec.method as u32) << 16 | Port::new(spec.endpoint.port()).0 as u32);
        server.weight.set(spec.weight);
        let local = if spec.interface == 0 { RealServer::LOCAL } else { 0 };
        server.flags.set(RealServer::READY | RealServer::TAKEN | local);
        self.tables.loads[id as usize].weight.set(spec.weight);
        if spec.method == Method::Tunnel {
            self.dig(id, spec.endpoint.ip(), Envelope::Ipip, false);
        }
        id
    }

    /// Makes the tunnel to a server one of this kind, and the server's address this one.
    pub fn dig(&mut self, id: u32, server: IpAddr, envelope: Envelope, checksum: bool) {
        let (family, source, destination) = match server {
            IpAddr::V4(server) => (Family::Ipv4, Address4::from(DIRECTOR4).words(), Address4::from(server).words()),
            IpAddr::V6(server) => (Family::Ipv6, Address6::from(DIRECTOR6).words(), Address6::from(server).words()),
        };
        let (tunnel, cell) = (&self.tables.tunnels[id as usize], &self.tables.servers[id as usize]);
        tunnel.outer.set(Outer::new(family, envelope, checksum).0);
        for (place, word) in tunnel.source.iter().zip(source).chain(cell.address.iter().zip(destination)) {
            place.set(word);
        }
    }

    fn allocate(&mut self, slots: &[u32]) -> u32 {
        let start = self.slots;
        self.tables.schedule[start as usize..start as usize + slots.len()].copy_from_slice(slots);
        self.slots += slots.len() as u32;
        start
    }

    /// Sends a frame through the director.
    pub fn send(&mut self, frame: &mut SliceFrame) -> Verdict {
        decide::process(frame, &self.tables, self.now)
    }

    /// Opens a passage for a check from this address to a server: `service` is the virtual address, on the server's port.
    pub fn open_passage(
        &mut self,
        protocol: u8,
        check: SocketAddr,
        server: SocketAddr,
        service: IpAddr,
        tunnel: Option<Envelope>,
    ) {
        let passage = Passage::default();
        passage.until.set(u64::MAX);
        passage.port.set(Port::new(server.port()).0 as u32);
        store(&passage.server, server.ip());
        store(&passage.virtual_address, service);
        let six = server.is_ipv6();
        store(&passage.source, if six { DIRECTOR6.into() } else { DIRECTOR4.into() });
        let family = if six { Family::Ipv6 } else { Family::Ipv4 };
        passage.outer.set(tunnel.map_or(0, |envelope| Outer::new(family, envelope, false).0));
        let port = Port::new(check.port());
        match check.ip() {
            IpAddr::V4(address) => {
                self.tables.set_passage4(ServiceKey::new(Address4::from(address), port, protocol), passage);
            }
            IpAddr::V6(address) => {
                self.tables.set_passage6(ServiceKey::new(Address6::from(address), port, protocol), passage);
            }
        }
    }

    /// Lets a frame by that this host sends (it came in by no interface) or that comes in: on the stack's side of all else.
    pub fn pass(&mut self, frame: &mut SliceFrame) -> Verdict {
        if frame.ingress == 0 {
            passage::outward(frame, &self.tables, self.now)
        } else {
            passage::inward(frame, &self.tables, self.now)
        }
    }

    /// Lets `seconds` go by for all connections and fragments.
    pub fn wait(&mut self, seconds: u32) {
        let ticks = Time::ticks(seconds);
        self.tables.entries4().for_each(|(key, entry)| age(key, entry, ticks));
        self.tables.entries6().for_each(|(key, entry)| age(key, entry, ticks));
        self.tables.each_fragment(|entry| entry.seen.set(entry.seen.get().wrapping_sub(ticks)));
    }
}

/// Lets ticks go by for one connection.
pub fn age<A>(key: &FlowKey<A>, entry: &Connection, ticks: u32) {
    entry.last_seen.set(entry.last_seen.get().wrapping_sub(ticks));
    let state = StateWord(entry.state.get());
    if key.protocol == protocol::UDP && state.has(StateWord::FULL_NAT) && !state.has(StateWord::REPLY) {
        // When a datagram told its client last.
        let word = entry.hop.first().get();
        entry.hop.first().set(word & !0xffff_ffff | (word as u32).wrapping_sub(ticks) as u64);
    }
}

/// The next hop of the server with this id.
pub fn hop(id: u32, interface: u32) -> NextHop {
    NextHop { interface, destination: MacAddress([2, 0, 0, 1, (id >> 8) as u8, id as u8]), source: DIRECTOR_MAC }
}

fn store(cells: &[Cell64; 2], address: IpAddr) {
    let words = match address {
        IpAddr::V4(address) => Address4::from(address).words(),
        IpAddr::V6(address) => Address6::from(address).words(),
    };
    cells[0].set(words[0]);
    cells[1].set(words[1]);
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
