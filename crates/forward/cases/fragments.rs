//! Datagrams in pieces: the first decides, the others follow, in both directions.

use super::net::{Net, SERVER_SIDE};
use super::tunnel::Way;
use super::{Case, Step, forward, refuse, tell};
use crate::Counter::{
    DropFragment, DropMalformed, DropNoServer, DropTimeToLive, DropTooBig, ForwardIn, ForwardOut, HoldFragment,
    PassIcmp, PassLaterFragment, PassNoService, PassProtocol,
};
use crate::abi::Method;
use crate::host::PacketBuilder;
use crate::host::packet::packet;
use std::boxed::Box;
use std::string::String;
use std::vec::Vec;
use wire::protocol;

use super::answers::port_unreachable;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(Way::all().into_iter().filter(|way| !way.net.is_tcp()).map(by_tunnel));
    for net in Net::all().into_iter().filter(|net| !net.is_tcp()) {
        cases.extend([conversation(net), in_vlans(net), unknown(net), refused(net), hops(net), large(net)]);
        cases.push(mixed_datagrams(net));
    }
    for six in [false, true] {
        cases.extend(
            [Method::Nat, Method::DirectRouting, Method::Tunnel]
                .map(|method| tcp(Net { six, method, protocol: protocol::TCP })),
        );
        cases.push(others(Net { six, method: Method::Nat, protocol: protocol::UDP }));
    }
    cases
}

fn case(net: Net, name: &str, steps: Vec<Step>) -> Case {
    let name: String = format!("fragments, {}: {name}", net.name());
    Case { name, world: Box::new(move || net.world(3)), steps }
}

/// The piece of a datagram that begins at `offset`; 800 bytes and more follow unless it is the last one.
pub(super) fn piece(packet: PacketBuilder, net: Net, identification: u16, offset: u16, last: bool) -> PacketBuilder {
    let filling = [offset as u8; 800];
    let more = !last as u16;
    // A later piece has no transport header: what stands in its place is payload.
    let packet =
        if offset == 0 { packet.payload(&filling[8..]) } else { packet.protocol(net.protocol).payload(&filling) };
    if !net.six {
        return packet.identification(identification).fragment((more << 13) | (offset / 8));
    }
    let [high, low] = (offset | more).to_be_bytes();
    let [first, second] = identification.to_be_bytes();
    packet.options(&[44, net.protocol, 0, high, low, 0, 0, first, second])
}

/// Three pieces, then the answer in three: each goes the way of its first.
fn conversation(net: Net) -> Case {
    let mut steps = Vec::new();
    for (offset, last) in [(0, false), (800, false), (1600, true)] {
        let (request, arrives) = (net.request(4000), net.at_server(3, 4000));
        let [request, arrives] = [request, arrives].map(|packet| piece(packet, net, 7, offset, last));
        steps.push(forward(&request, ForwardIn, SERVER_SIDE, &arrives));
    }
    steps.push(Step::Load(3, 0, 1));
    if net.is_nat() {
        for (offset, last) in [(0, false), (1600, true), (800, false)] {
            let [reply, arrives] =
                [net.reply(3, 4000), net.at_client(4000)].map(|packet| piece(packet, net, 9, offset, last));
            steps.push(forward(&reply, ForwardOut, 1, &arrives));
        }
    }
    case(net, "conversation", steps)
}

/// The same from a VLAN.
fn in_vlans(net: Net) -> Case {
    let pieces = [(0, false), (800, true)].map(|(offset, last)| {
        let [request, arrives] =
            [net.request(4000).tag(100), net.at_server(3, 4000)].map(|packet| piece(packet, net, 7, offset, last));
        forward(&request, ForwardIn, SERVER_SIDE, &arrives)
    });
    case(net, "from a VLAN", pieces.into())
}

/// Two datagrams of two flows at a time, told apart by their identification; then one that takes up an old one.
fn mixed_datagrams(net: Net) -> Case {
    let to = |port: u16, server, identification, offset, last| {
        let [request, arrives] =
            [net.request(port), net.at_server(server, port)].map(|it| piece(it, net, identification, offset, last));
        forward(&request, ForwardIn, SERVER_SIDE, &arrives)
    };
    let mut steps = std::vec![to(4000, 3, 1, 0, false), to(4001, 2, 2, 0, false)];
    steps.extend([to(4000, 3, 1, 800, true), to(4001, 2, 2, 800, true)]);
    steps.extend([to(4001, 2, 1, 0, false), to(4001, 2, 1, 800, true)]);
    // Forgotten when nobody waits for the rest any more.
    steps.push(Step::Wait(32));
    steps.push(refuse(&piece(net.request(4000), net, 1, 800, true), HoldFragment));
    case(net, "mixed datagrams", steps)
}

/// Pieces whose first was not seen.
fn unknown(net: Net) -> Case {
    let later = |identification| piece(net.request(4000), net, identification, 800, true);
    let first = piece(net.request(4000), net, 1, 0, false);
    let steps = std::vec![
        refuse(&later(1), HoldFragment),
        forward(&first, ForwardIn, SERVER_SIDE, &piece(net.at_server(3, 4000), net, 1, 0, false)),
        refuse(&later(2), HoldFragment),
        forward(&later(1), ForwardIn, SERVER_SIDE, &piece(net.at_server(3, 4000), net, 1, 800, true)),
    ];
    case(net, "unknown", steps)
}

/// What the first one met, the others meet: no service, no server.
fn refused(net: Net) -> Case {
    let elsewhere = || net.request(4000).udp(4000, 9999);
    let steps = std::vec![
        refuse(&piece(elsewhere(), net, 1, 0, false), PassNoService),
        refuse(&piece(elsewhere(), net, 1, 800, true), PassLaterFragment),
        Step::Change(|world| world.tables.loads.iter().for_each(|load| load.weight.set(0))),
        tell(&piece(net.request(4000), net, 2, 0, false), DropNoServer, port_unreachable(net)),
        refuse(&piece(net.request(4000), net, 2, 800, true), DropFragment),
    ];
    case(net, "refused", steps)
}

/// Each kind of tunnel, in all combinations of families: every fragment in a packet of its own, none with a checksum.
fn by_tunnel(way: Way) -> Case {
    let mut steps = Vec::new();
    for (number, offset, last) in [(1, 0, false), (1, 800, false), (2, 0, false), (1, 1600, true), (2, 800, true)] {
        let piece = piece(way.net.request(4000), way.net, number, offset, last);
        steps.push(forward(&piece, ForwardIn, SERVER_SIDE, &way.leaves(3, piece.clone(), false)));
    }
    way.case("fragments", steps)
}

/// A later piece with its last hop is dropped, and nobody is told.
fn hops(net: Net) -> Case {
    let steps = std::vec![
        forward(
            &piece(net.request(4000), net, 1, 0, false),
            ForwardIn,
            SERVER_SIDE,
            &piece(net.at_server(3, 4000), net, 1, 0, false)
        ),
        refuse(&piece(net.request(4000), net, 1, 800, true).hops(1), DropTimeToLive),
    ];
    case(net, "hops", steps)
}

/// A later piece that does not fit.
fn large(net: Net) -> Case {
    let steps = std::vec![
        Step::Change(|world| world.tables.servers.iter().for_each(|server| server.mtu.set(900))),
        forward(
            &piece(net.request(4000), net, 1, 0, false),
            ForwardIn,
            SERVER_SIDE,
            &piece(net.at_server(3, 4000), net, 1, 0, false)
        ),
        refuse(&piece(net.request(4000), net, 1, 800, true).payload(&[1; 1000]), DropTooBig),
    ];
    case(net, "large", steps)
}

/// A segment in pieces; a second transport header over the first one is none.
fn tcp(net: Net) -> Case {
    let first = |packet: PacketBuilder| piece(packet.syn(), net, 1, 0, false);
    let steps = std::vec![
        forward(&first(net.request(4000)), ForwardIn, SERVER_SIDE, &first(net.at_server(3, 4000))),
        forward(
            &piece(net.request(4000), net, 1, 816, true),
            ForwardIn,
            SERVER_SIDE,
            &piece(net.at_server(3, 4000), net, 1, 816, true)
        ),
        refuse(&piece(net.request(4000), net, 1, 8, true), DropMalformed),
    ];
    case(net, "TCP", steps)
}

/// Pieces of what is not balanced, and one that reaches beyond the longest datagram.
fn others(net: Net) -> Case {
    let later = |number: u8, offset| {
        let other = Net { protocol: number, ..net };
        piece(packet().ip(net.client(), net.vip().ip()), other, 3, offset, true)
    };
    let icmp = if net.six { protocol::ICMPV6 } else { protocol::ICMP };
    let steps = std::vec![
        refuse(&later(icmp, 800), PassIcmp),
        refuse(&later(132, 800), PassProtocol),
        refuse(&later(protocol::UDP, 65_528), DropMalformed),
    ];
    case(net, "others", steps)
}
