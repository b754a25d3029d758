//! A director's configuration and what happens to it, made of arbitrary bytes: few addresses and ports, so that flows
//! meet.

use arbitrary::{Arbitrary, Unstructured};
use forward::Cell32;
use forward::abi::{Method, RealServer, SchedulerKind, Settings};
use forward::host::packet::{CLIENT_MAC, DIRECTOR_MAC};
use forward::host::world::hop;
use forward::host::{PacketBuilder, ServerSpec, SliceFrame, World, packet};
use std::net::{IpAddr, SocketAddr};
use wire::protocol;

/// Servers of one service, at most; with [`SERVICES`], what the kernel's test tables have room for.
const SERVERS: usize = 2;
const SERVICES: usize = 3;
/// Connection entries of a family: few enough that tables fill up.
pub(crate) const CONNECTIONS: usize = 24;
/// Slots of a hash scheduler's table here: the programs take any number.
const TABLE: usize = 7;

/// A director and what happens.
#[derive(Arbitrary, Debug)]
pub(crate) struct Story {
    services: [ServicePlan; SERVICES],
    settings: u8,
    pub(crate) steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
struct ServicePlan {
    six: bool,
    udp: bool,
    place: u8,
    scheduler: u8,
    flags: u8,
    /// Method, weight and interface of each server.
    servers: [(bool, u8, bool); SERVERS],
    table: [u8; TABLE],
}

/// Something that happens.
#[derive(Arbitrary, Debug)]
pub(crate) enum Step {
    /// A packet between the hosts of the story.
    Packet(Sketch),
    /// The same with bytes changed and the end cut off.
    Noise(Sketch, Vec<(u8, u8)>, u16),
    /// A frame of any bytes.
    Frame(Vec<u8>),
    /// Time goes by.
    Wait(Pause),
    /// The sweeper comes by.
    Sweep,
    /// The daemon changes a server's flags or weight.
    Server(u8, ServerEdit),
}

/// Seconds around the usual time-outs.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Pause {
    Second,
    Grace,
    Minute,
    Fin,
    Udp,
    Established,
}

impl Pause {
    pub(crate) const fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Grace => 3,
            Self::Minute => 61,
            Self::Fin => 121,
            Self::Udp => 301,
            Self::Established => 901,
        }
    }
}

/// What a daemon does to a server.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum ServerEdit {
    Weight(u8),
    Gone,
    Unresolved,
    Back,
}

/// A packet in short.
#[derive(Arbitrary, Debug)]
pub(crate) struct Sketch {
    six: bool,
    udp: bool,
    from: Host,
    to: Host,
    from_port: u8,
    to_port: u8,
    flags: u8,
    hops: u8,
    payload: u8,
    oddity: Oddity,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Host {
    Client(u8),
    Virtual(u8),
    Server(u8),
    Router,
    /// Of the director, towards servers.
    Local,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Oddity {
    None,
    Options(u8),
    Fragment(u16),
    PartialChecksum,
    NoChecksum,
    Protocol(u8),
    OtherReceiver,
    FromServerSide(u8),
    /// Sequence number and acknowledgement, and options that claim to tell a client's address.
    Claims(u16, u16, u8),
    /// Not the packet itself, but an error of this kind about it, to its sender, which quotes so many bytes.
    Error(u8, u8, bool),
}

impl Story {
    /// A story from a fuzzer's bytes; `None` when they do not suffice.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        Self::arbitrary_take_rest(Unstructured::new(data)).ok()
    }

    /// Which of the kernel's lanes it goes through.
    pub(crate) fn is_tc(&self) -> bool {
        self.settings & 0x80 != 0
    }

    /// The director as it is at the beginning.
    pub(crate) fn world(&self) -> World {
        let mut world = World::new(CONNECTIONS);
        let mut keys = Vec::new();
        for plan in &self.services {
            let key = (plan.number(), plan.endpoint());
            if !keys.contains(&key) {
                world.service(key.0, key.1, plan.scheduler(), &plan.servers(), &plan.table());
                // All services have the same few local places: what keeps them apart is the table.
                let local = Host::Local.address(plan.six);
                let places = [(local, 1, port(0), 1), (local, 1, port(1), 1), (local, 1, port(2), 1)];
                world.localize(keys.len() as u32, key.1.ip(), &places);
                keys.push(key);
            }
        }
        let flags = Settings::EXPIRE_NODEST | Settings::REUSE_CLOSED | Settings::REUSE_FIN_WAIT | Settings::SLOPPY_TCP;
        let uoa = if self.settings & 0x40 == 0 { 0 } else { Settings::UOA };
        world.tables.settings.flags.set(u32::from(self.settings) & flags | uoa);
        let hashing = self.services.iter().any(|plan| plan.flags & 1 != 0);
        world.edit_services(|service| service.flags |= if hashing { forward::abi::Service::HASH_PORT } else { 0 });
        world
    }
}

impl ServicePlan {
    fn number(&self) -> u8 {
        if self.udp { protocol::UDP } else { protocol::TCP }
    }

    fn endpoint(&self) -> SocketAddr {
        SocketAddr::new(Host::Virtual(self.place).address(self.six), port(self.place >> 1))
    }

    fn scheduler(&self) -> SchedulerKind {
        use SchedulerKind as Kind;
        let kinds = [
            Kind::RoundRobin,
            Kind::WeightedRoundRobin,
            Kind::LeastConnection,
            Kind::WeightedLeastConnection,
            Kind::SourceHash,
            Kind::Maglev,
        ];
        pick(&kinds, self.scheduler)
    }

    /// Services share their servers' addresses, so that replies can collide.
    fn servers(&self) -> Vec<ServerSpec> {
        let server = |(place, (nat, weight, near)): (u8, &(bool, u8, bool))| ServerSpec {
            endpoint: SocketAddr::new(Host::Server(place).address(self.six), port(self.flags >> 4)),
            method: match (*nat, *weight & 0x40 != 0) {
                (true, true) => Method::FullNat,
                (true, false) => Method::Nat,
                (false, _) => Method::DirectRouting,
            },
            weight: u32::from(*weight % 4),
            interface: if *near { 1 } else { 2 },
        };
        (0..).zip(&self.servers).map(server).collect()
    }

    fn table(&self) -> Vec<usize> {
        self.table.iter().map(|place| usize::from(*place) % SERVERS).collect()
    }
}

impl Host {
    fn address(self, six: bool) -> IpAddr {
        let (net, last) = match self {
            Self::Client(number) => (1, number % 3),
            Self::Virtual(number) => (2, number % 2),
            Self::Server(number) => (3, number % SERVERS as u8),
            Self::Router => (4, 0),
            Self::Local => (5, 0),
        };
        if six {
            IpAddr::from([0xfd00, 0, 0, u16::from(net), 0, 0, 0, u16::from(last) + 1])
        } else {
            IpAddr::from([10, 0, net, last + 1])
        }
    }
}

fn port(number: u8) -> u16 {
    pick(&[80, 443, 4000, 0], number)
}

fn pick<T: Copy, const N: usize>(all: &[T; N], number: u8) -> T {
    let place = usize::from(number) % N;
    all.get(place).copied().unwrap_or(all[0])
}

impl Sketch {
    /// The frame.
    pub(crate) fn frame(&self) -> SliceFrame {
        let payload = [0x5a; 255];
        let packet = packet()
            .ip(self.from.address(self.six), self.to.address(self.six))
            .hops(self.hops)
            .payload(payload.get(..usize::from(self.payload)).unwrap_or_default());
        let (from, to) = (port(self.from_port), port(self.to_port));
        let packet = if self.udp { packet.udp(from, to) } else { packet.tcp(from, to).flags(self.flags) };
        match self.oddity {
            Oddity::Error(kind, bytes, router) => self.error(&packet, kind, usize::from(bytes), router),
            _ => self.odd(packet),
        }
        .build()
    }

    /// From a router on the way, or from the packet's receiver.
    fn error(&self, about: &PacketBuilder, kind: u8, bytes: usize, router: bool) -> PacketBuilder {
        let kinds = if self.six { [1, 2, 3, 4, 128] } else { [3, 4, 11, 12, 8] };
        let from = if router { Host::Router } else { self.to };
        let error = packet().ip(from.address(self.six), self.from.address(self.six)).hops(self.hops);
        error.icmp(pick(&kinds, kind), kind >> 4, 1280).quote(about, bytes)
    }

    fn odd(&self, packet: PacketBuilder) -> PacketBuilder {
        match self.oddity {
            Oddity::None | Oddity::Error(..) => packet,
            Oddity::Options(size) if self.six => packet.options(&extensions(size, self.udp)),
            Oddity::Options(size) => packet.options(&[1; 40][..usize::from(size % 11) * 4]),
            Oddity::Fragment(bits) => packet.fragment(bits),
            Oddity::PartialChecksum => packet.partial_checksum(),
            Oddity::NoChecksum if self.udp && !self.six => packet.no_checksum(),
            Oddity::NoChecksum => packet,
            Oddity::Protocol(number) => packet.protocol(number),
            Oddity::OtherReceiver => packet.ethernet(CLIENT_MAC, CLIENT_MAC),
            Oddity::Claims(sequence, acknowledgement, what) => self.claims(packet, what).numbers(
                u32::from(sequence),
                // Near what servers of a story number their SYNs with.
                u32::from(acknowledgement % 4),
            ),
            Oddity::FromServerSide(id) => packet.ethernet(hop(u32::from(id % 7), 1).destination, DIRECTOR_MAC),
        }
    }
}

impl Sketch {
    /// The same with an address that is nobody's in the places of TOA or UOA.
    fn claims(&self, packet: PacketBuilder, what: u8) -> PacketBuilder {
        let claims: [&[u8]; 4] = [
            &[254, 8, 1, 1, 9, 9, 9, 9],
            &[2, 4, 5, 180, 1, 1, 254, 8, 1, 1, 9, 9, 9, 9, 1, 1],
            &[253, 20, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
            &[8, 10, 1, 1, 1, 1, 2, 2, 2, 2, 254, 8, 1, 1, 9, 9, 9, 9, 4, 2],
        ];
        if !self.udp {
            return packet.tcp_options(pick(&claims, what));
        }
        if self.six {
            let option = [0x1e, 0x12, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 1, 0];
            return packet.options(&[&[wire::Ipv6Extension::DESTINATION, protocol::UDP, 2][..], &option].concat());
        }
        packet.options(&[31, 8, 1, 1, 9, 9, 9, 9])
    }
}

/// A chain of destination options of eight bytes each, as [`PacketBuilder::options`] takes it.
fn extensions(size: u8, udp: bool) -> Vec<u8> {
    let count = size % 8;
    let transport = if udp { protocol::UDP } else { protocol::TCP };
    let mut bytes = vec![if count == 0 { transport } else { wire::Ipv6Extension::DESTINATION }];
    for left in (0..count).rev() {
        let next = if left == 0 { transport } else { wire::Ipv6Extension::DESTINATION };
        bytes.extend_from_slice(&[next, 0, 1, 4, 0, 0, 0, 0]);
    }
    bytes
}

impl Step {
    /// The frame of a step that has one.
    pub(crate) fn frame(&self) -> Option<SliceFrame> {
        match self {
            Self::Packet(sketch) => Some(sketch.frame()),
            Self::Noise(sketch, changes, cut) => {
                let mut frame = sketch.frame();
                for (place, value) in changes.iter().take(8) {
                    if let Some(byte) = frame.bytes.get_mut(usize::from(*place)) {
                        *byte = *value;
                    }
                }
                let length = frame.bytes.len().saturating_sub(usize::from(cut % 64));
                frame.bytes.truncate(length);
                Some(frame)
            }
            Self::Frame(bytes) => Some(SliceFrame { bytes: bytes.clone(), ingress: 1, joined: false }),
            _ => None,
        }
    }
}

/// Does to a server what a daemon does.
pub(crate) fn edit(world: &World, number: u8, edit: ServerEdit) {
    let id = usize::from(number) % (SERVERS * SERVICES) + 1;
    let (Some(server), Some(load)) = (world.tables.servers.get(id), world.tables.loads.get(id)) else { return };
    if server.flags.get() == 0 {
        return;
    }
    let set = |flags: u32, weight: u32| {
        let both = |cell: &Cell32, value| cell.set(value);
        both(&server.flags, flags);
        both(&load.weight, weight);
    };
    let (all, weight) = (RealServer::READY | RealServer::TAKEN, server.weight.get());
    match edit {
        ServerEdit::Weight(weight) => {
            server.weight.set(u32::from(weight % 4));
            set(server.flags.get(), u32::from(weight % 4));
        }
        ServerEdit::Gone => set(all & !RealServer::AVAILABLE, 0),
        ServerEdit::Unresolved => set(all & !RealServer::RESOLVED, 0),
        ServerEdit::Back => set(all, weight),
    }
}

/// One visit of the sweeper to every entry.
pub(crate) fn sweep(world: &World) {
    for key in world.tables.keys4() {
        forward::expire::expire(&key, &world.tables, world.now);
    }
    for key in world.tables.keys6() {
        forward::expire::expire(&key, &world.tables, world.now);
    }
}
