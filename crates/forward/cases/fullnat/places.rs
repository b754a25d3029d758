//! Local addresses and ports: who gets which, and when one may have it again.

use super::{ALL, Flow, LOCAL, TCP4, TCP6, UDP4, UDP6, address_option, case, flow, load, port_unreachable};
use crate::Counter::{DropNoLocalPort, ForwardIn, ForwardOut, PassNoFlow, PassNotSchedulable};
use crate::cases::net::{Net, SERVER_SIDE};
use crate::cases::{Case, Step, forward, refuse, tell};
use std::boxed::Box;
use std::vec::Vec;
use wire::TcpFlags;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in ALL {
        cases.extend([places_run_out(net), no_places(net), later_ranges(net)]);
    }
    for net in [TCP4, TCP6] {
        cases.extend([closed_ones_give_way(net), reopened(net)]);
    }
    for net in [UDP4, UDP6] {
        cases.push(expired_ones_give_way(net));
    }
    cases
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
        refuse(&old.reply(), PassNoFlow),
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
