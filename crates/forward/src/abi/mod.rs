//! The layouts of the maps: what the BPF programs, the daemon and the host twins share, byte for byte.
//!
//! Keys and next hops are aligned to eight although their fields would not ask for it: they are built on the BPF stack,
//! where the compiler joins neighbouring fields into one store that the verifier wants aligned.
//!
//! Addresses and ports stand in network byte order inside native words (`bits` of `wire`), so that a key is
//! built from a packet by plain loads. Whatever changes a layout changes [`SCHEMA`], which is part of the
//! pin path: a daemon never opens a map of another shape.

mod connection;
mod fragment;
mod key;
mod local;
mod node;
mod passage;
mod service;
mod signals;
mod tunnel;

pub use connection::Connection;
pub use fragment::{Fragment, FragmentKey};
pub use key::{Address4, Address6, FlowKey, KeyTail, NextHop, NextHopCell, Port, ServiceKey};
pub use local::{LocalRange, Locals};
pub use node::{Interface, InterfaceCounters, Settings, Statistics};
pub use passage::Passage;
pub use service::{Load, Method, RealServer, SchedulerKind, Service};
pub use signals::Signals;
pub use tunnel::{Envelope, Outer, Tunnel};

/// Version of every layout in this file; the pin directory of the maps is `v<SCHEMA>`.
pub const SCHEMA: u32 = 3;

/// Programs that are reached by tail calls, in the order of their places in the array of jumps. New ones come last, so
/// that an older object still finds its own.
pub const TAIL_CALLED: [&str; 28] = [
    "steer4",
    "steer6",
    "establish4",
    "establish6",
    "relate4",
    "relate6",
    "steer4_tagged",
    "steer6_tagged",
    "invite4",
    "invite6",
    "fullnat4",
    "fullnat6",
    "bind4",
    "bind6",
    "relate_fullnat4",
    "relate_fullnat6",
    "lead4",
    "lead6",
    "follow4",
    "follow6",
    "admit4",
    "admit6",
    "hold4",
    "hold6",
    "unwrap4",
    "unwrap6",
    "lead_fullnat4",
    "lead_fullnat6",
];

/// Most servers one service can schedule over (lists are scanned by a loop of constant bound).
pub const MAX_SERVERS_PER_SERVICE: u32 = 1024;
/// Default size of the real-server table; an id is an index into it.
pub const MAX_SERVERS: u32 = 65_536;
/// Default number of services.
pub const MAX_SERVICES: u32 = 16_384;
/// Slots for lists and hash tables of the schedulers, shared by all services.
pub const MAX_SCHEDULE_SLOTS: u32 = 4_194_304;
/// Slots of the interface table: an interface stands at `ifindex % INTERFACE_SLOTS`.
pub const INTERFACE_SLOTS: u32 = 4096;
/// Bits of the prefilter.
pub const FILTER_BITS: u32 = 65_536;
/// Default number of connection entries per family (NAT uses two per connection).
pub const DEFAULT_CONNECTIONS: u32 = 1_048_576;
/// Datagrams in pieces that are remembered, per family; the one not used for longest gives way.
pub const FRAGMENTED_DATAGRAMS: u32 = 65_536;
/// Health checks that may be on the way of a service's clients at once, per family.
pub const MAX_PASSAGES: u32 = 65_536;
/// Clients that are known to watched servers ([`crate::signal`]), a power of two.
pub const CLIENTS: u32 = 65_536;
/// No server: an empty slot of a hash table, or the result of a scheduler that found none. Server id 0 is never used.
pub const NO_SERVER: u32 = 0;

const _: () = {
    assert!(size_of::<FlowKey<Address4>>() == 16 && size_of::<FlowKey<Address6>>() == 40);
    assert!(size_of::<ServiceKey<Address4>>() == 16 && size_of::<ServiceKey<Address6>>() == 24);
    assert!(size_of::<NextHop>() == 16 && size_of::<NextHopCell>() == 16);
    assert!(size_of::<Connection>() == 64);
    assert!(size_of::<FragmentKey<Address4>>() == 16 && size_of::<FragmentKey<Address6>>() == 40);
    assert!(size_of::<Fragment>() == 56);
    assert!(size_of::<Service>() == 32);
    assert!(size_of::<RealServer>() == 64);
    assert!(size_of::<Tunnel>() == 32);
    assert!(size_of::<Load>() == 16);
    assert!(size_of::<Signals>() == 32 && CLIENTS.is_power_of_two());
    assert!(size_of::<Statistics>() == 40);
    assert!(size_of::<Interface>() == 16 && size_of::<InterfaceCounters>() == 16);
    assert!(size_of::<Settings>() == 80);
    assert!(size_of::<Passage>() == 72);
    assert!(size_of::<Locals>() == 128 && size_of::<LocalRange>() == 24);
};
