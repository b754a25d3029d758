//! Errors from inside tunnels: what a router tells this node about an outer packet, the client learns about his own.

use super::net::SERVER_SIDE;
use super::tunnel::Way;
use super::{Case, Step, forward, refuse};
use crate::Counter::{ForwardIcmpOut, ForwardIn, PassIcmp};
use crate::Family;
use crate::abi::{Envelope, Outer, Port, RealServer, Settings};
use crate::host::packet::{DIRECTOR_MAC, packet};
use crate::host::world::{DIRECTOR4, DIRECTOR6};
use crate::host::{PacketBuilder, World};
use core::net::IpAddr;
use std::vec::Vec;
use wire::{Icmp, MacAddress, protocol};

/// MTU of a link on the way to the servers.
const MTU: u32 = 1400;
/// All that a message can quote.
const WHOLE: usize = 1500;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for way in Way::all() {
        cases.extend([relayed(way), cut(way), strangers(way), tags(way)]);
    }
    for way in Way::all().into_iter().filter(|way| way.net.is_tcp()) {
        cases.extend([kinds(way), other_ways(way)]);
    }
    for way in Way::all().into_iter().filter(|way| !way.net.is_tcp()) {
        cases.push(beside_scheduling(way));
    }
    cases
}

type Message = (u8, u8, u32);

fn router(six: bool) -> IpAddr {
    if six { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 2, 1]) } else { IpAddr::from([10, 0, 2, 254]) }
}

fn director(six: bool) -> IpAddr {
    if six { DIRECTOR6.into() } else { DIRECTOR4.into() }
}

fn too_big(six: bool, mtu: u32) -> Message {
    if six { (Icmp::TOO_BIG6, 0, mtu) } else { (Icmp::UNREACHABLE, Icmp::FRAGMENTATION_NEEDED, mtu) }
}

impl Way {
    /// What is put around packets.
    fn overhead(&self) -> u32 {
        let family = if self.outer_six { Family::Ipv6 } else { Family::Ipv4 };
        Outer::new(family, self.envelope, self.checksum).length() as u32
    }

    /// A message from a router to this node about `outer`, of which it quotes so much.
    fn arrives(&self, (kind, code, rest): Message, outer: &PacketBuilder, bytes: usize) -> PacketBuilder {
        let bytes = bytes.min(if self.outer_six { 1232 } else { 548 });
        packet().ip(router(self.outer_six), director(self.outer_six)).icmp(kind, code, rest).quote(outer, bytes)
    }

    /// The message to the client about `inner`, as it came here, with as much of it as `bytes` of the outer packet show.
    fn told(
        &self,
        (kind, code, rest): Message,
        request: &PacketBuilder,
        outer: &PacketBuilder,
        bytes: usize,
    ) -> PacketBuilder {
        let shown = bytes.min(if self.outer_six { 1232 } else { 548 });
        let wrapping = outer.build().bytes.len() - request.clone().tagged(None).build().bytes.len();
        let inner = request.clone().hops(63);
        let shown = (shown - wrapping).min(inner.most_quoted());
        request.to_sender().icmp(kind, code, rest).quote(&inner, shown)
    }

    fn large(&self) -> PacketBuilder {
        self.net.request(4000).payload(&[0x5a; 1300])
    }

    /// A message about a large packet of the client, and what the client learns.
    fn tells(&self, arrives: Message, leaves: Message, bytes: usize) -> Step {
        let outer = self.leaves(3, self.large(), true);
        let told = self.told(leaves, &self.large(), &outer, bytes);
        forward(&self.arrives(arrives, &outer, bytes), ForwardIcmpOut, 1, &told)
    }

    fn too_big(&self) -> Step {
        let left = too_big(self.net.six, MTU - self.overhead());
        self.tells(too_big(self.outer_six, MTU), left, WHOLE)
    }

    /// A message about this outer packet concerns nobody here.
    fn concerns_nobody(&self, outer: &PacketBuilder) -> Step {
        refuse(&self.arrives(too_big(self.outer_six, MTU), outer, WHOLE), PassIcmp)
    }
}

/// Too big, hops used up, of short packets and of long ones; no MTU is told that no link has.
fn relayed(way: Way) -> Case {
    let small = way.leaves(3, way.net.request(4000), true);
    let exceeded = |six| if six { (Icmp::TIME_EXCEEDED6, 0, 0) } else { (Icmp::TIME_EXCEEDED, 0, 0) };
    let least = if way.net.six { 1280 } else { 68 };
    let steps = std::vec![
        way.goes(&way.first(4000)),
        way.too_big(),
        way.tells(exceeded(way.outer_six), exceeded(way.net.six), WHOLE),
        forward(
            &way.arrives(exceeded(way.outer_six), &small, WHOLE),
            ForwardIcmpOut,
            1,
            &way.told(exceeded(way.net.six), &way.net.request(4000), &small, small.build().bytes.len() - 14),
        ),
        way.tells(too_big(way.outer_six, 0), too_big(way.net.six, least), WHOLE),
        way.tells(too_big(way.outer_six, way.overhead() + least - 1), too_big(way.net.six, least), WHOLE),
        // It changes nothing for the packets that follow.
        way.goes(&way.net.request(4000)),
        way.too_big(),
    ];
    way.case("errors from inside", steps)
}

/// As much is told as was quoted; without the ports of the client nobody is.
fn cut(way: Way) -> Case {
    let outer = way.leaves(3, way.large(), true);
    let ports = way.overhead() as usize + if way.net.six { 44 } else { 24 };
    let message = (too_big(way.outer_six, MTU), too_big(way.net.six, MTU - way.overhead()));
    let mut steps = std::vec![way.goes(&way.first(4000))];
    for bytes in [ports, ports + 1, ports + 4, ports + 13, ports + 100, 500, 547] {
        steps.push(way.tells(message.0, message.1, bytes));
    }
    steps.push(refuse(&way.arrives(message.0, &outer, ports - 1), PassIcmp));
    steps.push(refuse(&way.arrives(message.0, &outer, way.overhead() as usize + 8), PassIcmp));
    steps.push(refuse(&way.arrives(message.0, &outer, 8), PassIcmp));
    way.case("errors from inside, cut", steps)
}

/// Packets that this node has not sent, or not there, or of nobody; messages that are not whole.
fn strangers(way: Way) -> Case {
    let message = too_big(way.outer_six, MTU);
    let outer = || way.leaves(3, way.large(), true);
    let six = way.outer_six;
    let elsewhere = Way { envelope: if way.envelope == Envelope::Gre { Envelope::Ipip } else { Envelope::Gre }, ..way };
    let mut broken = way.arrives(message, &outer(), WHOLE).build();
    *broken.bytes.last_mut().unwrap_or(&mut 0) ^= 1;
    let broken_leaves = super::Expect::unchanged(&broken, PassIcmp);
    let mut steps = std::vec![
        way.concerns_nobody(&outer()),
        way.goes(&way.first(4000)),
        way.too_big(),
        way.concerns_nobody(&way.leaves(2, way.large(), true)),
        way.concerns_nobody(&way.leaves(3, way.net.request(4001), true)),
        way.concerns_nobody(&elsewhere.leaves(3, way.large(), true)),
        Step::Send(broken, broken_leaves),
        refuse(&way.arrives(message, &outer(), WHOLE).ip(router(six), way.server(1)), PassIcmp),
        Step::Change(|world| world.tables.tunnels[3].source[0].set(1)),
        way.concerns_nobody(&outer()),
    ];
    if let Envelope::Gue(_) = way.envelope {
        let other = Way { envelope: Envelope::Gue(Port::new(6081)), ..way };
        steps.push(way.concerns_nobody(&other.leaves(3, way.large(), true)));
    }
    if !six {
        steps.push(refuse(&way.arrives(message, &outer(), WHOLE).fragment(0x2000), PassIcmp));
    }
    steps.push(Step::Wait(1000));
    steps.push(way.concerns_nobody(&outer()));
    way.case("errors from inside that concern nobody", steps)
}

/// Tags on either side: the message goes in the client's VLAN, wherever it came from.
fn tags(way: Way) -> Case {
    let outer = way.leaves(3, way.large(), true);
    let message = (too_big(way.outer_six, MTU), too_big(way.net.six, MTU - way.overhead()));
    let arrives = |tag| way.arrives(message.0, &outer, WHOLE).tagged(tag);
    let told = |tag| way.told(message.1, &way.large(), &outer, WHOLE).tagged(tag);
    let leaves = |packet: PacketBuilder| way.leaves(3, packet.tagged(None), true);
    let steps = std::vec![
        forward(&way.first(4000).tag(100), ForwardIn, SERVER_SIDE, &leaves(way.first(4000))),
        forward(&arrives(None), ForwardIcmpOut, 1, &told(Some(100))),
        forward(&arrives(Some(0x6000 | 7)), ForwardIcmpOut, 1, &told(Some(100))),
        Step::Wait(3),
        forward(&way.net.request(4000), ForwardIn, SERVER_SIDE, &leaves(way.net.request(4000))),
        forward(&arrives(Some(7)), ForwardIcmpOut, 1, &told(None)),
    ];
    Case { name: format!("VLAN: {} errors from inside", way.name()), ..way.case("", steps) }
}

/// Each kind, in the words of the client's family; what routers say beyond that (RFC 4884) is cut off.
fn kinds(way: Way) -> Case {
    let same = |kind, code| ((kind, code, 0), (kind, code, 0));
    let (known, unknown): (Vec<(Message, Message)>, Vec<Message>) = match (way.outer_six, way.net.six) {
        (false, false) => (
            std::vec![same(3, 0), same(3, 1), same(3, 2), same(3, 3), same(3, 13), same(4, 0), same(11, 0)],
            std::vec![(12, 0, 0), (5, 1, 0)],
        ),
        (true, true) => (
            std::vec![
                same(1, 0),
                same(1, 1),
                same(1, 3),
                same(1, 4),
                same(3, 0),
                ((4, 1, 6), (1, 3, 0)),
                ((4, 0, 6), (1, 3, 0))
            ],
            std::vec![(127, 0, 0), (129, 0, 0)],
        ),
        (false, true) => (
            std::vec![
                ((3, 0, 0), (1, 0, 0)),
                ((3, 1, 0), (1, 0, 0)),
                ((3, 2, 0), (1, 3, 0)),
                ((3, 3, 0), (1, 4, 0)),
                ((3, 9, 0), (1, 1, 0)),
                ((3, 10, 0), (1, 1, 0)),
                ((3, 13, 0), (1, 1, 0)),
                ((11, 0, 0), (3, 0, 0)),
            ],
            std::vec![(4, 0, 0), (12, 0, 0)],
        ),
        (true, false) => (
            std::vec![
                ((1, 0, 0), (3, 1, 0)),
                ((1, 1, 0), (3, 10, 0)),
                ((1, 3, 0), (3, 1, 0)),
                ((1, 4, 0), (3, 3, 0)),
                ((3, 0, 0), (11, 0, 0)),
                ((4, 1, 6), (3, 2, 0)),
            ],
            std::vec![(4, 0, 6), (127, 0, 0)],
        ),
    };
    let outer = way.leaves(3, way.large(), true);
    let mut steps = std::vec![way.goes(&way.first(4000))];
    steps.extend(known.into_iter().map(|(arrives, leaves)| way.tells(arrives, leaves, WHOLE)));
    steps.extend(unknown.into_iter().map(|message| refuse(&way.arrives(message, &outer, WHOLE), PassIcmp)));
    steps.push(extended(way));
    way.case("errors from inside, by kind", steps)
}

/// A quotation of 128 bytes, and an extension behind it.
fn extended(way: Way) -> Step {
    let outer = way.leaves(3, way.large(), true);
    let quoted = &outer.build().bytes[14..14 + 128];
    let payload = [quoted, &[0x20, 0, 0xde, 0xff, 0, 8, 1, 1, 0, 1, 2, 3]].concat();
    let (arrives, leaves) = match (way.outer_six, way.net.six) {
        (false, false) => ((11, 0, 32 << 16), (11, 0, 0)),
        (true, true) => ((3, 0, 16 << 24), (3, 0, 0)),
        (false, true) => ((11, 0, 32 << 16), (3, 0, 0)),
        (true, false) => ((3, 0, 16 << 24), (11, 0, 0)),
    };
    let message = way.arrives(arrives, &outer, 128).payload(&payload);
    forward(&message, ForwardIcmpOut, 1, &way.told(leaves, &way.large(), &outer, 128))
}

/// The client comes by another router: within about a second it is told there. A server that is none any more, or of
/// another method, was not the one.
fn other_ways(way: Way) -> Case {
    const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
    let outer = way.leaves(3, way.large(), true);
    let request = way.net.request(4000);
    let message = (too_big(way.outer_six, MTU), too_big(way.net.six, MTU - way.overhead()));
    let moved = way.told(message.1, &way.large(), &outer, WHOLE).ethernet(DIRECTOR_MAC, OTHER);
    let steps = std::vec![
        way.goes(&way.first(4000)),
        way.too_big(),
        Step::Wait(3),
        forward(&request.clone().ethernet(OTHER, DIRECTOR_MAC), ForwardIn, SERVER_SIDE, &way.leaves(3, request, true)),
        forward(&way.arrives(message.0, &outer, WHOLE), ForwardIcmpOut, 1, &moved),
        Step::Change(|world| set_method(world, crate::abi::Method::DirectRouting)),
        way.concerns_nobody(&outer),
        Step::Change(|world| set_method(world, crate::abi::Method::Tunnel)),
        // What is told of a connection whose server is gone still concerns its client.
        Step::Change(|world| world.tables.servers[3].flags.set(RealServer::TAKEN)),
        forward(&way.arrives(message.0, &outer, WHOLE), ForwardIcmpOut, 1, &moved),
    ];
    way.case("errors from inside, by other ways", steps)
}

fn set_method(world: &mut World, method: crate::abi::Method) {
    world.tables.servers[3].port_and_method.set((method as u32) << 16 | Port::new(80).0 as u32);
}

/// With schedule_icmp an error about a tunnel's datagram is still one of the tunnel.
fn beside_scheduling(way: Way) -> Case {
    let steps = std::vec![
        Step::Change(|world| world.tables.settings.flags.set(Settings::SCHEDULE_ICMP)),
        way.concerns_nobody(&way.leaves(3, way.large(), true)),
        way.goes(&way.first(4000)),
        way.too_big(),
    ];
    let name = if way.net.protocol == protocol::UDP { "errors from inside, with schedule_icmp" } else { "" };
    way.case(name, steps)
}
