//! What the forwarding path knows: maps in the kernel, hash tables on the host.

use crate::abi::{
    Connection, FlowKey, Fragment, FragmentKey, Interface, Load, Locals, RealServer, Service, ServiceKey, Settings,
    Signals, Tunnel,
};
use crate::filter::Filter;
use crate::fullnat::Place;
use crate::schedule::Scan;
use crate::tcp_state::Direction;
use crate::{Address, Cell32, Cell64, Counter, Time};

/// Tables that both families share, and the atomic operations of the platform.
pub trait Shared {
    /// Which addresses are of interest.
    fn filter(&self) -> Option<&Filter>;
    /// The interface with this index, if programs are attached to it.
    fn interface(&self, index: u32) -> Option<&Interface>;
    /// Settings.
    fn settings(&self) -> Option<&Settings>;
    /// A real server by id.
    fn server(&self, id: u32) -> Option<&RealServer>;
    /// What is put around packets for it, if it is reached by tunnel.
    fn tunnel(&self, id: u32) -> Option<&Tunnel>;
    /// Its load by id.
    fn load(&self, id: u32) -> Option<&Load>;
    /// What FullNAT needs to know of a service.
    fn locals(&self, service: u32) -> Option<&Locals>;
    /// An entry in the making, of this CPU and this packet: larger than what a stack has room for.
    fn draft(&self) -> Option<&Connection>;
    /// Tells the next program which server was chosen.
    fn hand(&self, server: u32);
    /// What the program before told.
    fn handed(&self) -> u32;
    /// The server id in a slot of a list or hash table.
    fn slot(&self, slot: u32) -> Option<u32>;
    /// The cursor of a service.
    fn cursor(&self, service: u32) -> Option<&Cell64>;
    /// A place for a client that is known ([`crate::signal`]).
    fn client(&self, place: u32) -> Option<&Cell64>;
    /// What clients' connections tell of a server.
    fn signals(&self, id: u32) -> Option<&Signals>;
    /// The token bucket with this number ([`crate::pace`]).
    fn bucket(&self, bucket: u32) -> Option<&Cell64>;
    /// [`crate::schedule::scan`]. A method, because its loop is verified once, in a BPF function of its own.
    fn scan(&self, service: &Service, from: u32, minimum: u32) -> Scan;
    /// [`crate::schedule::scan_stretch`], for the same reason, as those that follow.
    fn scan_stretch(&self, service: &Service, from: u32, minimum: u32) -> Scan;
    /// [`crate::schedule::least_connection`].
    fn least_connection(&self, service: &Service) -> u32;
    /// [`crate::schedule::least_of_stretch`].
    fn least_of_stretch(&self, service: &Service, from: u32, chosen: u32) -> u32;
    /// [`crate::schedule::fall_back`].
    fn fall_back(&self, service: &Service, client: u32) -> u32;
    /// [`crate::schedule::fall_back_on_stretch`].
    fn fall_back_on_stretch(&self, service: &Service, client: u32, from: u32) -> u32;
    /// Compares and swaps; true when `expected` was there.
    fn exchange(&self, cell: &Cell64, expected: u64, new: u64) -> bool;
    /// Stores a word of a connection entry. Every write of the forwarding path goes through here, so that a rehearsal
    /// can leave it out.
    fn store32(&self, cell: &Cell32, value: u32);
    /// The same for a long word.
    fn store64(&self, cell: &Cell64, value: u64);
    /// Adds (wrapping: `u32::MAX` takes one away).
    fn add(&self, cell: &Cell32, delta: u32);
    /// Counts one packet of `bytes` bytes for a server.
    fn account(&self, server: u32, direction: Direction, bytes: u32);
    /// Counts one new connection for a server.
    fn account_connection(&self, server: u32);
    /// Counts one event.
    fn count(&self, counter: Counter);
    /// Counts a frame of this interface whose transport checksum was looked at, and whether it was only begun.
    fn count_checksum(&self, interface: u32, partial: bool);
}

/// Why an entry was not inserted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InsertError {
    /// There is one with this key.
    Exists,
    /// No room.
    Full,
}

/// The tables of one family.
pub trait Tables<A: Address>: Shared {
    /// The entry of a flow, live or dead.
    fn connection(&self, key: &FlowKey<A>) -> Option<&Connection>;
    /// Inserts an entry that must not be there yet.
    fn insert(&self, key: &FlowKey<A>, connection: &Connection) -> Result<(), InsertError>;
    /// [`crate::fullnat::find_place`]. A method, because it is a BPF function of its own, with a stack of its own.
    fn find_place(&self, key: &mut FlowKey<A>, now: Time) -> Place;
    /// [`crate::fullnat::occupy`]. A method, because it is verified once, in a BPF function of its own, and not at every
    /// turn of a loop.
    fn occupy(&self, key: &FlowKey<A>, now: Time) -> Place;
    /// Removes an entry.
    fn remove(&self, key: &FlowKey<A>);
    /// What became of the first fragment of a datagram.
    fn fragment(&self, key: &FragmentKey<A>) -> Option<&Fragment>;
    /// Keeps it, in the place of an older one.
    fn remember_fragment(&self, key: &FragmentKey<A>, fragment: &Fragment);
    /// A service.
    fn service(&self, key: &ServiceKey<A>) -> Option<&Service>;
}
