//! What servers are told of their clients, and what clients claim themselves.

use super::{Flow, LOCAL, TCP4, TCP6, UDP4, UDP6, address_option, case, flow, load};
use crate::Counter::{ForwardIn, ForwardOut};
use crate::abi::Settings;
use crate::cases::net::{Net, SERVER_SIDE};
use crate::cases::{Case, Step, forward};
use crate::host::PacketBuilder;
use core::net::IpAddr;
use std::boxed::Box;
use std::vec::Vec;
use wire::TcpFlags;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in [TCP4, TCP6] {
        cases.extend([claims(net), room(net)]);
    }
    for net in [UDP4, UDP6] {
        cases.extend([datagrams(net), claims_of_datagrams(net), room_in_datagrams(net), tagged_datagrams(net)]);
    }
    cases
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

/// A world in which datagrams tell.
fn telling(net: Net, name: &str, steps: Vec<Step>) -> Case {
    let make = move || {
        let world = super::world(net, 1, 100);
        world.tables.settings.flags.set(Settings::UOA);
        world
    };
    Case { world: Box::new(make), ..case(net, name, 1, 100, steps) }
}

/// The option of IP that tells a server the client's address and port; in IPv6 its header, and the
/// number of that before it.
fn option_of_ip(net: Net, port: u16) -> Vec<u8> {
    match net.client() {
        IpAddr::V4(address) => [&[31, 8][..], &port.to_be_bytes(), &address.octets()].concat(),
        IpAddr::V6(address) => [&[60, 17, 2, 0x1e, 0x12][..], &port.to_be_bytes(), &address.octets(), &[1, 0]].concat(),
    }
}

/// The datagram at the server, with the client's address in it.
fn named(flow: &Flow) -> PacketBuilder {
    flow.at_server().options(&option_of_ip(flow.net, flow.client))
}

fn tells(flow: &Flow) -> Step {
    forward(&flow.request(), ForwardIn, SERVER_SIDE, &named(flow))
}

fn tells_nothing(flow: &Flow) -> Step {
    forward(&flow.request(), ForwardIn, SERVER_SIDE, &flow.at_server())
}

/// The first three of a flow, and one every three seconds; and all that again when it begins anew.
fn datagrams(net: Net) -> Case {
    let (first, again) = (flow(net, 4000, 1, LOCAL), flow(net, 4000, 1, LOCAL + 1));
    let steps = std::vec![
        tells(&first),
        first.answered(),
        tells(&first),
        tells(&first),
        tells_nothing(&first),
        Step::Wait(2),
        tells_nothing(&first),
        Step::Wait(2),
        tells(&first),
        tells_nothing(&first),
        first.answered(),
        forward(&first.request().payload(b""), ForwardIn, SERVER_SIDE, &first.at_server().payload(b"")),
        Step::Wait(200),
        Step::Change(|world| world.tables.settings.flags.set(0)),
        tells_nothing(&first),
        Step::Change(|world| world.tables.settings.flags.set(Settings::UOA)),
        tells(&first),
        Step::Wait(302),
        tells(&again),
        tells(&again),
        tells(&again),
        tells_nothing(&again),
        again.answered(),
        load(net, 1, 1),
    ];
    telling(net, "datagrams tell", steps)
}

/// What stands where the option would stand is no claim any more, told or not. Elsewhere it is none.
fn claims_of_datagrams(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let own = option_of_ip(net, 4000);
    let (claim, blanked, elsewhere) = if net.six {
        let claim = [&[60, 17, 2, 0x1e, 0x12, 0, 80][..], &[9; 16], &[1, 0]].concat();
        let blanked = [&[60, 17, 2, 1, 0x12, 0, 80][..], &[9; 16], &[1, 0]].concat();
        (claim, blanked, std::vec![60, 17, 0, 1, 0, 0x1e, 2, 0, 80])
    } else {
        let claim = [31, 8, 0, 80, 10, 9, 9, 9, 1, 1, 1, 0].to_vec();
        let elsewhere = [1, 1, 1, 1, 31, 8, 0, 80, 10, 9, 9, 9].to_vec();
        (claim, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0].to_vec(), elsewhere)
    };
    // In front of extension headers there is no room for the real one.
    let behind = |rest: &[u8]| if net.six { rest.to_vec() } else { [&own[..], rest].concat() };
    let arrives = |options: &[u8]| flow.at_server().options(options);
    let send = |options: &[u8], arrives: &PacketBuilder| {
        forward(&flow.request().options(options), ForwardIn, SERVER_SIDE, arrives)
    };
    let mut steps = std::vec![
        send(&claim, &arrives(&behind(&blanked))),
        send(&elsewhere, &arrives(&behind(&elsewhere))),
        tells(&flow),
    ];
    if net.six {
        steps.extend([tells(&flow), tells(&flow)]);
    }
    steps.extend([
        send(&claim, &arrives(&blanked)),
        send(&elsewhere, &arrives(&elsewhere)),
        tells_nothing(&flow),
        Step::Change(|world| world.tables.settings.flags.set(0)),
        send(&claim, &arrives(&claim)),
    ]);
    telling(net, "claims of datagrams", steps)
}

/// Up to the largest packet that gets there, and up to the longest header.
fn room_in_datagrams(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let (headers, option) = if net.six { (48, 24) } else { (28, 8) };
    let (fits, full) = (std::vec![5; 1500 - headers - option], std::vec![5; 1501 - headers - option]);
    let sized = |payload: &[u8], arrives: PacketBuilder| {
        forward(&flow.request().payload(payload), ForwardIn, SERVER_SIDE, &arrives.payload(payload))
    };
    let mut steps = std::vec![sized(&full, flow.at_server()), sized(&fits, named(&flow))];
    steps.push(Step::Change(|world| world.tables.servers[1].mtu.set(1000)));
    steps.push(sized(&fits[..1000 - headers - option], named(&flow)));
    steps.push(sized(&full[..1001 - headers - option], flow.at_server()));
    if !net.six {
        let own = option_of_ip(net, 4000);
        let with = |length: usize, arrives: PacketBuilder| {
            forward(&flow.request().options(&std::vec![1; length]), ForwardIn, SERVER_SIDE, &arrives)
        };
        steps.push(with(36, flow.at_server().options(&[1; 36])));
        steps.push(with(32, flow.at_server().options(&[&own[..], &[1; 32]].concat())));
    }
    telling(net, "room in datagrams", steps)
}

/// A client in a VLAN.
fn tagged_datagrams(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let steps = std::vec![
        forward(&flow.request().tag(7), ForwardIn, SERVER_SIDE, &named(&flow)),
        forward(&flow.reply(), ForwardOut, 1, &flow.at_client().tag(7)),
        tells(&flow),
    ];
    let case = telling(net, "", steps);
    Case { name: format!("VLAN {} tagged datagrams tell", net.name()), ..case }
}
