//! FullNAT: towards its server a connection comes from a local address of this node, so that answers find back here
//! whatever their way. Both endpoints of every packet change.
//!
//! [`bind`] gives a new connection its local address and port; inserting the reply entry, whose key they are part of,
//! decides who gets them. [`steer`] serves known flows, [`relate`] takes errors along. Each is a program of its own: what
//! NAT and direct routing do for every packet stays as small as it is.

mod bind;
mod datagram;
mod fragment;
mod handshake;
mod inform;
mod local;
mod options;
mod passage;
mod relate;
mod steer;

pub use bind::{Place, bind, find_place, occupy};
pub use datagram::name_client;
pub use fragment::{follow, lead};
pub use handshake::Handshake;
pub use inform::{Task, inform};
pub use local::locate;
pub use options::{Options, blank, next as next_option, walk as walk_options};
pub use passage::Passage;
pub use relate::relate;
pub use steer::{server_of, steer};

use crate::abi::{Connection, FlowKey, Method, Port, RealServer};
use crate::connection::StateWord;
use crate::{Address, Shared, address};

/// True for a server reached by FullNAT.
#[inline(always)]
pub fn is_full_nat(server: &RealServer) -> bool {
    server.port_and_method.get() >> 16 == Method::FullNat as u32
}

/// The key of a primary's reply entry: what its server's packets show.
#[inline(always)]
pub fn reply_key<A: Address>(flow: &FlowKey<A>, primary: &Connection, server: &RealServer) -> FlowKey<A> {
    FlowKey {
        source: address::load(&server.address),
        destination: address::load(&primary.address),
        source_port: Port(server.port_and_method.get() as u16),
        destination_port: Port(primary.port.get() as u16),
        protocol: flow.protocol,
        kind: FlowKey::<A>::FLOW,
        reserved: 0,
    }
}

/// The client's flow, from its reply entry.
#[inline(always)]
pub fn primary_key<A: Address, T: Shared>(tables: &T, protocol: u8, reply: &Connection) -> Option<FlowKey<A>> {
    let locals = tables.locals(reply.service.get())?;
    let ports = reply.port.get();
    Some(FlowKey {
        source: address::load(&reply.address),
        destination: address::load(&locals.address),
        source_port: Port(ports as u16),
        destination_port: Port((ports >> 16) as u16),
        protocol,
        kind: FlowKey::<A>::FLOW,
        reserved: 0,
    })
}

/// True when `primary` is the living primary of the reply entry under `key`: it may have begun anew since, with another
/// server or another local port.
#[inline(always)]
pub fn is_primary_of<A: Address>(primary: &Connection, reply: &Connection, key: &FlowKey<A>) -> bool {
    let word = StateWord(primary.state.get());
    word.is_live()
        && word.has(StateWord::FULL_NAT)
        && primary.server.get() == reply.server.get()
        && primary.port.get() as u16 == key.destination_port.0
        && address::load::<A>(&primary.address) == key.destination
}

/// True when this reply entry belongs to the client's flow `flow` on the server with this id.
#[inline(always)]
pub fn is_reply_of<A: Address>(reply: &Connection, flow: &FlowKey<A>, server: u32) -> bool {
    let ports = flow.source_port.0 as u32 | (flow.destination_port.0 as u32) << 16;
    StateWord(reply.state.get()).has(StateWord::REPLY | StateWord::FULL_NAT)
        && reply.server.get() == server
        && reply.port.get() == ports
        && address::load::<A>(&reply.address) == flow.source
}
