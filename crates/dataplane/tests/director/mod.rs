//! A data plane as the kernel's IPVS stood while it was recorded: changes go in, frames go through.

use crate::recording::{Recording, Server};
use aya::maps::{HashMap, Map, MapData};
use dataplane::{Dataplane, Options, detach_all};
use forward::host::packet::{CLIENT_MAC, DIRECTOR_MAC, packet};
use model::{Change, Endpoint, ForwardingMethod, Hop, Protocol, Reach, RealServer, ServerState, ServiceKey, Weight};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use wire::{MacAddress, TcpFlags};

const XDP_DROP: u32 = 1;
const XDP_TX: u32 = 3;

/// A data plane, and the service that the recording is about; fields go in this order.
pub(crate) struct Director {
    plane: Dataplane,
    place: Place,
    interface: u32,
    method: ForwardingMethod,
    pub(crate) service: ServiceKey,
    /// Every server the service ever had.
    servers: Vec<Endpoint>,
}

impl Director {
    pub(crate) fn new(method: ForwardingMethod) -> Self {
        let place = Place(std::env::temp_dir().join(format!("xlvs-scheduling-{method}-{}", std::process::id())));
        let options = Options { pin_directory: place.0.clone(), connections4: 4096, connections6: 4096 };
        let mut plane = Dataplane::open(&options).unwrap();
        let interface = plane.attach("xlvs-a", None, false).unwrap().index;
        let service = ServiceKey { protocol: Protocol::Udp, endpoint: ([0; 4], 1000).into() };
        Self { plane, place, interface, method, service, servers: Vec::new() }
    }

    /// A new service as at the beginning of the recording, on a port of its own; nothing is left of earlier flows.
    pub(crate) fn begin(&mut self, recording: &Recording) {
        self.place.forget_connections();
        let port = self.service.endpoint.port() + 1;
        let (protocol, endpoint) = (recording.protocol, Endpoint::new(recording.service.ip(), port));
        let service = ServiceKey { protocol, endpoint };
        (self.service, self.servers) = (service, Vec::new());
        self.apply(&Change::AddService { service, options: recording.options.to_model(), owned: true });
        recording.servers.iter().for_each(|server| self.add(server));
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        self.plane.apply(change).unwrap();
    }

    pub(crate) fn add(&mut self, server: &Server) {
        let (service, server) = (self.service, self.state(server));
        self.servers.push(server.server.endpoint);
        self.apply(&Change::AddServer { service, server });
    }

    pub(crate) fn edit(&mut self, server: &Server) {
        let (service, server) = (self.service, self.state(server));
        self.apply(&Change::EditServer { service, server });
    }

    fn state(&self, server: &Server) -> ServerState {
        let (endpoint, weight) = (self.configured(server.endpoint()), Weight::new(server.weight).unwrap());
        let hop = Hop {
            interface: self.interface,
            destination: address_of(endpoint),
            source: DIRECTOR_MAC,
            vlan: 0,
            mtu: 1500,
            address: None,
        };
        ServerState { server: RealServer::new(endpoint, self.method, weight), reach: Reach::Via(hop) }
    }

    /// A recorded server as it is configured here.
    pub(crate) fn configured(&self, mut server: Endpoint) -> Endpoint {
        if self.method == ForwardingMethod::DirectRouting {
            server.set_port(self.service.endpoint.port());
        }
        server
    }

    /// A new flow: a datagram, or SYN and ACK. The server it goes to.
    pub(crate) fn flow(&self, client: Endpoint) -> Option<Endpoint> {
        let server = self.send(client, TcpFlags::SYN);
        // Where nobody took the SYN, an ACK is nobody's business.
        if self.service.protocol == Protocol::Tcp && server.is_some() {
            assert_eq!(self.send(client, TcpFlags::ACK), server, "{client}: the second packet goes elsewhere");
        }
        server
    }

    /// Sends a packet of a flow; gives the server that gets it.
    pub(crate) fn send(&self, client: Endpoint, flags: u8) -> Option<Endpoint> {
        let to = self.service.endpoint;
        let begun = packet().ethernet(CLIENT_MAC, DIRECTOR_MAC).ip(client.ip(), to.ip());
        let packet = match self.service.protocol {
            Protocol::Udp => begun.udp(client.port(), to.port()),
            Protocol::Sctp => panic!("no recording is of SCTP"),
            Protocol::Tcp => begun.tcp(client.port(), to.port()).flags(flags),
        };
        match self.plane.inject(&packet.build().bytes, self.interface).unwrap() {
            (XDP_DROP, _) => None,
            (XDP_TX, frame) if frame[..6] == CLIENT_MAC.0 => {
                assert!(is_icmp(&frame), "{client}: nobody took it, and the client is told so by {frame:02x?}");
                None
            }
            (XDP_TX, frame) => Some(self.receiver(&frame)),
            (other, _) => panic!("{client}: XDP action {other}"),
        }
    }

    /// The server that a frame is on its way to, and addressed to: with direct routing as the service.
    fn receiver(&self, frame: &[u8]) -> Endpoint {
        let server = self.servers.iter().find(|server| frame[..6] == address_of(**server).0);
        let server = *server.unwrap_or_else(|| panic!("a frame to a stranger: {frame:02x?}"));
        let shown = if self.method == ForwardingMethod::Nat { server } else { self.service.endpoint };
        assert_eq!(destination_of(frame), shown, "a frame to {server}");
        server
    }
}

/// The link-layer address of a server: no two have the same last byte.
fn address_of(server: Endpoint) -> MacAddress {
    let number = match server.ip() {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    MacAddress([2, 0, 0, 0, 1, number])
}

/// True for ICMP and ICMPv6 without options or extension headers.
fn is_icmp(frame: &[u8]) -> bool {
    if frame[12..14] == [0x08, 0x00] { frame[23] == 1 } else { frame[20] == 58 }
}

/// Destination address and port of a frame without options or extension headers.
fn destination_of(frame: &[u8]) -> Endpoint {
    let port = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    if frame[12..14] == [0x08, 0x00] {
        let address: [u8; 4] = frame[30..34].try_into().unwrap();
        Endpoint::new(address.into(), port(36))
    } else {
        let address: [u8; 16] = frame[38..54].try_into().unwrap();
        Endpoint::new(address.into(), port(56))
    }
}

/// A pin directory that goes when the test does, however it ends.
struct Place(PathBuf);

impl Place {
    /// Recordings share clients and servers, whose replies tell one connection of NAT from another.
    fn forget_connections(&self) {
        clear::<16>(&self.map("CONNECTIONS4"));
        clear::<40>(&self.map("CONNECTIONS6"));
    }

    fn map(&self, name: &str) -> PathBuf {
        let mut places = std::fs::read_dir(&self.0).unwrap().map(|layout| layout.unwrap().path().join(name));
        places.find(|place| place.exists()).unwrap()
    }
}

fn clear<const KEY: usize>(pin: &Path) {
    let map = Map::HashMap(MapData::from_pin(pin).unwrap());
    let mut connections = HashMap::<_, [u8; KEY], [u8; 64]>::try_from(map).unwrap();
    let keys: Vec<_> = connections.keys().map(|key| key.unwrap()).collect();
    keys.iter().for_each(|key| connections.remove(key).unwrap());
}

impl Drop for Place {
    fn drop(&mut self) {
        let removed = detach_all(&self.0).map(|_| std::fs::remove_dir(&self.0));
        if !std::thread::panicking() {
            removed.unwrap().unwrap();
        }
    }
}
