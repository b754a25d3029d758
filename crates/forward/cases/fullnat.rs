//! FullNAT: both endpoints of every packet change, and each connection has a local address and port of its own.

mod errors;
mod flows;
mod pieces;
mod places;
mod told;

use super::net::{Net, SERVER_SIDE};
use super::{Case, Step, forward};
use crate::Counter::{ForwardIn, ForwardOut};
use crate::abi::Method;
use crate::host::packet::{DIRECTOR_MAC, packet};
use crate::host::world::hop;
use crate::host::{PacketBuilder, World};
use core::net::IpAddr;
use std::boxed::Box;
use std::vec::Vec;
use wire::{Icmp, TcpFlags, protocol};

const TCP4: Net = Net { six: false, method: Method::FullNat, protocol: protocol::TCP };
const TCP6: Net = Net { six: true, method: Method::FullNat, protocol: protocol::TCP };
const UDP4: Net = Net { six: false, method: Method::FullNat, protocol: protocol::UDP };
const UDP6: Net = Net { six: true, method: Method::FullNat, protocol: protocol::UDP };
const ALL: [Net; 4] = [TCP4, TCP6, UDP4, UDP6];

/// First local port.
pub(super) const LOCAL: u16 = 20_000;

pub(super) fn cases() -> Vec<Case> {
    [flows::cases(), pieces::cases(), places::cases(), told::cases(), errors::cases()].into_iter().flatten().collect()
}

/// A connection as it is known on both sides.
#[derive(Clone, Copy)]
pub(super) struct Flow {
    net: Net,
    client: u16,
    server: u32,
    local: u16,
    /// The server has answered a SYN: its number is known, and the client acknowledges nothing beyond.
    known: bool,
}

pub(super) const fn flow(net: Net, client: u16, server: u32, local: u16) -> Flow {
    Flow { net, client, server, local, known: false }
}

/// The option that tells a server the client's address and port.
fn address_option(net: Net, port: u16) -> Vec<u8> {
    let mut option = match net.client() {
        IpAddr::V4(address) => [&[254, 8][..], &port.to_be_bytes(), &address.octets()].concat(),
        IpAddr::V6(address) => [&[253, 20][..], &port.to_be_bytes(), &address.octets()].concat(),
    };
    option.shrink_to_fit();
    option
}

fn local_address(net: Net) -> IpAddr {
    net.address([10, 0, 9, 1], 0x900)
}

impl Flow {
    fn ports(&self, packet: PacketBuilder, source: u16, destination: u16) -> PacketBuilder {
        if self.net.is_tcp() { packet.tcp(source, destination) } else { packet.udp(source, destination) }
    }

    fn request(&self) -> PacketBuilder {
        self.net.request(self.client)
    }

    /// The request as it reaches the server.
    pub(super) fn at_server(&self) -> PacketBuilder {
        let (hop, target) = (hop(self.server, SERVER_SIDE), self.net.server(self.server));
        self.ports(packet().ip(local_address(self.net), target.ip()), self.local, target.port())
            .payload(b"request")
            .hops(63)
            .ethernet(hop.source, hop.destination)
    }

    /// The same with the client's address in it.
    fn told(&self) -> PacketBuilder {
        self.at_server().tcp_options(&address_option(self.net, self.client))
    }

    /// After the server's SYN.
    const fn known(self) -> Self {
        Self { known: true, ..self }
    }

    pub(super) fn reply(&self) -> PacketBuilder {
        let server = self.net.server(self.server);
        self.ports(packet().ip(server.ip(), local_address(self.net)), server.port(), self.local)
            .payload(b"reply")
            .ethernet(hop(self.server, SERVER_SIDE).destination, DIRECTOR_MAC)
    }

    fn at_client(&self) -> PacketBuilder {
        self.net.at_client(self.client)
    }

    /// The first packet of the flow, out.
    fn open(&self) -> Step {
        if self.net.is_tcp() { self.sent(TcpFlags::SYN) } else { self.more() }
    }

    fn more(&self) -> Step {
        self.sent(TcpFlags::ACK)
    }

    fn sent(&self, flags: u8) -> Step {
        let tells = flags & TcpFlags::SYN != 0 || (self.known && flags & TcpFlags::RST == 0);
        let arrives = if self.net.is_tcp() && tells { self.told() } else { self.at_server() };
        forward(&self.request().flags(flags), ForwardIn, SERVER_SIDE, &arrives.flags(flags))
    }

    fn answered(&self) -> Step {
        forward(&self.reply(), ForwardOut, 1, &self.at_client())
    }

    fn returned(&self, flags: u8) -> Step {
        forward(&self.reply().flags(flags), ForwardOut, 1, &self.at_client().flags(flags))
    }

    /// The first packet again, as it came.
    fn first(&self) -> PacketBuilder {
        if self.net.is_tcp() { self.request().syn() } else { self.request() }
    }
}

/// One service over so many servers, with local ports from [`LOCAL`] on.
pub(super) fn world(net: Net, servers: u32, ports: u16) -> World {
    let mut world = net.world(servers);
    world.localize(0, net.vip().ip(), &[(local_address(net), 1, LOCAL, ports)]);
    world
}

fn case(net: Net, name: &str, servers: u32, ports: u16, steps: Vec<Step>) -> Case {
    Case { name: format!("{} {name}", net.name()), world: Box::new(move || world(net, servers, ports)), steps }
}

fn load(net: Net, server: u32, count: u32) -> Step {
    if net.is_tcp() { Step::Load(server, count, 0) } else { Step::Load(server, 0, count) }
}

fn port_unreachable(net: Net) -> (u8, u8, u32) {
    if net.six {
        (Icmp::UNREACHABLE6, Icmp::PORT_UNREACHABLE6, 0)
    } else {
        (Icmp::UNREACHABLE, Icmp::PORT_UNREACHABLE, 0)
    }
}
