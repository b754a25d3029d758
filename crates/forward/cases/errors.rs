//! ICMP and ICMPv6 errors about packets of balanced flows, towards the server and towards the client.

use super::net::{Net, SERVER_SIDE};
use super::{Case, Expect, Step, forward, refuse};
use crate::Action;
use crate::Counter::{
    DropServerRemoved, DropTimeToLive, ForwardIcmpIn, ForwardIcmpOut, ForwardIn, PassIcmp, PassLocalServer,
    PassNotOwned, PassOtherReceiver,
};
use crate::abi::{Method, RealServer, Settings};
use crate::host::packet::{CLIENT_MAC, DIRECTOR_MAC, packet};
use crate::host::world::hop;
use crate::host::{PacketBuilder, World};
use core::net::IpAddr;
use std::boxed::Box;
use std::vec::Vec;
use wire::{Icmp, MacAddress, protocol};

const NAT4: Net = Net { six: false, method: Method::Nat, protocol: protocol::TCP };
const NAT6: Net = Net { six: true, method: Method::Nat, protocol: protocol::TCP };
const NAT4_UDP: Net = Net { six: false, method: Method::Nat, protocol: protocol::UDP };
const NAT6_UDP: Net = Net { six: true, method: Method::Nat, protocol: protocol::UDP };

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in Net::all() {
        cases.push(about_servers_packets(net));
        cases.push(servers_that_cannot(net));
        if net.is_nat() {
            cases.push(about_clients_packets(net));
        }
    }
    cases.extend(Net::all().into_iter().map(beginnings));
    cases.extend([NAT4, NAT6].map(kinds));
    cases.extend([NAT4, NAT6].map(strangers));
    cases.extend([NAT4_UDP, NAT6_UDP].map(no_checksum));
    cases.extend([NAT4, NAT6].map(odd_headers));
    cases
}

fn case(net: Net, name: &str, steps: Vec<Step>) -> Case {
    Case { name: format!("{} {name}", net.name()), world: Box::new(move || net.world(3)), steps }
}

fn open(net: Net) -> Step {
    let (request, arrives) = (net.request(4000), net.at_server(3, 4000));
    if net.is_tcp() {
        forward(&request.syn(), ForwardIn, SERVER_SIDE, &arrives.syn())
    } else {
        forward(&request, ForwardIn, SERVER_SIDE, &arrives)
    }
}

/// schedule_icmp: an error about a flow of which nothing is known yet begins it, in state NONE, and what its client
/// sends then goes to the same server. Without the sysctl, and for what is no service's, it is the stack's.
fn beginnings(net: Net) -> Case {
    let service = from_service(net, 4000);
    let error = to_vip(net, &service, 1000);
    let flow = net.request(4000);
    let stranger = to_vip(net, &packet().ip(net.vip().ip(), net.client()).udp(9, 4000).payload(b"reply"), 1000);
    let arrives = to_server(net, &from_server(net, 4000), 1000);
    let steps = std::vec![
        refuse(&error, PassIcmp),
        Step::Entries(0),
        Step::Change(|world| world.tables.settings.flags.set(Settings::SCHEDULE_ICMP)),
        refuse(&stranger, PassIcmp),
        Step::Entries(0),
        forward(&error, ForwardIcmpIn, SERVER_SIDE, &arrives),
        Step::Entries(if net.is_nat() { 2 } else { 1 }),
        Step::Load(3, 0, 1),
        forward(&flow, ForwardIn, SERVER_SIDE, &net.at_server(3, 4000)),
        forward(&error, ForwardIcmpIn, SERVER_SIDE, &arrives),
        Step::Entries(if net.is_nat() { 2 } else { 1 }),
    ];
    case(net, "errors that begin flows", steps)
}

/// Somebody on the way, with an address in no filter.
fn router(net: Net) -> IpAddr {
    if net.six { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0x77, 1]) } else { IpAddr::from([192, 0, 2, 1]) }
}

/// Destination unreachable, time exceeded and the like, with the numbers of the family.
fn unreachable(net: Net, code: u8, rest: u32) -> impl Fn(PacketBuilder) -> PacketBuilder {
    let kind = if net.six { Icmp::UNREACHABLE6 } else { Icmp::UNREACHABLE };
    move |packet| packet.icmp(kind, code, rest)
}

/// What a server's packet looks like behind the director: from the virtual service.
fn from_service(net: Net, port: u16) -> PacketBuilder {
    net.at_client(port)
}

/// What a server's packet looks like to that server.
fn from_server(net: Net, port: u16) -> PacketBuilder {
    if net.is_nat() { net.reply(3, port).hops(63) } else { net.at_client(port) }
}

/// How much of the quoted packet is there: ports, a UDP header, a TCP header, all.
fn cuts(net: Net) -> [usize; 4] {
    let header = if net.six { 40 } else { 20 };
    [header + 4, header + 8, header + 20, 1000]
}

/// An error to the virtual address, about what a server sent through it.
fn to_vip(net: Net, quoted: &PacketBuilder, cut: usize) -> PacketBuilder {
    unreachable(net, 4, 1400)(packet().ip(router(net), net.vip().ip())).quote(quoted, cut)
}

/// The same as it reaches server 3.
fn to_server(net: Net, quoted: &PacketBuilder, cut: usize) -> PacketBuilder {
    let target = if net.is_nat() { net.server(3).ip() } else { net.vip().ip() };
    let hop = hop(3, SERVER_SIDE);
    let message = packet().ip(router(net), target).hops(63).ethernet(hop.source, hop.destination);
    net.on_the_way(3, unreachable(net, 4, 1400)(message).quote(quoted, cut))
}

fn about_servers_packets(net: Net) -> Case {
    let mut steps = std::vec![open(net)];
    for cut in cuts(net) {
        steps.push(forward(
            &to_vip(net, &from_service(net, 4000), cut),
            ForwardIcmpIn,
            SERVER_SIDE,
            &to_server(net, &from_server(net, 4000), cut),
        ));
    }
    let last_hop = to_vip(net, &from_service(net, 4000), 100).hops(1);
    steps.push(refuse(&last_hop, DropTimeToLive));
    // Of no connection; without ports; from the service, but told to somebody else.
    steps.push(refuse(&to_vip(net, &from_service(net, 4001), 100), PassIcmp));
    steps.push(refuse(&to_vip(net, &from_service(net, 4000), cuts(net)[0] - 1), PassIcmp));
    steps.push(refuse(&to_vip(net, &from_service(net, 4000), 100).ip(router(net), net.client()), PassIcmp));
    // It steps nothing and keeps nothing alive.
    steps.push(if net.is_tcp() { Step::Load(3, 1, 0) } else { Step::Load(3, 0, 1) });
    steps.push(Step::Wait(400));
    steps.push(refuse(&to_vip(net, &from_service(net, 4000), 100), PassIcmp));
    case(net, "errors about a server's packets", steps)
}

/// Removed, another node's, this host.
fn servers_that_cannot(net: Net) -> Case {
    let message = to_vip(net, &from_service(net, 4000), 100);
    let inside = to_server(net, &from_server(net, 4000), 100).hops(64).ethernet(CLIENT_MAC, DIRECTOR_MAC);
    let (action, counter, interface, bytes) = (Action::Pass, ForwardIcmpIn, 0, inside.build().bytes);
    let delivered = Expect { action, counter, interface, bytes };
    let steps = std::vec![
        open(net),
        Step::Change(|world| set_flags(world, RealServer::READY & !RealServer::AVAILABLE)),
        refuse(&message, DropServerRemoved),
        Step::Change(|world| set_flags(world, RealServer::READY & !RealServer::OWNED)),
        refuse(&message, PassNotOwned),
        Step::Change(|world| set_flags(world, RealServer::READY | RealServer::LOCAL)),
        if net.is_nat() { Step::Send(message.build(), delivered) } else { refuse(&message, PassLocalServer) },
        Step::Change(|world| set_flags(world, RealServer::READY)),
        refuse(&message.ethernet(CLIENT_MAC, MacAddress([2, 0, 0, 0, 0, 3])), PassOtherReceiver),
    ];
    case(net, "errors for servers that cannot have them", steps)
}

fn set_flags(world: &mut World, flags: u32) {
    world.tables.servers[3].flags.set(flags);
}

/// From the server itself or a router before it, about what the client sent: the client sees the service's endpoint.
fn about_clients_packets(net: Net) -> Case {
    let behind = net.at_server(3, 4000).ethernet(DIRECTOR_MAC, CLIENT_MAC);
    let before = net.request(4000).hops(63);
    let mut steps = std::vec![open(net)];
    for sender in [net.server(3).ip(), router(net)] {
        for cut in cuts(net) {
            let arrives = packet().ip(sender, net.client());
            let leaves = packet().ip(net.vip().ip(), net.client()).hops(63).ethernet(DIRECTOR_MAC, CLIENT_MAC);
            steps.push(forward(
                &unreachable(net, 3, 0)(arrives).quote(&behind, cut),
                ForwardIcmpOut,
                1,
                &unreachable(net, 3, 0)(leaves).quote(&before, cut),
            ));
        }
    }
    let other = net.at_server(3, 4001);
    steps.push(refuse(&unreachable(net, 3, 0)(packet().ip(router(net), net.client())).quote(&other, 100), PassIcmp));
    case(net, "errors about a client's packets", steps)
}

/// What IPVS takes along: unreachable, source quench, time exceeded; in IPv6 whatever is no information.
fn kinds(net: Net) -> Case {
    let (related, others): (&[u8], &[u8]) =
        if net.six { (&[1, 2, 3, 4, 127], &[128, 129, 134, 135, 136]) } else { (&[3, 4, 11], &[0, 5, 8, 12, 13]) };
    let quoted = |packet: PacketBuilder, about: PacketBuilder| packet.quote(&about, 100);
    let mut steps = std::vec![open(net)];
    for kind in related {
        let hop = hop(3, SERVER_SIDE);
        let arrives = packet().ip(router(net), net.vip().ip()).icmp(*kind, 0, 7);
        let leaves = packet().ip(router(net), net.server(3).ip()).icmp(*kind, 0, 7).hops(63);
        steps.push(forward(
            &quoted(arrives, from_service(net, 4000)),
            ForwardIcmpIn,
            SERVER_SIDE,
            &quoted(leaves, from_server(net, 4000)).ethernet(hop.source, hop.destination),
        ));
    }
    for kind in others {
        let arrives = packet().ip(router(net), net.vip().ip()).icmp(*kind, 0, 7);
        steps.push(refuse(&quoted(arrives, from_service(net, 4000)), PassIcmp));
    }
    case(net, "kinds of messages", steps)
}

/// Messages that concern nobody here: pings, errors about other protocols, about fragments, cut off, in pieces.
fn strangers(net: Net) -> Case {
    let (vip, about) = (net.vip().ip(), from_service(net, 4000));
    let message = |quoted: &PacketBuilder| to_vip(net, quoted, 100);
    let echo = if net.six { 128 } else { 8 };
    let mut steps = std::vec![
        open(net),
        refuse(&packet().ip(net.client(), vip).icmp(echo, 0, 0x0001_0001).payload(&[0; 56]), PassIcmp),
        refuse(&packet().ip(net.client(), router(net)).icmp(echo, 0, 0x0001_0001).payload(&[0; 56]), PassIcmp),
        refuse(&message(&about).payload(&[]), PassIcmp),
        refuse(&message(&about).payload(&[0x60; 10]), PassIcmp),
        refuse(&message(&packet().ip(vip, net.client()).protocol(47).payload(&[0; 40])), PassIcmp),
        refuse(&message(&packet().ip(vip, net.client()).icmp(echo, 0, 0).payload(&[0; 40])), PassIcmp),
    ];
    if !net.six {
        let later = NAT4_UDP.at_client(4000).fragment(0x2009);
        steps.push(refuse(&message(&later), PassIcmp));
        steps.push(refuse(&message(&about).fragment(0x2000), PassIcmp));
    }
    case(net, "messages about nobody here", steps)
}

/// A quoted datagram without a checksum keeps none.
fn no_checksum(net: Net) -> Case {
    let without = |packet: PacketBuilder| if net.six { packet } else { packet.no_checksum() };
    let steps = std::vec![
        open(net),
        forward(
            &to_vip(net, &without(from_service(net, 4000)), 1000),
            ForwardIcmpIn,
            SERVER_SIDE,
            &to_server(net, &without(from_server(net, 4000)), 1000),
        ),
    ];
    case(net, "an error about a datagram without a checksum", steps)
}

/// Options and extension headers, outside and in the quotation.
fn odd_headers(net: Net) -> Case {
    let (outer, inner): (&[u8], &[u8]) = if net.six {
        (&[0, protocol::ICMPV6, 0, 1, 4, 0, 0, 0, 0], &[60, protocol::TCP, 0, 1, 4, 0, 0, 0, 0])
    } else {
        (&[1; 8], &[1; 40])
    };
    let plain: &[u8] = &[];
    let mut steps = std::vec![open(net)];
    for (outer, inner) in [(outer, plain), (plain, inner), (outer, inner)] {
        steps.push(forward(
            &to_vip(net, &from_service(net, 4000).options(inner), 1000).options(outer),
            ForwardIcmpIn,
            SERVER_SIDE,
            &to_server(net, &from_server(net, 4000).options(inner), 1000).options(outer),
        ));
    }
    Case { name: format!("{} errors with odd headers", net.name()), world: Box::new(move || net.world(3)), steps }
}
