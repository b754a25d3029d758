//! Packets at the edges: not ours, malformed, with options, fragments, offloads, full tables, colliding flows.

use super::net::{Net, SERVER_SIDE};
use super::{Case, Expect, Step, forward, refuse};
use crate::Counter::{
    DropMalformed, DropReplyCollision, DropTableFull, ForwardIn, ForwardOut, PassIcmp, PassLocalServer, PassNoFlow,
    PassNoService, PassNotOurs, PassOtherReceiver, PassProtocol,
};
use crate::abi::{Method, RealServer, SchedulerKind};
use crate::host::packet::{CLIENT_MAC, packet};
use crate::host::{PacketBuilder, ServerSpec, SliceFrame, World};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::boxed::Box;
use std::string::ToString;
use std::vec::Vec;
use wire::{MacAddress, TcpFlags, protocol};

const NAT4: Net = Net { six: false, method: Method::Nat, protocol: protocol::TCP };
const NAT6: Net = Net { six: true, method: Method::Nat, protocol: protocol::TCP };
const NAT4_UDP: Net = Net { six: false, method: Method::Nat, protocol: protocol::UDP };
const DR4: Net = Net { six: false, method: Method::DirectRouting, protocol: protocol::TCP };

pub(super) fn cases() -> Vec<Case> {
    let mut cases = std::vec![
        not_ours(),
        other_receivers(),
        options4(),
        extensions6(),
        malformed4(),
        partial_checksum(),
        no_udp_checksum(),
        udp_checksum_never_zero(),
        local_server(),
        one_armed(),
        table_full(),
        reply_collision(),
    ];
    cases.extend([NAT4, NAT6].map(other_protocols));
    cases.push(joined(NAT4));
    cases.extend([NAT4, NAT6].map(without_a_length));
    cases
}

fn case(net: Net, name: &str, steps: Vec<Step>) -> Case {
    Case { name: name.to_string(), world: Box::new(move || net.world(3)), steps }
}

fn raw(bytes: &[u8], counter: crate::Counter) -> Step {
    let frame = SliceFrame { bytes: bytes.to_vec(), ingress: 1, joined: false };
    let expect = Expect::unchanged(&frame, counter);
    Step::Send(frame, expect)
}

fn not_ours() -> Case {
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let mut arp = [0; 60];
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let steps = std::vec![
        refuse(&packet().ip(NAT4.client(), elsewhere).tcp(4000, 80).syn(), PassNotOurs),
        refuse(&packet().ip(NAT6.client(), NAT6.vip().ip()).tcp(4000, 80).syn(), PassNotOurs),
        raw(&arp, PassNotOurs),
        refuse(&packet().ip(NAT4.client(), NAT4.vip().ip()).tcp(4000, 81).syn(), PassNoService),
        refuse(&packet().ip(NAT4.client(), NAT4.vip().ip()).udp(4000, 80), PassNoService),
        // From a server, but of no connection.
        // What servers answer to this host's own connections, and what belongs to none.
        refuse(&NAT4.reply(1, 4000), PassNoFlow),
        refuse(&NAT4.reply(1, 4000).flags(TcpFlags::SYN | TcpFlags::ACK), PassNoFlow),
        refuse(&NAT4.reply(1, 4000).flags(TcpFlags::SYN), PassNoService),
        refuse(&NAT4.reply(1, 4000).flags(TcpFlags::SYN | TcpFlags::RST), PassNoFlow),
        refuse(&packet().ip(NAT4.client(), NAT4.vip().ip()).tcp(4000, 81), PassNoFlow),
    ];
    case(NAT4, "not ours", steps)
}

fn other_receivers() -> Case {
    let others = [MacAddress([2, 0, 0, 0, 0, 3]), MacAddress([0xff; 6]), MacAddress([1, 0, 0x5e, 0, 0, 1])];
    let steps =
        others.map(|other| refuse(&NAT4.request(4000).syn().ethernet(CLIENT_MAC, other), PassOtherReceiver)).into();
    case(NAT4, "other receivers", steps)
}

fn other_protocols(net: Net) -> Case {
    let with = |number: u8| packet().ip(net.client(), net.vip().ip()).protocol(number).payload(&[8; 64]);
    let control = if net.six { protocol::ICMPV6 } else { protocol::ICMP };
    let reason = |number| if number == control { PassIcmp } else { PassProtocol };
    let steps = [1, 2, 47, 50, 58, 89, 112, 132].map(|number| refuse(&with(number), reason(number))).into();
    case(net, if net.six { "other protocols over IPv6" } else { "other protocols over IPv4" }, steps)
}

fn options4() -> Case {
    let steps = [4, 8, 20, 40]
        .into_iter()
        .zip(4000..)
        .map(|(length, port)| {
            let options = std::vec![1; length];
            let id = 3 - (port - 4000) as u32 % 3;
            let (request, arrives) = (NAT4.request(port).syn().options(&options), NAT4.at_server(id, port).syn());
            forward(&request, ForwardIn, SERVER_SIDE, &arrives.options(&options))
        })
        .collect();
    case(NAT4, "IPv4 options", steps)
}

/// Packets that the stack has joined to more than a header can say, which says nothing then (BIG TCP).
fn joined(net: Net) -> Case {
    let data = [7; 2000];
    let steps = std::vec![
        forward(&net.request(4000).syn(), ForwardIn, SERVER_SIDE, &net.at_server(3, 4000).syn()),
        forward(
            &net.request(4000).payload(&data).joined(),
            ForwardIn,
            SERVER_SIDE,
            &net.at_server(3, 4000).payload(&data).joined()
        ),
        forward(
            &net.reply(3, 4000).payload(&data).joined(),
            ForwardOut,
            1,
            &net.at_client(4000).payload(&data).joined()
        ),
    ];
    case(net, "joined packets over IPv4", steps)
}

/// A header that says nothing of the length of a single packet.
fn without_a_length(net: Net) -> Case {
    let frame = SliceFrame { joined: false, ..net.request(4000).syn().joined().build() };
    let expect = Expect::unchanged(&frame, DropMalformed);
    let name = if net.six { "no length over IPv6" } else { "no length over IPv4" };
    case(net, name, std::vec![Step::Send(frame, expect)])
}

/// Extension header chains that end in TCP: hop-by-hop, destination options, routing, an atomic fragment.
fn extensions6() -> Case {
    let chains: [&[u8]; 4] = [
        &[0, protocol::TCP, 0, 1, 4, 0, 0, 0, 0],
        &[60, protocol::TCP, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 43, 0, 1, 4, 0, 0, 0, 0, protocol::TCP, 0, 4, 0, 0, 0, 0, 0],
        &[44, protocol::TCP, 0, 0, 0, 1, 2, 3, 4],
    ];
    let mut steps: Vec<Step> = chains
        .into_iter()
        .zip(4000..)
        .map(|(chain, port)| {
            let id = 3 - (port - 4000) as u32 % 3;
            let (request, arrives) = (NAT6.request(port).syn().options(chain), NAT6.at_server(id, port).syn());
            forward(&request, ForwardIn, SERVER_SIDE, &arrives.options(chain))
        })
        .collect();
    // Longer than anybody needs, ending nowhere, cut off.
    let endless = std::iter::once(0).chain([0, 0, 1, 4, 0, 0, 0, 0].repeat(7)).collect::<Vec<u8>>();
    steps.push(refuse(&NAT6.request(4010).syn().options(&endless), PassProtocol));
    let no_next_header = [0, 59, 0, 1, 4, 0, 0, 0, 0];
    steps.push(refuse(&NAT6.request(4011).syn().options(&no_next_header), PassProtocol));
    case(NAT6, "IPv6 extension headers", steps)
}

fn malformed4() -> Case {
    let whole = NAT4.request(4000).syn().build().bytes;
    let mut steps = Vec::new();
    // (offset, value): version, header length, total length beyond the frame, TCP data offset.
    for (offset, value) in [(14, 0x55), (14, 0x44), (16, 0xff), (46, 0x40), (46, 0xf0)] {
        let mut bytes = whole.clone();
        bytes[offset] = value;
        steps.push(raw(&bytes, DropMalformed));
    }
    // A flipped bit in the header, with and without options.
    for (mut bytes, offset) in [(whole.clone(), 18), (NAT4.request(4000).syn().options(&[1; 12]).build().bytes, 41)] {
        bytes[offset] ^= 4;
        steps.push(raw(&bytes, DropMalformed));
    }
    for length in [34, 40, 53, whole.len() - 1] {
        steps.push(raw(&whole[..length], DropMalformed));
    }
    // Padding behind the packet is not the packet.
    let mut padded = NAT4.request(4000).syn().build();
    padded.bytes.extend([0; 9]);
    let mut leaves = NAT4.at_server(3, 4000).syn().build().bytes;
    leaves.extend([0; 9]);
    let expect = Expect { action: crate::Action::Forward, counter: ForwardIn, interface: SERVER_SIDE, bytes: leaves };
    steps.push(Step::Send(padded, expect));
    case(NAT4, "malformed IPv4", steps)
}

/// A checksum that the sender left to its device is recognised; direct routing does not touch it.
fn partial_checksum() -> Case {
    let request = DR4.request(4000).syn().partial_checksum();
    let steps = std::vec![
        forward(&request, ForwardIn, SERVER_SIDE, &DR4.at_server(3, 4000).syn().partial_checksum()),
        forward(&request, ForwardIn, SERVER_SIDE, &DR4.at_server(3, 4000).syn().partial_checksum()),
    ];
    case(DR4, "partial checksum", steps)
}

fn no_udp_checksum() -> Case {
    let (request, arrives) = (NAT4_UDP.request(4000).no_checksum(), NAT4_UDP.at_server(3, 4000).no_checksum());
    case(NAT4_UDP, "no UDP checksum", std::vec![forward(&request, ForwardIn, SERVER_SIDE, &arrives)])
}

/// A payload that makes the new checksum come out as zero: sent as 0xffff.
fn udp_checksum_never_zero() -> Case {
    let arrives = |word: [u8; 2]| NAT4_UDP.at_server(3, 4000).payload(&word);
    let field = |packet: PacketBuilder| {
        let bytes = packet.build().bytes;
        u16::from_be_bytes([bytes[40], bytes[41]])
    };
    let word = field(arrives([0, 0])).to_be_bytes();
    let request = NAT4_UDP.request(4000).payload(&word);
    let mut leaves = arrives(word).build().bytes;
    leaves[40..42].copy_from_slice(&[0xff, 0xff]);
    let expect = Expect { action: crate::Action::Forward, counter: ForwardIn, interface: SERVER_SIDE, bytes: leaves };
    case(NAT4_UDP, "UDP checksum is never zero", std::vec![Step::Send(request.build(), expect)])
}

/// Direct routing to this host: delivered to the local stack, and remembered.
fn local_server() -> Case {
    let steps = std::vec![
        Step::Change(|world| {
            world.tables.servers[3].flags.set(RealServer::READY | RealServer::LOCAL);
        }),
        refuse(&DR4.request(4000).syn(), PassLocalServer),
        refuse(&DR4.request(4000), PassLocalServer),
        refuse(&DR4.request(4000).hops(1), PassLocalServer),
        Step::Entries(1),
        Step::Load(3, 1, 0),
    ];
    case(DR4, "local server", steps)
}

/// Client and servers on one interface: the frame turns around.
fn one_armed() -> Case {
    let steps = std::vec![
        Step::Change(|world| {
            let server = &world.tables.servers[3];
            server.hop.set(crate::host::world::hop(3, 1));
        }),
        forward(&NAT4.request(4000).syn(), ForwardIn, 1, &NAT4.at_server(3, 4000).syn()),
    ];
    case(NAT4, "one-armed", steps)
}

/// A world with room for three entries: NAT needs two a connection, and leaves none behind when they do not fit.
fn table_full() -> Case {
    let world = || {
        let mut world = World::new(3);
        let server = ServerSpec { endpoint: NAT4.server(1), method: Method::Nat, weight: 1, interface: SERVER_SIDE };
        world.service(protocol::TCP, NAT4.vip(), SchedulerKind::RoundRobin, &[server], &[]);
        world
    };
    let steps = std::vec![
        forward(&NAT4.request(4000).syn(), ForwardIn, SERVER_SIDE, &NAT4.at_server(1, 4000).syn()),
        refuse(&NAT4.request(4001).syn(), DropTableFull),
        Step::Load(1, 1, 0),
        forward(&NAT4.request(4000), ForwardIn, SERVER_SIDE, &NAT4.at_server(1, 4000)),
    ];
    Case { name: "table full".to_string(), world: Box::new(world), steps }
}

/// Two virtual services, one server, one client port: the second would share the reply tuple, and is refused.
fn reply_collision() -> Case {
    let world = || {
        let mut world = NAT4.world(1);
        let server = ServerSpec { endpoint: NAT4.server(1), method: Method::Nat, weight: 1, interface: SERVER_SIDE };
        let other = SocketAddr::new(NAT4.vip().ip(), 81);
        world.service(protocol::TCP, other, SchedulerKind::RoundRobin, &[server], &[]);
        world
    };
    let second = || packet().ip(NAT4.client(), NAT4.vip().ip()).tcp(4000, 81).payload(b"request").syn();
    let hop = crate::host::world::hop(2, SERVER_SIDE);
    let steps = std::vec![
        forward(&NAT4.request(4000).syn(), ForwardIn, SERVER_SIDE, &NAT4.at_server(1, 4000).syn()),
        refuse(&second(), DropReplyCollision),
        Step::Entries(2),
        // Once the first is over, its reply entry is taken over.
        Step::Wait(70),
        forward(
            &second(),
            ForwardIn,
            SERVER_SIDE,
            &NAT4.at_server(1, 4000).syn().ethernet(hop.source, hop.destination),
        ),
        Step::Entries(3),
    ];
    Case { name: "reply collision".to_string(), world: Box::new(world), steps }
}
