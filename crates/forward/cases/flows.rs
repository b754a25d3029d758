//! The plain life of flows: every family, method and protocol, out and back.

use super::net::{Net, SERVER_SIDE};
use super::{Case, Step, forward, refuse};
use crate::Counter::{ForwardIn, ForwardOut, PassNotSchedulable};
use crate::host::PacketBuilder;
use std::boxed::Box;
use std::vec::Vec;
use wire::TcpFlags;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in Net::all() {
        cases.push(conversation(net));
        cases.push(other_clients(net));
        cases.push(sizes(net));
        if net.is_nat() {
            cases.push(way_back_is_learnt(net));
        }
        if net.is_tcp() {
            cases.push(no_syn(net));
        }
    }
    cases
}

/// The first packet of a flow: a SYN, where there are SYNs.
fn first(net: Net, packet: PacketBuilder) -> PacketBuilder {
    if net.is_tcp() { packet.syn() } else { packet }
}

/// Request, replies, more requests: one server serves them all.
fn conversation(net: Net) -> Case {
    let mut steps =
        std::vec![forward(&first(net, net.request(4000)), ForwardIn, SERVER_SIDE, &first(net, net.at_server(3, 4000)))];
    if net.is_nat() {
        let answer = TcpFlags::SYN | TcpFlags::ACK;
        steps.push(forward(&net.reply(3, 4000).flags(answer), ForwardOut, 1, &net.at_client(4000).flags(answer)));
    }
    for _ in 0..3 {
        steps.push(forward(&net.request(4000), ForwardIn, SERVER_SIDE, &net.at_server(3, 4000)));
        if net.is_nat() {
            steps.push(forward(&net.reply(3, 4000), ForwardOut, 1, &net.at_client(4000)));
        }
    }
    steps.push(Step::Entries(if net.is_nat() { 2 } else { 1 }));
    steps.push(if net.is_tcp() { Step::Load(3, 1, 0) } else { Step::Load(3, 0, 1) });
    Case { name: format!("{} conversation", net.name()), world: Box::new(move || net.world(3)), steps }
}

/// rr over three servers, newest first, by client port.
fn other_clients(net: Net) -> Case {
    let served = [3, 2, 1, 3, 2, 1];
    let steps = served
        .into_iter()
        .zip(5000..)
        .map(|(id, port)| {
            let (request, arrives) = (first(net, net.request(port)), first(net, net.at_server(id, port)));
            forward(&request, ForwardIn, SERVER_SIDE, &arrives)
        })
        .collect();
    Case { name: format!("{} six clients", net.name()), world: Box::new(move || net.world(3)), steps }
}

/// Payloads of odd and even length, empty and full-sized, with valid checksums out.
fn sizes(net: Net) -> Case {
    let mut steps =
        std::vec![forward(&first(net, net.request(4000)), ForwardIn, SERVER_SIDE, &first(net, net.at_server(1, 4000)))];
    for length in [0, 1, 2, 3, 17, 512, 1399, 1400, 8940] {
        let payload: Vec<u8> = (0..length).map(|byte| (byte * 7 + 13) as u8).collect();
        steps.push(forward(
            &net.request(4000).payload(&payload),
            ForwardIn,
            SERVER_SIDE,
            &net.at_server(1, 4000).payload(&payload),
        ));
    }
    Case { name: format!("{} sizes", net.name()), world: Box::new(move || net.world(1)), steps }
}

/// The client's router changes: replies follow its frames within about a second.
fn way_back_is_learnt(net: Net) -> Case {
    let other = wire::MacAddress([2, 0, 0, 0, 9, 9]);
    let ours = crate::host::packet::DIRECTOR_MAC;
    let steps = std::vec![
        forward(&first(net, net.request(4000)), ForwardIn, SERVER_SIDE, &first(net, net.at_server(3, 4000))),
        forward(&net.reply(3, 4000), ForwardOut, 1, &net.at_client(4000)),
        Step::Wait(2),
        forward(&net.request(4000).ethernet(other, ours), ForwardIn, SERVER_SIDE, &net.at_server(3, 4000)),
        forward(&net.reply(3, 4000), ForwardOut, 1, &net.at_client(4000).ethernet(ours, other)),
    ];
    Case { name: format!("{} way back is learnt", net.name()), world: Box::new(move || net.world(3)), steps }
}

/// A segment without SYN begins nothing: it is passed, as IPVS does.
fn no_syn(net: Net) -> Case {
    let steps = std::vec![
        refuse(&net.request(4000), PassNotSchedulable),
        refuse(&net.request(4000).flags(TcpFlags::FIN | TcpFlags::ACK), PassNotSchedulable),
        refuse(&net.request(4000).flags(TcpFlags::RST), PassNotSchedulable),
        refuse(&net.request(4000).flags(TcpFlags::SYN | TcpFlags::RST), PassNotSchedulable),
        refuse(&net.request(4000).flags(0), PassNotSchedulable),
        Step::Entries(0),
    ];
    Case { name: format!("{} no syn", net.name()), world: Box::new(move || net.world(3)), steps }
}
