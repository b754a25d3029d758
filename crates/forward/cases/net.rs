//! The little network of the cases: one client, one virtual address, three servers, in either family.

use crate::abi::{Envelope, Method, SchedulerKind};
use crate::host::packet::DIRECTOR_MAC;
use crate::host::world::{DIRECTOR4, DIRECTOR6, hop};
use crate::host::{Around, PacketBuilder, ServerSpec, World, packet};
use core::net::{IpAddr, SocketAddr};
use std::vec::Vec;
use wire::protocol;

/// Interface that servers are reached by: another than the client's, except where a case says so.
pub(super) const SERVER_SIDE: u32 = 2;

/// A family, a forwarding method and a transport protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Net {
    pub(super) six: bool,
    pub(super) method: Method,
    pub(super) protocol: u8,
}

impl Net {
    /// All combinations.
    pub(super) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for six in [false, true] {
            for method in [Method::Nat, Method::DirectRouting, Method::Tunnel] {
                for protocol in [protocol::TCP, protocol::UDP] {
                    all.push(Self { six, method, protocol });
                }
            }
        }
        all
    }

    pub(super) fn name(&self) -> std::string::String {
        let method = match self.method {
            Method::Nat => "nat",
            Method::DirectRouting => "dr",
            Method::FullNat => "fullnat",
            Method::Tunnel => "tun",
        };
        let protocol = if self.protocol == protocol::TCP { "tcp" } else { "udp" };
        format!("{method}{}-{protocol}", if self.six { 6 } else { 4 })
    }

    pub(super) fn address(&self, four: [u8; 4], six: u16) -> IpAddr {
        if self.six { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, six]) } else { IpAddr::from(four) }
    }

    pub(super) fn client(&self) -> IpAddr {
        self.address([10, 0, 0, 2], 2)
    }

    pub(super) fn vip(&self) -> SocketAddr {
        SocketAddr::new(self.address([10, 0, 0, 100], 0x100), 80)
    }

    /// The server with this id (1, 2, 3 in order of addition). Only NAT changes the port.
    pub(super) fn server(&self, id: u32) -> SocketAddr {
        let keeps_port = matches!(self.method, Method::DirectRouting | Method::Tunnel);
        let port = if keeps_port { 80 } else { 8000 + id as u16 };
        SocketAddr::new(self.address([10, 0, 1, 10 + id as u8], 0x1000 + id as u16), port)
    }

    /// One service, rr, with `count` servers of weight 1.
    pub(super) fn world(self, count: u32) -> World {
        self.world_with(SchedulerKind::RoundRobin, &std::vec![1; count as usize], &[])
    }

    pub(super) fn world_with(self, scheduler: SchedulerKind, weights: &[u32], table: &[usize]) -> World {
        let mut world = World::new(1000);
        let servers: Vec<ServerSpec> = weights
            .iter()
            .zip(1..)
            .map(|(weight, id)| ServerSpec {
                endpoint: self.server(id),
                method: self.method,
                weight: *weight,
                interface: SERVER_SIDE,
            })
            .collect();
        world.service(self.protocol, self.vip(), scheduler, &servers, table);
        world
    }

    /// A packet of this protocol; TCP with ACK.
    fn transport(&self, packet: PacketBuilder, source: u16, destination: u16) -> PacketBuilder {
        if self.protocol == protocol::TCP { packet.tcp(source, destination) } else { packet.udp(source, destination) }
    }

    /// From the client to the virtual service.
    pub(super) fn request(&self, port: u16) -> PacketBuilder {
        let vip = self.vip();
        self.transport(packet().ip(self.client(), vip.ip()), port, vip.port()).payload(b"request")
    }

    /// The same as it reaches a server.
    pub(super) fn at_server(&self, id: u32, port: u16) -> PacketBuilder {
        let hop = hop(id, SERVER_SIDE);
        let target = if self.method == Method::Nat { self.server(id) } else { self.vip() };
        let arrives = self
            .transport(packet().ip(self.client(), target.ip()), port, target.port())
            .payload(b"request")
            .hops(63)
            .ethernet(hop.source, hop.destination);
        self.on_the_way(id, arrives)
    }

    /// A packet as it leaves for a server: with a tunnel, in another one.
    pub(super) fn on_the_way(&self, id: u32, packet: PacketBuilder) -> PacketBuilder {
        if self.method != Method::Tunnel {
            return packet;
        }
        let source: IpAddr = if self.six { DIRECTOR6.into() } else { DIRECTOR4.into() };
        packet.inside(Around { source, destination: self.server(id).ip(), envelope: Envelope::Ipip, checksum: false })
    }

    /// From a server to the client, as it leaves the server.
    pub(super) fn reply(&self, id: u32, port: u16) -> PacketBuilder {
        let server = self.server(id);
        self.transport(packet().ip(server.ip(), self.client()), server.port(), port)
            .payload(b"reply")
            .ethernet(hop(id, SERVER_SIDE).destination, DIRECTOR_MAC)
    }

    /// The same as it reaches the client.
    pub(super) fn at_client(&self, port: u16) -> PacketBuilder {
        let vip = self.vip();
        self.transport(packet().ip(vip.ip(), self.client()), vip.port(), port)
            .payload(b"reply")
            .hops(63)
            .ethernet(DIRECTOR_MAC, crate::host::packet::CLIENT_MAC)
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.protocol == protocol::TCP
    }

    pub(super) fn is_nat(&self) -> bool {
        self.method == Method::Nat
    }
}
