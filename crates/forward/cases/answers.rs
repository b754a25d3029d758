//! Errors of our own: hops used up, nobody to serve, too big for the way.

use super::net::{Net, SERVER_SIDE};
use super::{Case, Step, forward, refuse, tell};
use crate::Counter::{DropNoServer, DropTimeToLive, DropTooBig, ForwardIn, ForwardOut, PassUnforwardable};
use crate::abi::{Interface, Method};
use crate::host::packet::DIRECTOR_MAC;
use crate::host::{PacketBuilder, World};
use core::net::IpAddr;
use std::boxed::Box;
use std::vec::Vec;
use wire::{Icmp, protocol};

const NAT4: Net = Net { six: false, method: Method::Nat, protocol: protocol::TCP };
const NAT6: Net = Net { six: true, method: Method::Nat, protocol: protocol::TCP };
const DR4_UDP: Net = Net { six: false, method: Method::DirectRouting, protocol: protocol::UDP };
const DR6_UDP: Net = Net { six: true, method: Method::DirectRouting, protocol: protocol::UDP };

/// Don't fragment.
const DF: u16 = 0x4000;
/// MTU of the ways in these cases.
const MTU: u32 = 1300;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in Net::all() {
        cases.push(last_hop(net));
        cases.push(too_big_for_the_server(net));
        if net.is_nat() {
            cases.push(replies_that_cannot_go_on(net));
        }
    }
    cases.extend([DR4_UDP, DR6_UDP].map(quotations));
    cases.extend([NAT4, NAT6].map(nobody_is_told));
    cases.extend([NAT4, DR6_UDP].map(not_too_often));
    cases
}

fn case(net: Net, name: &str, steps: Vec<Step>) -> Case {
    Case { name: format!("{} {name}", net.name()), world: Box::new(move || net.world(3)), steps }
}

/// What the sender of a packet without hops is told.
fn time_exceeded(net: Net) -> (u8, u8, u32) {
    (if net.six { Icmp::TIME_EXCEEDED6 } else { Icmp::TIME_EXCEEDED }, 0, 0)
}

/// What the sender of a packet is told that nobody serves.
pub(super) fn port_unreachable(net: Net) -> (u8, u8, u32) {
    if net.six {
        (Icmp::UNREACHABLE6, Icmp::PORT_UNREACHABLE6, 0)
    } else {
        (Icmp::UNREACHABLE, Icmp::PORT_UNREACHABLE, 0)
    }
}

fn too_big(net: Net) -> (u8, u8, u32) {
    if net.six { (Icmp::TOO_BIG6, 0, MTU) } else { (Icmp::UNREACHABLE, Icmp::FRAGMENTATION_NEEDED, MTU) }
}

fn first(net: Net, packet: PacketBuilder) -> PacketBuilder {
    if net.is_tcp() { packet.syn() } else { packet }
}

fn open(net: Net, id: u32, port: u16) -> Step {
    forward(&first(net, net.request(port)), ForwardIn, SERVER_SIDE, &first(net, net.at_server(id, port)))
}

/// One hop left: not sent on with zero, and the sender learns it. The connection is remembered, as in IPVS.
fn last_hop(net: Net) -> Case {
    let two_left = first(net, net.at_server(3, 4000)).hops(1);
    let steps = std::vec![
        tell(&first(net, net.request(4000)).hops(1), DropTimeToLive, time_exceeded(net)),
        forward(&first(net, net.request(4000)).hops(2), ForwardIn, SERVER_SIDE, &two_left),
        tell(&net.request(4000).hops(1), DropTimeToLive, time_exceeded(net)),
        tell(&net.request(4000).hops(0), DropTimeToLive, time_exceeded(net)),
    ];
    case(net, "last hop", steps)
}

/// A payload that makes a packet so long.
fn filled(net: Net, packet: PacketBuilder, bytes: u32) -> PacketBuilder {
    let headers = if net.six { 40 } else { 20 } + if net.is_tcp() { 20 } else { 8 };
    packet.payload(&std::vec![0x5a; bytes as usize - headers])
}

/// The way to the servers has a smaller MTU than the client's.
fn too_big_for_the_server(net: Net) -> Case {
    let request = |bytes| filled(net, net.request(4000), bytes);
    let arrives = filled(net, net.at_server(3, 4000), MTU);
    let mut steps = std::vec![
        Step::Change(|world| world.tables.servers.iter().for_each(|server| server.mtu.set(MTU))),
        open(net, 3, 4000),
        forward(&request(MTU).fragment(DF), ForwardIn, SERVER_SIDE, &arrives.fragment(DF)),
        tell(&request(MTU + 1).fragment(DF), DropTooBig, too_big(net)),
        // The kernel would fragment it; here the sender is asked to.
        tell(&request(MTU + 1), DropTooBig, too_big(net)),
        tell(&request(9000).fragment(DF), DropTooBig, too_big(net)),
    ];
    if !net.is_tcp() {
        // The first packet of a flow may be too big, too.
        steps.push(tell(&filled(net, net.request(4001), MTU + 1).fragment(DF), DropTooBig, too_big(net)));
    }
    case(net, "too big for the way to the server", steps)
}

/// Servers' packets are told about by the stack, which has an address of its own for that; but never those that it
/// would fragment and send untranslated.
fn replies_that_cannot_go_on(net: Net) -> Case {
    let reply = |bytes| filled(net, net.reply(3, 4000), bytes);
    let arrives = |bytes| filled(net, net.at_client(4000), bytes);
    let mut steps = std::vec![
        open(net, 3, 4000),
        forward(&reply(9000).fragment(DF), ForwardOut, 1, &arrives(9000).fragment(DF)),
        Step::Change(|world| set_mtu(world, MTU)),
        forward(&reply(MTU).fragment(DF), ForwardOut, 1, &arrives(MTU).fragment(DF)),
        refuse(&reply(MTU + 1).fragment(DF), PassUnforwardable),
        refuse(&net.reply(3, 4000).hops(1), PassUnforwardable),
        refuse(&net.reply(3, 4000).hops(0), PassUnforwardable),
    ];
    if !net.six {
        steps.push(refuse(&reply(MTU + 1), DropTooBig));
    }
    case(net, "replies that cannot go on", steps)
}

fn set_mtu(world: &mut World, mtu: u32) {
    world.tables.set_interface(Interface { index: 1, address: DIRECTOR_MAC, mtu, ..Interface::default() });
}

/// Another client.
fn another(net: Net, number: u8) -> IpAddr {
    if net.six { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number)]) } else { IpAddr::from([10, 0, 0, number]) }
}

fn nobody_serves(world: &mut World) {
    world.tables.loads.iter().for_each(|load| load.weight.set(0));
}

/// As much is quoted as a message may hold, whatever its length; padding is not.
fn quotations(net: Net) -> Case {
    let mut steps = std::vec![Step::Change(nobody_serves)];
    for (length, sender) in [0, 1, 2, 3, 520, 521, 1183, 1184, 1185, 8000].into_iter().zip(20..) {
        let payload: Vec<u8> = (0..length).map(|byte| (byte * 11 + 5) as u8).collect();
        let request = net.request(4000).ip(another(net, sender), net.vip().ip()).payload(&payload);
        steps.push(tell(&request, DropNoServer, port_unreachable(net)));
    }
    let options: &[u8] = if net.six { &[0, protocol::UDP, 0, 1, 4, 0, 0, 0, 0] } else { &[1; 40] };
    steps.push(tell(&net.request(4000).options(options), DropNoServer, port_unreachable(net)));
    let Step::Send(mut padded, message) = tell(&net.request(4000), DropNoServer, port_unreachable(net)) else {
        return case(net, "quotations", steps);
    };
    padded.bytes.extend([0; 9]);
    steps.push(Step::Send(padded, message));
    case(net, "quotations", steps)
}

/// Senders that are nobody, or many, or this host.
fn nobody_is_told(net: Net) -> Case {
    let senders: Vec<IpAddr> = if net.six {
        ["::", "::1", "ff02::1", "ff0e::5"].iter().filter_map(|text| text.parse().ok()).collect()
    } else {
        [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [239, 1, 2, 3], [255, 255, 255, 255]].map(IpAddr::from).into()
    };
    let mut steps = std::vec![Step::Change(nobody_serves)];
    for sender in senders {
        steps.push(refuse(&net.request(4000).syn().ip(sender, net.vip().ip()), DropNoServer));
    }
    steps.push(tell(&net.request(4000).syn(), DropNoServer, port_unreachable(net)));
    case(net, "nobody is told", steps)
}

/// Six messages at once to one receiver; another still gets his. Too big is another matter.
fn not_too_often(net: Net) -> Case {
    let request = || first(net, net.request(4000));
    let mut steps = std::vec![Step::Change(nobody_serves)];
    steps.extend((0..6).map(|_| tell(&request(), DropNoServer, port_unreachable(net))));
    steps.extend((0..3).map(|_| refuse(&request(), DropNoServer)));
    steps.push(tell(&request().ip(another(net, 9), net.vip().ip()), DropNoServer, port_unreachable(net)));
    steps.push(Step::Change(|world| {
        world.tables.loads.iter().skip(1).take(3).for_each(|load| load.weight.set(1));
        world.tables.servers.iter().for_each(|server| server.mtu.set(MTU));
    }));
    steps.push(open(net, 3, 4000));
    let large = filled(net, net.request(4000), MTU + 1).fragment(DF);
    steps.extend((0..20).map(|_| tell(&large, DropTooBig, too_big(net))));
    case(net, "not too often", steps)
}
