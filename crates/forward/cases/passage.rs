//! Health checks on the way of a service's clients.

use super::net::Net;
use super::{Case, Expect, Step};
use crate::abi::{Envelope, Method};
use crate::host::packet::DIRECTOR_MAC;
use crate::host::world::{DIRECTOR4, DIRECTOR6, hop};
use crate::host::{PacketBuilder, SliceFrame, World, packet};
use crate::{Action, Counter};
use core::net::{IpAddr, SocketAddr};
use std::boxed::Box;
use std::vec::Vec;
use wire::protocol;

/// Port of a check.
const PORT: u16 = 40_000;
/// Id of the server that is checked.
const SERVER: u32 = 1;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in Net::all().into_iter().filter(|net| !net.is_nat()) {
        let steps = there_and_back(net).into_iter().chain(others(net)).collect();
        let world = move || {
            let mut world = net.world(2);
            let tunnel = (net.method == Method::Tunnel).then_some(Envelope::Ipip);
            world.open_passage(net.protocol, check(net), net.server(SERVER), net.vip().ip(), tunnel);
            world
        };
        cases.push(Case { name: format!("{} a check as a client", net.name()), world: Box::new(world), steps });
    }
    cases
}

/// The check's own end.
fn check(net: Net) -> SocketAddr {
    let address: IpAddr = if net.six { DIRECTOR6.into() } else { DIRECTOR4.into() };
    SocketAddr::new(address, PORT)
}

fn between(net: Net, from: SocketAddr, to: SocketAddr) -> PacketBuilder {
    let begun = packet().ip(from.ip(), to.ip()).payload(b"check");
    if net.protocol == protocol::TCP { begun.tcp(from.port(), to.port()) } else { begun.udp(from.port(), to.port()) }
}

fn out(packet: PacketBuilder) -> PacketBuilder {
    packet.ethernet(DIRECTOR_MAC, hop(SERVER, 1).destination)
}

fn back(packet: PacketBuilder) -> PacketBuilder {
    packet.ethernet(hop(SERVER, 1).destination, DIRECTOR_MAC)
}

fn passes(frame: SliceFrame, becomes: &PacketBuilder) -> Step {
    let bytes = becomes.build().bytes;
    Step::Pass(frame, Expect { action: Action::Pass, counter: Counter::PassNotOurs, interface: 0, bytes })
}

fn there_and_back(net: Net) -> Vec<Step> {
    let (own, server, vip) = (check(net), net.server(SERVER), net.vip());
    let leaves = |packet: PacketBuilder| match net.method {
        Method::Tunnel => net.on_the_way(SERVER, packet.hops(63)),
        _ => packet,
    };
    let request = out(between(net, own, server));
    let asked = out(between(net, own, vip));
    let (answer, shown) = (back(between(net, vip, own)), back(between(net, server, own)));
    let mut steps = std::vec![passes(request.own(), &leaves(asked)), passes(answer.build(), &shown)];
    if net.is_tcp() {
        let syn = (out(between(net, own, server).syn()), out(between(net, own, vip).syn()));
        steps.insert(0, passes(syn.0.own(), &leaves(syn.1)));
    }
    steps
}

/// Packets of others, and of the same check to and from others, stay as they are; those of a check that is long over, too.
fn others(net: Net) -> Vec<Step> {
    let (own, server, vip) = (check(net), net.server(SERVER), net.vip());
    let at = |end: SocketAddr, port| SocketAddr::new(end.ip(), port);
    let same = |packet: PacketBuilder, outward: bool| {
        let frame = if outward { packet.own() } else { packet.build() };
        passes(frame, &packet)
    };
    let mut steps = std::vec![
        same(out(between(net, at(own, PORT + 1), server)), true),
        same(out(between(net, own, at(server, 81))), true),
        same(out(between(net, own, net.server(2))), true),
        same(back(between(net, at(vip, 81), own)), false),
        same(back(between(net, vip, at(own, PORT + 1))), false),
        same(back(between(net, server, own)), false),
        Step::Change(|world: &mut World| {
            let tables = &world.tables;
            let passages = tables.passages4().map(|(_, it)| it).chain(tables.passages6().map(|(_, it)| it));
            passages.for_each(|passage| passage.until.set(1));
        }),
    ];
    steps.extend([same(out(between(net, own, server)), true), same(back(between(net, vip, own)), false)]);
    steps
}
