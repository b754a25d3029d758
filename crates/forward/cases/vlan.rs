//! Frames with a tag: on the client's side, on the servers', on both, of one VLAN or two.

use super::answers::port_unreachable;
use super::net::{Net, SERVER_SIDE};
use super::{Case, Expect, Step, forward, refuse, tell};
use crate::Counter::{
    DropNoServer, DropTimeToLive, ForwardIcmpIn, ForwardIn, ForwardOut, PassIcmp, PassNotOurs, PassOtherReceiver,
};
use crate::abi::{Method, NextHop};
use crate::host::packet::{CLIENT_MAC, packet};
use crate::host::world::hop;
use crate::host::{PacketBuilder, World};
use std::boxed::Box;
use std::string::String;
use std::vec::Vec;
use wire::{Icmp, MacAddress, protocol};

const NAT4: Net = Net { six: false, method: Method::Nat, protocol: protocol::TCP };
const NAT6: Net = Net { six: true, method: Method::Nat, protocol: protocol::TCP };

/// Which VLAN clients and servers are in; 0 is none.
#[derive(Clone, Copy)]
struct Sides {
    client: u16,
    server: u16,
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in Net::all() {
        for (client, server) in [(100, 100), (100, 200), (100, 0), (0, 200), (4095, 1)] {
            cases.push(conversation(net, Sides { client, server }));
        }
    }
    cases.extend([NAT4, NAT6].map(errors));
    cases.extend([NAT4, NAT6].map(strangers));
    cases
}

fn world(net: Net, sides: Sides) -> World {
    let world = net.world(3);
    for id in 1..=3 {
        let through = NextHop::through(SERVER_SIDE, sides.server);
        world.tables.servers[id as usize].hop.set(NextHop { interface: through, ..hop(id, SERVER_SIDE) });
    }
    world
}

fn case(net: Net, sides: Sides, name: &str, steps: Vec<Step>) -> Case {
    let name: String = format!("VLAN {} to {}: {} {name}", sides.client, sides.server, net.name());
    Case { name, world: Box::new(move || world(net, sides)), steps }
}

fn in_vlan(packet: PacketBuilder, vlan: u16) -> PacketBuilder {
    if vlan == 0 { packet } else { packet.tag(vlan) }
}

/// The first packet, more of them, and the replies: each side sees its own tag.
fn conversation(net: Net, sides: Sides) -> Case {
    let first = |packet: PacketBuilder| if net.is_tcp() { packet.syn() } else { packet };
    let request = || in_vlan(net.request(4000), sides.client);
    let arrives = || in_vlan(net.at_server(3, 4000), sides.server);
    let mut steps = std::vec![forward(&first(request()), ForwardIn, SERVER_SIDE, &first(arrives()))];
    for _ in 0..2 {
        if net.is_nat() {
            let reply = in_vlan(net.reply(3, 4000), sides.server);
            steps.push(forward(&reply, ForwardOut, 1, &in_vlan(net.at_client(4000), sides.client)));
        }
        steps.push(forward(&request(), ForwardIn, SERVER_SIDE, &arrives()));
    }
    case(net, sides, "conversation", steps)
}

/// Errors of others and our own, with priority bits, which stay where a tag stays.
fn errors(net: Net) -> Case {
    let sides = Sides { client: 100, server: 200 };
    let (tag, exceeded) = (0x6000 | 100, if net.six { Icmp::TIME_EXCEEDED6 } else { Icmp::TIME_EXCEEDED });
    let (first, arrives) = (net.request(4000).syn().tag(tag), net.at_server(3, 4000).syn().tag(0x6000 | 200));
    let about = |to, quoted: &PacketBuilder| packet().ip(net.client(), to).icmp(exceeded, 0, 0).quote(quoted, 1000);
    let next = hop(3, SERVER_SIDE);
    let told = about(net.vip().ip(), &net.at_client(4000)).tag(tag);
    let at_server = about(net.server(3).ip(), &net.reply(3, 4000).hops(63)).tag(0x6000 | 200).hops(63);
    let steps = std::vec![
        forward(&first, ForwardIn, SERVER_SIDE, &arrives),
        forward(&told, ForwardIcmpIn, SERVER_SIDE, &at_server.ethernet(next.source, next.destination)),
        tell(&first.clone().hops(1), DropTimeToLive, (exceeded, 0, 0)),
        Step::Change(|world| world.tables.loads.iter().for_each(|load| load.weight.set(0))),
        tell(&net.request(4001).syn().tag(tag), DropNoServer, port_unreachable(net)),
    ];
    case(net, sides, "errors", steps)
}

/// Tags around what is not ours, two tags, a tag that announces nothing.
fn strangers(net: Net) -> Case {
    let sides = Sides { client: 100, server: 200 };
    let whole = net.request(4000).syn().tag(100).build();
    let mut steps = std::vec![
        refuse(&net.request(4000).syn().ip(net.client(), net.client()).tag(100), PassNotOurs),
        refuse(
            &net.request(4000).syn().ethernet(CLIENT_MAC, MacAddress([2, 0, 0, 0, 0, 3])).tag(100),
            PassOtherReceiver
        ),
        refuse(&packet().ip(net.client(), net.vip().ip()).icmp(if net.six { 128 } else { 8 }, 0, 1).tag(100), PassIcmp),
    ];
    for ether_type in [[0x81, 0x00], [0x88, 0xa8], [0x08, 0x06]] {
        let mut frame = whole.clone();
        frame.bytes[16..18].copy_from_slice(&ether_type);
        let expect = Expect::unchanged(&frame, PassNotOurs);
        steps.push(Step::Send(frame, expect));
    }
    case(net, sides, "strangers", steps)
}
