//! The network of a case: clients, one service with its servers on interface 1, and their packets.

use super::director::bytes_of;
use super::flow::{Flow, Shape};
use forward::Tables;
use forward::abi::{Address4, Address6, Envelope, Method, RealServer, SchedulerKind, Settings};
use forward::host::packet::DIRECTOR_MAC;
use forward::host::world::hop;
use forward::host::{PacketBuilder, ServerSpec, World, packet};
use model::{Endpoint, ring};
use std::net::{IpAddr, SocketAddr};
use wire::protocol;

/// Servers of the service; ids are 1 to this.
pub(super) const SERVERS: u32 = 16;
/// Test-run frames come in by this interface; servers behind it make the verdict XDP_TX.
const INTERFACE: u32 = 1;
const VIP_PORT: u16 = 80;
const FIRST_LOCAL: u16 = 1024;
/// Enough that every header word can be restored by whole words of eight bytes.
const PAYLOAD: [u8; 10] = [0; 10];

/// A family, a forwarding method and a transport protocol.
#[derive(Clone, Copy)]
pub(super) struct Network {
    pub(super) six: bool,
    pub(super) method: Method,
    pub(super) protocol: u8,
    /// Of tunnels, and whether there is a checksum.
    pub(super) envelope: (Envelope, bool),
    /// FullNAT: servers are told their clients.
    pub(super) tells: bool,
    /// What becomes of connections to its servers is counted.
    pub(super) watched: bool,
}

impl Network {
    pub(super) fn name(&self) -> String {
        let method = match self.method {
            Method::Nat => "nat",
            Method::FullNat => "fullnat",
            Method::DirectRouting => "dr",
            Method::Tunnel => "tun",
        };
        let envelope = match self.envelope {
            (Envelope::Ipip, _) => "",
            (Envelope::Gue(_), false) => "-gue",
            (Envelope::Gue(_), true) => "-gue-csum",
            (Envelope::Gre, false) => "-gre",
            (Envelope::Gre, true) => "-gre-csum",
        };
        let (family, transport) = (if self.six { 6 } else { 4 }, if self.is_tcp() { "tcp" } else { "udp" });
        let watched = if self.watched { "-watched" } else { "" };
        format!("{method}{family}{envelope}-{transport}{watched}")
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.protocol == protocol::TCP
    }

    pub(super) fn is_nat(&self) -> bool {
        matches!(self.method, Method::Nat | Method::FullNat)
    }

    pub(super) fn is_full_nat(&self) -> bool {
        self.method == Method::FullNat
    }

    /// Of its requests.
    pub(super) fn shape(&self) -> Shape {
        Shape { six: self.six, tcp: self.is_tcp(), reply: false }
    }

    /// Entries in the connection table for each connection.
    pub(super) fn entries(&self) -> u32 {
        if self.is_nat() { 2 } else { 1 }
    }

    fn address(&self, four: [u8; 4], six: [u16; 2]) -> IpAddr {
        if self.six { IpAddr::from([0xfd00, six[0], 0, 0, 0, 0, 0, six[1]]) } else { IpAddr::from(four) }
    }

    /// The client of a flow.
    fn client(&self, flow: Flow) -> IpAddr {
        let [high, low] = flow.address.to_ne_bytes();
        self.address([10, 1, high, low], [1, u16::from_be_bytes([high, low])])
    }

    fn vip(&self) -> SocketAddr {
        SocketAddr::new(self.address([10, 0, 0, 100], [0, 100]), VIP_PORT)
    }

    fn server(&self, id: u32) -> SocketAddr {
        let port = if self.is_nat() { 8000 } else { VIP_PORT };
        SocketAddr::new(self.address([10, 2, 0, id as u8], [2, id as u16]), port)
    }

    /// A director's configuration: one service over all servers, by rr or mh.
    pub(super) fn world(&self, scheduler: SchedulerKind) -> World {
        let servers: Vec<ServerSpec> = (1..=SERVERS)
            .map(|id| ServerSpec { endpoint: self.server(id), method: self.method, weight: 1, interface: INTERFACE })
            .collect();
        let table = if scheduler == SchedulerKind::Maglev { self.maglev() } else { Vec::new() };
        let mut world = World::new(4);
        world.service(self.protocol, self.vip(), scheduler, &servers, &table);
        if self.watched {
            let servers = (1..=SERVERS).filter_map(|id| world.tables.servers.get(id as usize));
            servers.for_each(|server| server.flags.set(server.flags.get() | RealServer::WATCHED));
        }
        if self.method == Method::Tunnel {
            let (envelope, checksum) = self.envelope;
            (1..=SERVERS).for_each(|id| world.dig(id, self.server(id).ip(), envelope, checksum));
        }
        if self.is_full_nat() {
            world.localize(0, self.vip().ip(), &[(self.local(), 1, FIRST_LOCAL, u16::MAX - FIRST_LOCAL)]);
            self.tell(&world.tables.settings);
        }
        world
    }

    fn tell(&self, settings: &Settings) {
        let flags = settings.flags.get() & !Settings::UOA;
        settings.toa_kinds.set(if self.tells { Settings::TOA_KINDS } else { 0 });
        settings.flags.set(if self.tells { flags | Settings::UOA } else { flags });
    }

    fn local(&self) -> IpAddr {
        self.address([10, 9, 0, 1], [9, 1])
    }

    /// The table of mh: places in the list of servers, oldest first.
    fn maglev(&self) -> Vec<usize> {
        let newest_first: Vec<(Endpoint, u32)> = (1..=SERVERS).rev().map(|id| (self.server(id), 1)).collect();
        ring::maglev(&newest_first).into_iter().map(|place| SERVERS as usize - 1 - place).collect()
    }

    fn transport(&self, packet: PacketBuilder, source: u16, destination: u16) -> PacketBuilder {
        let packet = packet.payload(&PAYLOAD);
        if self.is_tcp() { packet.tcp(source, destination) } else { packet.udp(source, destination) }
    }

    /// From a client to the service; TCP with ACK.
    pub(super) fn request(&self, flow: Flow) -> PacketBuilder {
        let vip = self.vip();
        let port = u16::from_be(flow.port);
        self.transport(packet().ip(self.client(flow), vip.ip()), port, vip.port())
    }

    /// From a NAT server to a client; of FullNAT, to who was the first.
    pub(super) fn reply(&self, id: u32, flow: Flow) -> PacketBuilder {
        let server = self.server(id);
        let (to, port) =
            if self.is_full_nat() { (self.local(), FIRST_LOCAL) } else { (self.client(flow), u16::from_be(flow.port)) };
        self.transport(packet().ip(server.ip(), to), server.port(), port)
            .ethernet(hop(id, INTERFACE).destination, DIRECTOR_MAC)
    }

    /// Between two addresses that no service and no server has.
    pub(super) fn stranger(&self) -> PacketBuilder {
        let (from, to) = (self.address([192, 0, 2, 1], [9, 1]), self.address([198, 51, 100, 2], [9, 2]));
        self.transport(packet().ip(from, to), 4000, VIP_PORT)
    }

    /// Keys of the entries that a new flow has in the connection table, as bytes: those that the host twin makes.
    pub(super) fn keys(&self, world: &mut World, flow: Flow) -> Vec<Vec<u8>> {
        world.send(&mut self.request(flow).syn().build());
        let tables = &world.tables;
        if self.six {
            let keys = tables.keys6();
            keys.iter().for_each(|key| Tables::<Address6>::remove(tables, key));
            keys.iter().map(bytes_of).collect()
        } else {
            let keys = tables.keys4();
            keys.iter().for_each(|key| Tables::<Address4>::remove(tables, key));
            keys.iter().map(bytes_of).collect()
        }
    }
}
