//! What cannot go on, and errors about packets of both sides.

use super::{ALL, Flow, LOCAL, case, flow, local_address};
use crate::Counter::{DropTimeToLive, DropTooBig, ForwardIcmpIn, ForwardIcmpOut, ForwardOut, PassIcmp};
use crate::abi::{Interface, Settings};
use crate::cases::net::{Net, SERVER_SIDE};
use crate::cases::{Case, Step, forward, refuse, tell};
use crate::host::PacketBuilder;
use crate::host::packet::{CLIENT_MAC, DIRECTOR_MAC, packet};
use crate::host::world::hop;
use core::net::IpAddr;
use std::vec::Vec;
use wire::Icmp;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in ALL {
        cases.extend([last_hops(net), too_big(net), errors_about_clients(net), errors_about_servers(net)]);
    }
    cases
}

/// The last hop of a packet: its sender is told, the server by the local address, since the stack here would take the
/// packet for its own.
fn last_hops(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let exceeded = if net.six { Icmp::TIME_EXCEEDED6 } else { Icmp::TIME_EXCEEDED };
    let steps = std::vec![
        flow.open(),
        tell(&flow.request().hops(1), DropTimeToLive, (exceeded, 0, 0)),
        tell(&flow.reply().hops(1), DropTimeToLive, (exceeded, 0, 0)),
        forward(&flow.reply().hops(2), ForwardOut, 1, &flow.at_client().hops(1)),
    ];
    case(net, "last hops", 1, 100, steps)
}

/// Larger than the way on: both are told how much gets there.
fn too_big(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let (kind, code) = if net.six { (Icmp::TOO_BIG6, 0) } else { (Icmp::UNREACHABLE, Icmp::FRAGMENTATION_NEEDED) };
    let large = [7; 1350];
    let steps = std::vec![
        flow.open(),
        Step::Change(|world| {
            world.tables.servers[1].mtu.set(1300);
            let interface = Interface { index: 1, address: DIRECTOR_MAC, mtu: 1320, why: 0 };
            world.tables.set_interface(interface);
        }),
        tell(&flow.request().payload(&large), DropTooBig, (kind, code, 1300)),
        tell(&flow.reply().payload(&large), DropTooBig, (kind, code, 1320)),
        flow.more(),
        flow.answered(),
    ];
    case(net, "too big", 1, 100, steps)
}

fn router(net: Net) -> IpAddr {
    if net.six { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0x77, 1]) } else { IpAddr::from([192, 0, 2, 1]) }
}

fn unreachable(net: Net, message: PacketBuilder) -> PacketBuilder {
    message.icmp(if net.six { Icmp::UNREACHABLE6 } else { Icmp::UNREACHABLE }, 4, 1400)
}

/// How much of the quoted packet is there: ports, a UDP header, a TCP header, all.
fn cuts(net: Net) -> [usize; 4] {
    let header = if net.six { 40 } else { 20 };
    [header + 4, header + 8, header + 20, 1000]
}

/// An error about a client's packet on its way to the server: to the client, from the service, about what it sent.
fn errors_about_clients(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let mut steps = std::vec![flow.open()];
    for cut in cuts(net) {
        let error = unreachable(net, packet().ip(router(net), local_address(net))).quote(&flow.at_server(), cut);
        let told = packet().ip(net.vip().ip(), net.client()).hops(63).ethernet(DIRECTOR_MAC, CLIENT_MAC);
        let told = unreachable(net, told).quote(&flow.request().hops(63), cut);
        steps.push(forward(&error, ForwardIcmpOut, 1, &told));
    }
    let error =
        |quoted: &PacketBuilder| unreachable(net, packet().ip(router(net), local_address(net))).quote(quoted, 100);
    let other = Flow { local: LOCAL + 7, ..flow };
    steps.push(refuse(&error(&other.at_server()), PassIcmp));
    steps.push(refuse(&error(&flow.at_server()).hops(1), DropTimeToLive));
    case(net, "errors about a client's packets", 1, 100, steps)
}

/// An error about a server's packet on its way to the client: to the server, from the local address.
fn errors_about_servers(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let mut steps = std::vec![flow.open()];
    let error =
        |quoted: &PacketBuilder, cut| unreachable(net, packet().ip(router(net), net.vip().ip())).quote(quoted, cut);
    for cut in cuts(net) {
        let hop = hop(1, SERVER_SIDE);
        let told = packet().ip(local_address(net), net.server(1).ip()).hops(63).ethernet(hop.source, hop.destination);
        let told = unreachable(net, told).quote(&flow.reply().hops(63), cut);
        steps.push(forward(&error(&flow.at_client(), cut), ForwardIcmpIn, SERVER_SIDE, &told));
    }
    steps.push(Step::Change(|world| world.tables.settings.flags.set(Settings::SCHEDULE_ICMP)));
    // Nobody knows the local port of a flow that is not known.
    steps.push(refuse(&error(&Flow { client: 4001, ..flow }.at_client(), 100), PassIcmp));
    steps.push(Step::Entries(2));
    steps.push(Step::Wait(1000));
    steps.push(refuse(&error(&flow.at_client(), 100), PassIcmp));
    case(net, "errors about a server's packets", 1, 100, steps)
}
