//! FullNAT: both endpoints of every packet change, and each connection has a local address and port of its own.

use super::net::{Net, SERVER_SIDE};
use super::{Case, Step, forward, refuse, tell};
use crate::Counter::{
    DropFragment, DropNoLocalPort, DropNoServer, DropServerRemoved, DropTimeToLive, DropTooBig, ForwardIcmpIn,
    ForwardIcmpOut, ForwardIn, ForwardOut, PassIcmp, PassNoService, PassNotOwned, PassNotSchedulable,
};
use crate::abi::{Interface, Method, RealServer, Settings};
use crate::host::packet::{CLIENT_MAC, DIRECTOR_MAC, packet};
use crate::host::world::hop;
use crate::host::{PacketBuilder, World};
use core::net::IpAddr;
use std::boxed::Box;
use std::vec::Vec;
use wire::{Icmp, MacAddress, TcpFlags, protocol};

const TCP4: Net = Net { six: false, method: Method::FullNat, protocol: protocol::TCP };
const TCP6: Net = Net { six: true, method: Method::FullNat, protocol: protocol::TCP };
const UDP4: Net = Net { six: false, method: Method::FullNat, protocol: protocol::UDP };
const UDP6: Net = Net { six: true, method: Method::FullNat, protocol: protocol::UDP };
const ALL: [Net; 4] = [TCP4, TCP6, UDP4, UDP6];

/// First local port.
const LOCAL: u16 = 20_000;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in ALL {
        cases.push(conversation(net));
        cases.push(places_run_out(net));
        cases.push(no_places(net));
        cases.push(later_ranges(net));
        cases.push(quiesced_and_removed(net));
        cases.push(silence(net));
        cases.push(last_hops(net));
        cases.push(too_big(net));
        cases.push(errors_about_clients(net));
        cases.push(errors_about_servers(net));
        cases.push(tagged(net));
        cases.push(way_back(net));
        cases.push(fragments_and_strangers(net));
    }
    for net in [TCP4, TCP6] {
        cases.push(closed_ones_give_way(net));
        cases.push(reopened(net));
        cases.push(claims(net));
        cases.push(room(net));
    }
    for net in [UDP4, UDP6] {
        cases.push(expired_ones_give_way(net));
    }
    cases.push(no_checksum());
    cases
}

/// A connection as it is known on both sides.
#[derive(Clone, Copy)]
struct Flow {
    net: Net,
    client: u16,
    server: u32,
    local: u16,
    /// The server has answered a SYN: its number is known, and the client acknowledges nothing beyond.
    known: bool,
}

const fn flow(net: Net, client: u16, server: u32, local: u16) -> Flow {
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
    fn at_server(&self) -> PacketBuilder {
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

    fn reply(&self) -> PacketBuilder {
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
fn world(net: Net, servers: u32, ports: u16) -> World {
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

/// Out and back; the next client of the same server has the next port, that of another server may have the same.
fn conversation(net: Net) -> Case {
    let (first, second, third) = (flow(net, 4000, 2, LOCAL), flow(net, 4001, 1, LOCAL), flow(net, 4002, 2, LOCAL + 1));
    let mut steps = std::vec![first.open()];
    let mut known = first;
    if net.is_tcp() {
        steps.push(first.returned(TcpFlags::SYN | TcpFlags::ACK));
        known = first.known();
    }
    for _ in 0..3 {
        steps.extend([known.more(), first.answered()]);
    }
    steps.extend([second.open(), third.open(), third.answered(), second.answered(), first.answered(), known.more()]);
    steps.extend([Step::Entries(6), load(net, 2, 2), load(net, 1, 1)]);
    case(net, "conversation", 2, 100, steps)
}

/// Every place taken: the client is told, and what goes on is not touched.
fn places_run_out(net: Net) -> Case {
    let flows: Vec<Flow> = (0..3).map(|n| flow(net, 4000 + n, 1, LOCAL + n)).collect();
    let mut steps: Vec<Step> = flows.iter().map(Flow::open).collect();
    let late = flow(net, 4009, 1, LOCAL);
    steps.push(tell(&late.first(), DropNoLocalPort, port_unreachable(net)));
    steps.extend(flows.iter().flat_map(|flow| [flow.answered(), flow.more()]));
    steps.extend([Step::Entries(6), load(net, 1, 3)]);
    case(net, "places run out", 1, 3, steps)
}

/// A service without local addresses serves nobody.
fn no_places(net: Net) -> Case {
    let steps = std::vec![
        tell(&flow(net, 4000, 1, 0).first(), DropNoLocalPort, port_unreachable(net)),
        Step::Entries(0),
        Step::Load(1, 0, 0),
    ];
    Case { name: format!("{} no places", net.name()), world: Box::new(move || net.world(1)), steps }
}

/// Places go through the ports of an address, its next addresses, and the next range.
fn later_ranges(net: Net) -> Case {
    let [first, second, far] =
        [net.address([10, 0, 9, 255], 0x900), net.address([10, 0, 10, 0], 0x901), net.address([10, 7, 0, 1], 0xa00)];
    let make = move || {
        let mut world = net.world(1);
        world.localize(0, net.vip().ip(), &[(first, 2, LOCAL, 2), (far, 1, 80, 1)]);
        world
    };
    let places = [(first, LOCAL), (first, LOCAL + 1), (second, LOCAL), (second, LOCAL + 1), (far, 80)];
    let mut steps = Vec::new();
    for ((address, local), client) in places.into_iter().zip(4000..) {
        let flow = flow(net, client, 1, local);
        let to = net.server(1).ip();
        let (first, arrives) = (flow.first(), flow.at_server().ip(address, to));
        let arrives = if net.is_tcp() { arrives.syn().tcp_options(&address_option(net, client)) } else { arrives };
        steps.push(forward(&first, ForwardIn, SERVER_SIDE, &arrives));
        steps.push(forward(&flow.reply().ip(to, address), ForwardOut, 1, &flow.at_client()));
    }
    Case { name: format!("{} later ranges", net.name()), world: Box::new(make), steps }
}

/// By how much the numbers of a connection are shifted whose local port had one before that ended at 9 (number 1, seven
/// bytes, a FIN), when they begin at 1.
const SHIFT: u32 = 10;

/// A connection that both sides have closed gives way to the next one: whose numbers go on beyond it, since the server
/// may wait for its end, and whose SYN has no timestamps. Late segments of the old one belong to nobody.
fn closed_ones_give_way(net: Net) -> Case {
    let (old, new) = (flow(net, 4000, 1, LOCAL), flow(net, 4001, 1, LOCAL));
    let (fin, syn_ack) = (TcpFlags::FIN | TcpFlags::ACK, TcpFlags::SYN | TcpFlags::ACK);
    let stamped = [2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];
    let mut plain = address_option(net, 4001);
    let size = (1460 - plain.len() as u16).to_be_bytes();
    plain.extend([2, 4, size[0], size[1], 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7]);
    let edges = |from: u32| [&[1, 1, 5, 10][..], &from.to_be_bytes(), &(from + 100).to_be_bytes()].concat();
    let steps = std::vec![
        old.open(),
        old.returned(syn_ack),
        old.known().more(),
        old.returned(fin),
        tell(&new.first(), DropNoLocalPort, port_unreachable(net)),
        old.known().sent(fin),
        Step::Load(1, 0, 1),
        forward(
            &new.first().tcp_options(&stamped),
            ForwardIn,
            SERVER_SIDE,
            &new.told().syn().numbers(1 + SHIFT, 2).tcp_options(&plain),
        ),
        Step::Load(1, 1, 0),
        refuse(&old.request(), PassNotSchedulable),
        forward(
            &new.reply().flags(syn_ack).numbers(7, 2 + SHIFT),
            ForwardOut,
            1,
            &new.at_client().flags(syn_ack).numbers(7, 2),
        ),
        forward(&new.request().numbers(2, 8), ForwardIn, SERVER_SIDE, &new.told().numbers(2 + SHIFT, 8)),
        forward(&new.request().numbers(2, 20), ForwardIn, SERVER_SIDE, &new.at_server().numbers(2 + SHIFT, 20)),
        forward(
            &new.reply().numbers(8, 2 + SHIFT).tcp_options(&edges(5000 + SHIFT)),
            ForwardOut,
            1,
            &new.at_client().numbers(8, 2).tcp_options(&edges(5000)),
        ),
        Step::Entries(3),
    ];
    case(net, "closed ones give way", 1, 1, steps)
}

/// A client's SYN from the port of a closed connection: a new one, with a new local port. The old local port is
/// remembered for as long as its server may wait there.
fn reopened(net: Net) -> Case {
    let (old, new) = (flow(net, 4000, 1, LOCAL), flow(net, 4000, 1, LOCAL + 1));
    let fin = TcpFlags::FIN | TcpFlags::ACK;
    let steps = std::vec![
        old.open(),
        old.returned(TcpFlags::SYN | TcpFlags::ACK),
        old.known().more(),
        old.returned(fin),
        old.known().sent(fin),
        new.open(),
        Step::Load(1, 1, 0),
        refuse(&old.reply(), PassNoService),
        new.returned(TcpFlags::SYN | TcpFlags::ACK),
        new.known().more(),
        new.answered(),
        Step::Wait(30),
        Step::Sweep(0),
        Step::Entries(3),
        new.known().more(),
        Step::Wait(40),
        Step::Sweep(1),
        Step::Entries(2),
    ];
    case(net, "reopened", 1, 9, steps)
}

/// What the client claims itself is blanked, wherever the server's own could stand: in a SYN, before and while the
/// handshake completes. Later it is the server's business.
fn claims(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let four = [254, 8, 0, 80, 10, 9, 9, 9];
    let six = [&[1, 253, 20, 0, 80][..], &[9; 16], &[1, 1, 1]].concat();
    let own = address_option(net, 4000);
    let told = |rest: &[u8]| flow.told().tcp_options(&[&own, rest].concat());
    let mut steps = std::vec![
        forward(&flow.first().tcp_options(&four), ForwardIn, SERVER_SIDE, &told(&[1; 8]).syn()),
        // Nothing is known of the server yet.
        forward(&flow.request().tcp_options(&six), ForwardIn, SERVER_SIDE, &flow.at_server().tcp_options(&[1; 24])),
        flow.returned(TcpFlags::SYN | TcpFlags::ACK),
    ];
    if !net.six {
        steps.push(forward(&flow.request().tcp_options(&six), ForwardIn, SERVER_SIDE, &told(&[1; 24])));
    }
    let both = [four, four].concat();
    steps.extend([
        // No room for one of our own.
        forward(
            &flow.request().tcp_options(&[&both[..], &[1; 24]].concat()),
            ForwardIn,
            SERVER_SIDE,
            &flow.at_server().tcp_options(&[1; 40]),
        ),
        forward(&flow.request().tcp_options(&both), ForwardIn, SERVER_SIDE, &told(&[1; 16])),
        forward(
            &flow.request().numbers(1, 3).tcp_options(&four),
            ForwardIn,
            SERVER_SIDE,
            &flow.at_server().numbers(1, 3).tcp_options(&four),
        ),
    ]);
    case(net, "claims of a client", 1, 9, steps)
}

/// The client's address has room or is left out; both segment sizes are lowered by what it takes, at any alignment.
fn room(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let own = address_option(net, 4000);
    let lowered = |size: u16| (size - own.len() as u16).to_be_bytes();
    let (syn_ack, [high, low]) = (TcpFlags::SYN | TcpFlags::ACK, lowered(1460));
    let headers = if net.six { 60 } else { 40 };
    let fits = std::vec![5; 1500 - headers - own.len()];
    let full = std::vec![5; 1501 - headers - own.len()];
    let odd = |size: [u8; 2]| [1, 2, 4, size[0], size[1], 1, 1, 1];
    let steps = std::vec![
        forward(
            &flow.first().tcp_options(&[2, 4, 5, 180]),
            ForwardIn,
            SERVER_SIDE,
            &flow.told().syn().tcp_options(&[&own[..], &[2, 4, high, low]].concat()),
        ),
        forward(
            &flow.reply().flags(syn_ack).tcp_options(&odd([5, 180])),
            ForwardOut,
            1,
            &flow.at_client().flags(syn_ack).tcp_options(&odd([high, low])),
        ),
        Step::Change(|world| world.tables.servers[1].mtu.set(1500)),
        forward(&flow.request().payload(&fits), ForwardIn, SERVER_SIDE, &flow.told().payload(&fits)),
        forward(&flow.request().payload(&full), ForwardIn, SERVER_SIDE, &flow.at_server().payload(&full)),
        forward(&flow.request().payload(b""), ForwardIn, SERVER_SIDE, &flow.told().payload(b"")),
        // Told or not, a reset is sent on as it is, and so is all that acknowledges more.
        flow.known().sent(TcpFlags::RST),
        Step::Change(|world| world.tables.settings.toa_kinds.set(0)),
        flow.more(),
        Step::Change(|world| world.tables.settings.toa_kinds.set(0x4c4d)),
        forward(&flow.request(), ForwardIn, SERVER_SIDE, &{
            let mut other = own.clone();
            other[0] = if net.six { 0x4c } else { 0x4d };
            flow.at_server().tcp_options(&other)
        }),
    ];
    case(net, "room for an address", 1, 9, steps)
}

/// Datagrams: a flow that has been silent for too long gives its place away.
fn expired_ones_give_way(net: Net) -> Case {
    let (old, new) = (flow(net, 4000, 1, LOCAL), flow(net, 4001, 1, LOCAL));
    let steps = std::vec![
        old.open(),
        Step::Wait(290),
        tell(&new.first(), DropNoLocalPort, port_unreachable(net)),
        Step::Wait(12),
        new.open(),
        new.answered(),
        Step::Sweep(0),
        load(net, 1, 1),
        new.more(),
    ];
    case(net, "expired ones give way", 1, 1, steps)
}

fn set_flags(world: &mut World, id: usize, flags: u32) {
    world.tables.servers[id].flags.set(flags);
}

/// Quiesced, removed, added again, another node's, and expire_nodest_conn: as for NAT.
fn quiesced_and_removed(net: Net) -> Case {
    let (one, two) = (flow(net, 4000, 2, LOCAL), flow(net, 4001, 1, LOCAL));
    let again = flow(net, 4000, 1, LOCAL + 1);
    let mut steps = std::vec![
        one.open(),
        two.open(),
        Step::Change(|world| world.tables.loads[2].weight.set(0)),
        one.more(),
        Step::Change(|world| set_flags(world, 2, RealServer::READY & !RealServer::AVAILABLE)),
        refuse(&one.request(), DropServerRemoved),
        Step::Change(|world| set_flags(world, 2, RealServer::READY & !RealServer::OWNED)),
        refuse(&one.request(), PassNotOwned),
        Step::Change(|world| set_flags(world, 2, RealServer::READY)),
        one.more(),
        one.answered(),
    ];
    steps.extend([
        Step::Change(|world| {
            world.tables.settings.flags.set(Settings::EXPIRE_NODEST | Settings::REUSE_CLOSED);
            set_flags(world, 2, RealServer::READY & !RealServer::AVAILABLE);
        }),
        if net.is_tcp() { refuse(&one.request(), PassNotSchedulable) } else { again.more() },
        again.open(),
        load(net, 2, 0),
        load(net, 1, 2),
        Step::Change(|world| world.tables.loads[1].weight.set(0)),
        tell(&flow(net, 4005, 1, 0).first(), DropNoServer, port_unreachable(net)),
    ]);
    case(net, "quiesced and removed", 2, 100, steps)
}

/// Nothing for too long: found by the sweeper, both entries.
fn silence(net: Net) -> Case {
    let (old, new) = (flow(net, 4000, 1, LOCAL), flow(net, 4000, 1, LOCAL + 1));
    let mut steps = std::vec![old.open()];
    if net.is_tcp() {
        let answer = old.returned(TcpFlags::SYN | TcpFlags::ACK);
        steps.extend([answer, old.known().more(), Step::Wait(890), old.answered()]);
    }
    let later = if net.is_tcp() { old.known().more() } else { old.more() };
    steps.extend([
        Step::Wait(290),
        later,
        Step::Wait(902),
        Step::Sweep(0),
        Step::Load(1, 0, 0),
        if net.is_tcp() { refuse(&old.request(), PassNotSchedulable) } else { new.more() },
    ]);
    if net.is_tcp() {
        steps.extend([Step::Wait(3), Step::Sweep(2), Step::Entries(0), new.open()]);
    } else {
        steps.extend([Step::Wait(3), Step::Sweep(1), Step::Entries(2), new.answered()]);
    }
    case(net, "silence", 1, 100, steps)
}

/// The last hop of a packet: its sender is told, the server by the local address, since the stack here would take the
/// packet for its own.
fn last_hops(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let exceeded = if net.six { Icmp::TIME_EXCEEDED6 } else { Icmp::TIME_EXCEEDED };
    let steps = std::vec![
        flow.open(),
        tell(&flow.request().hops(1), DropTimeToLive, (exceeded, 0, 0)),
        tell(&flow.reply().hops(1), DropTimeToLive, (exceeded, 0, 0)),
        forward(&flow.reply().hops(2), ForwardOut, 1, &flow.at_client().hops(1)),
    ];
    case(net, "last hops", 1, 100, steps)
}

/// Larger than the way on: both are told how much gets there.
fn too_big(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let (kind, code) = if net.six { (Icmp::TOO_BIG6, 0) } else { (Icmp::UNREACHABLE, Icmp::FRAGMENTATION_NEEDED) };
    let large = [7; 1350];
    let steps = std::vec![
        flow.open(),
        Step::Change(|world| {
            world.tables.servers[1].mtu.set(1300);
            let interface = Interface { index: 1, address: DIRECTOR_MAC, mtu: 1320, why: 0 };
            world.tables.set_interface(interface);
        }),
        tell(&flow.request().payload(&large), DropTooBig, (kind, code, 1300)),
        tell(&flow.reply().payload(&large), DropTooBig, (kind, code, 1320)),
        flow.more(),
        flow.answered(),
    ];
    case(net, "too big", 1, 100, steps)
}

fn router(net: Net) -> IpAddr {
    if net.six { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0x77, 1]) } else { IpAddr::from([192, 0, 2, 1]) }
}

fn unreachable(net: Net, message: PacketBuilder) -> PacketBuilder {
    message.icmp(if net.six { Icmp::UNREACHABLE6 } else { Icmp::UNREACHABLE }, 4, 1400)
}

/// How much of the quoted packet is there: ports, a UDP header, a TCP header, all.
fn cuts(net: Net) -> [usize; 4] {
    let header = if net.six { 40 } else { 20 };
    [header + 4, header + 8, header + 20, 1000]
}

/// An error about a client's packet on its way to the server: to the client, from the service, about what it sent.
fn errors_about_clients(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let mut steps = std::vec![flow.open()];
    for cut in cuts(net) {
        let error = unreachable(net, packet().ip(router(net), local_address(net))).quote(&flow.at_server(), cut);
        let told = packet().ip(net.vip().ip(), net.client()).hops(63).ethernet(DIRECTOR_MAC, CLIENT_MAC);
        let told = unreachable(net, told).quote(&flow.request().hops(63), cut);
        steps.push(forward(&error, ForwardIcmpOut, 1, &told));
    }
    let error =
        |quoted: &PacketBuilder| unreachable(net, packet().ip(router(net), local_address(net))).quote(quoted, 100);
    let other = Flow { local: LOCAL + 7, ..flow };
    steps.push(refuse(&error(&other.at_server()), PassIcmp));
    steps.push(refuse(&error(&flow.at_server()).hops(1), DropTimeToLive));
    case(net, "errors about a client's packets", 1, 100, steps)
}

/// An error about a server's packet on its way to the client: to the server, from the local address.
fn errors_about_servers(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let mut steps = std::vec![flow.open()];
    let error =
        |quoted: &PacketBuilder, cut| unreachable(net, packet().ip(router(net), net.vip().ip())).quote(quoted, cut);
    for cut in cuts(net) {
        let hop = hop(1, SERVER_SIDE);
        let told = packet().ip(local_address(net), net.server(1).ip()).hops(63).ethernet(hop.source, hop.destination);
        let told = unreachable(net, told).quote(&flow.reply().hops(63), cut);
        steps.push(forward(&error(&flow.at_client(), cut), ForwardIcmpIn, SERVER_SIDE, &told));
    }
    steps.push(Step::Change(|world| world.tables.settings.flags.set(Settings::SCHEDULE_ICMP)));
    // Nobody knows the local port of a flow that is not known.
    steps.push(refuse(&error(&Flow { client: 4001, ..flow }.at_client(), 100), PassIcmp));
    steps.push(Step::Entries(2));
    steps.push(Step::Wait(1000));
    steps.push(refuse(&error(&flow.at_client(), 100), PassIcmp));
    case(net, "errors about a server's packets", 1, 100, steps)
}

/// A client in a VLAN: its tag is taken out, and put back into the replies.
fn tagged(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let first = if net.is_tcp() { flow.told().syn() } else { flow.at_server() };
    let steps = std::vec![
        forward(&flow.first().tag(7), ForwardIn, SERVER_SIDE, &first),
        forward(&flow.reply(), ForwardOut, 1, &flow.at_client().tag(7)),
        forward(&flow.request().tag(7), ForwardIn, SERVER_SIDE, &flow.at_server()),
    ];
    Case { name: format!("VLAN {} tagged", net.name()), ..case(net, "", 1, 100, steps) }
}

/// The client's frames come from another router later: replies go there.
fn way_back(net: Net) -> Case {
    const ROUTER: MacAddress = MacAddress([2, 0, 0, 0, 9, 9]);
    let flow = flow(net, 4000, 1, LOCAL);
    let steps = std::vec![
        flow.open(),
        flow.more(),
        flow.answered(),
        Step::Wait(3),
        forward(&flow.request().ethernet(ROUTER, DIRECTOR_MAC), ForwardIn, SERVER_SIDE, &flow.at_server()),
        forward(&flow.reply(), ForwardOut, 1, &flow.at_client().ethernet(DIRECTOR_MAC, ROUTER)),
    ];
    case(net, "way back is learnt", 1, 100, steps)
}

/// What is not for FullNAT.
fn fragments_and_strangers(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let mut steps = std::vec![flow.open()];
    // A server's packet to a local port that no flow has: the stack resets it.
    let stray = Flow { local: LOCAL + 1, ..flow };
    steps.push(refuse(&stray.reply(), PassNoService));
    if !net.six {
        steps.push(refuse(&flow.request().fragment(0x2000), DropFragment));
        steps.push(refuse(&flow.reply().fragment(0x2000), DropFragment));
    }
    if net.is_tcp() {
        steps.push(refuse(&Flow { client: 4001, ..flow }.request(), PassNotSchedulable));
    }
    case(net, "fragments and strangers", 1, 100, steps)
}

/// A datagram without a checksum stays one.
fn no_checksum() -> Case {
    let flow = flow(UDP4, 4000, 1, LOCAL);
    let steps = std::vec![
        forward(&flow.request().no_checksum(), ForwardIn, SERVER_SIDE, &flow.at_server().no_checksum()),
        forward(&flow.reply().no_checksum(), ForwardOut, 1, &flow.at_client().no_checksum()),
    ];
    case(UDP4, "no checksum", 1, 100, steps)
}
