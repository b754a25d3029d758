//! This host as a server of its own, and as a client of its own.

use super::net::{Net, SERVER_SIDE};
use super::{Case, Expect, Step, forward};
use crate::Action;
use crate::Counter::{DropNoServer, ForwardIn, ForwardOut, PassLocalServer, PassNoFlow, PassNoService};
use crate::abi::{Method, SchedulerKind};
use crate::host::packet::{CLIENT_MAC, DIRECTOR_MAC, packet};
use crate::host::world::hop;
use crate::host::{PacketBuilder, ServerSpec, SliceFrame, World};
use core::net::{IpAddr, SocketAddr};
use std::boxed::Box;
use std::vec::Vec;
use wire::{MacAddress, protocol};

/// What the loopback interface puts where link-layer addresses stand.
const NOBODY: MacAddress = MacAddress([0; 6]);
/// A port of a client.
const PORT: u16 = 4000;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in Net::all().into_iter().filter(Net::is_nat) {
        cases.push(case(net, "a server on this host", 0, local_server(net)));
        cases.push(case(net, "a client on this host", SERVER_SIDE, local_client(net)));
        cases.push(case(net, "client and server on this host", 0, local_both(net)));
        cases.push(case(net, "strangers on this host", SERVER_SIDE, strangers(net)));
    }
    cases
}

/// One service with one server by NAT, reached by this interface.
fn case(net: Net, name: &str, interface: u32, steps: Vec<Step>) -> Case {
    let world = move || {
        let mut world = World::new(100);
        let spec = ServerSpec { endpoint: net.server(1), method: Method::Nat, weight: 1, interface };
        world.service(net.protocol, net.vip(), SchedulerKind::RoundRobin, &[spec], &[]);
        world
    };
    Case { name: format!("{} {name}", net.name()), world: Box::new(world), steps }
}

/// A packet between two endpoints, on the way through this host's own stack: it keeps its hops.
fn between(net: Net, from: SocketAddr, to: SocketAddr, macs: (MacAddress, MacAddress)) -> PacketBuilder {
    let begun = packet().ip(from.ip(), to.ip()).payload(b"own").ethernet(macs.0, macs.1);
    if net.protocol == protocol::TCP { begun.tcp(from.port(), to.port()) } else { begun.udp(from.port(), to.port()) }
}

fn passed(frame: SliceFrame, counter: crate::Counter, as_this: &PacketBuilder) -> Step {
    Step::Send(frame, Expect { action: Action::Pass, counter, interface: 0, bytes: as_this.build().bytes })
}

fn client(net: Net) -> SocketAddr {
    SocketAddr::new(net.client(), PORT)
}

/// A client of this host: from the virtual address, as the stack chooses it.
fn own_client(net: Net) -> SocketAddr {
    SocketAddr::new(net.vip().ip(), PORT)
}

fn local_server(net: Net) -> Vec<Step> {
    let (vip, server, client) = (net.vip(), net.server(1), client(net));
    let (inward, outward) = ((CLIENT_MAC, DIRECTOR_MAC), (DIRECTOR_MAC, CLIENT_MAC));
    let asked = |packet: PacketBuilder| if net.is_tcp() { packet.syn() } else { packet };
    let request = asked(between(net, client, vip, inward));
    let delivered = asked(between(net, client, server, inward));
    let answer = between(net, server, client, outward);
    let seen = between(net, vip, client, outward);
    let last = asked(between(net, client, vip, inward).hops(1));
    let last_delivered = asked(between(net, client, server, inward).hops(1));
    std::vec![
        passed(request.build(), PassLocalServer, &delivered),
        passed(answer.own(), ForwardOut, &seen),
        passed(last.build(), PassLocalServer, &last_delivered),
        passed(answer.own(), ForwardOut, &seen),
        Step::Entries(2),
    ]
}

fn local_client(net: Net) -> Vec<Step> {
    let (vip, server, client) = (net.vip(), net.server(1), own_client(net));
    let there = hop(1, SERVER_SIDE);
    let asked = |packet: PacketBuilder| if net.is_tcp() { packet.syn() } else { packet };
    let request = asked(between(net, client, vip, (NOBODY, NOBODY)));
    let leaves = asked(between(net, client, server, (there.source, there.destination)).hops(63));
    let answer = between(net, server, client, (there.destination, DIRECTOR_MAC));
    let seen = between(net, vip, client, (there.destination, DIRECTOR_MAC));
    let sent = |packet: &PacketBuilder, leaves: &PacketBuilder| {
        let Step::Send(_, expect) = forward(packet, ForwardIn, SERVER_SIDE, leaves) else { unreachable!() };
        Step::Send(packet.own(), expect)
    };
    let more = between(net, client, vip, (NOBODY, NOBODY));
    let more_leaves = between(net, client, server, (there.source, there.destination)).hops(63);
    std::vec![
        sent(&request, &leaves),
        passed(answer.build(), ForwardOut, &seen),
        sent(&more, &more_leaves),
        passed(answer.build(), ForwardOut, &seen),
    ]
}

fn local_both(net: Net) -> Vec<Step> {
    let (vip, server, client) = (net.vip(), net.server(1), own_client(net));
    let asked = |packet: PacketBuilder| if net.is_tcp() { packet.syn() } else { packet };
    let on_lo = |from, to| between(net, from, to, (NOBODY, NOBODY));
    std::vec![
        passed(asked(on_lo(client, vip)).own(), PassLocalServer, &asked(on_lo(client, server))),
        passed(on_lo(server, client).own(), ForwardOut, &on_lo(vip, client)),
    ]
}

/// What this host sends to a server directly, or says for itself; and nobody is told why nothing serves it.
fn strangers(net: Net) -> Vec<Step> {
    let here = SocketAddr::new(
        if net.six { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 1, 1]) } else { IpAddr::from([10, 0, 1, 1]) },
        PORT,
    );
    let direct = between(net, here, net.server(1), (DIRECTOR_MAC, CLIENT_MAC));
    let other = between(net, net.vip(), client(net), (DIRECTOR_MAC, CLIENT_MAC));
    let request = between(net, own_client(net), net.vip(), (NOBODY, NOBODY));
    let request = if net.is_tcp() { request.syn() } else { request };
    let unchanged =
        |packet: &PacketBuilder, counter| Step::Send(packet.own(), Expect::unchanged(&packet.own(), counter));
    let stranger = if net.is_tcp() { PassNoFlow } else { PassNoService };
    std::vec![
        unchanged(&direct, stranger),
        unchanged(&other, stranger),
        Step::Change(|world| world.tables.servers[1].weight.set(0)),
        Step::Change(|world| world.tables.loads[1].weight.set(0)),
        unchanged(&request, DropNoServer),
    ]
}
