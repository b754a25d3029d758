//! Tunnels: each kind of outer header, in all combinations of families; what it takes over from the packet inside.
//! (What tunnels have in common with the other methods stands with these.)

use super::net::{Net, SERVER_SIDE};
use super::{Case, Step, forward, tell};
use crate::Counter::{DropTimeToLive, DropTooBig, ForwardIn};
use crate::abi::{Envelope, Method, NextHop, Port};
use crate::host::world::{DIRECTOR4, DIRECTOR6, hop};
use crate::host::{Around, PacketBuilder, World};
use core::net::IpAddr;
use std::boxed::Box;
use std::string::String;
use std::vec::Vec;
use wire::{Icmp, protocol};

const DF: u16 = 0x4000;

/// A tunnel: what goes in, the family around it, and how.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) net: Net,
    pub(super) outer_six: bool,
    pub(super) envelope: Envelope,
    pub(super) checksum: bool,
}

impl Way {
    pub(super) fn all() -> Vec<Self> {
        let gue = Envelope::Gue(Port::new(6080));
        let kinds = [(Envelope::Ipip, false), (gue, false), (gue, true), (Envelope::Gre, false), (Envelope::Gre, true)];
        let mut all = Vec::new();
        for (six, outer_six) in [(false, false), (true, true), (false, true), (true, false)] {
            for transport in [protocol::TCP, protocol::UDP] {
                let net = Net { six, method: Method::Tunnel, protocol: transport };
                all.extend(kinds.map(|(envelope, checksum)| Self { net, outer_six, envelope, checksum }));
            }
        }
        all
    }

    pub(super) fn name(&self) -> String {
        let envelope = match self.envelope {
            Envelope::Ipip => "ipip",
            Envelope::Gue(_) => "gue",
            Envelope::Gre => "gre",
        };
        let family = if self.outer_six { 6 } else { 4 };
        let checksum = if self.checksum { " with a checksum" } else { "" };
        format!("{} in {envelope}{family}{checksum}", self.net.name())
    }

    pub(super) fn server(&self, id: u32) -> IpAddr {
        if self.outer_six {
            IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 1, id as u16])
        } else {
            IpAddr::from([10, 0, 2, id as u8])
        }
    }

    fn world(self) -> World {
        let mut world = self.net.world(3);
        (1..=3).for_each(|id| world.dig(id, self.server(id), self.envelope, self.checksum));
        world
    }

    /// A packet of the client as it leaves for a server; `checked`: it tells all that an outer checksum needs.
    pub(super) fn leaves(&self, id: u32, packet: PacketBuilder, checked: bool) -> PacketBuilder {
        let hop = hop(id, SERVER_SIDE);
        packet.hops(63).ethernet(hop.source, hop.destination).inside(Around {
            source: if self.outer_six { DIRECTOR6.into() } else { DIRECTOR4.into() },
            destination: self.server(id),
            envelope: self.envelope,
            checksum: self.checksum && checked,
        })
    }

    pub(super) fn first(&self, port: u16) -> PacketBuilder {
        let request = self.net.request(port);
        if self.net.is_tcp() { request.syn() } else { request }
    }

    /// It leaves as it came, in the tunnel.
    pub(super) fn goes(&self, packet: &PacketBuilder) -> Step {
        forward(packet, ForwardIn, SERVER_SIDE, &self.leaves(3, packet.clone(), true))
    }

    pub(super) fn case(self, name: &str, steps: Vec<Step>) -> Case {
        Case { name: format!("{} {name}", self.name()), world: Box::new(move || self.world()), steps }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for way in Way::all() {
        cases.push(flows(way));
        cases.push(header(way));
        cases.push(limits(way));
        if !way.net.is_tcp() && !way.net.six {
            cases.push(without_checksum(way));
        }
    }
    cases.extend(Way::all().into_iter().filter(|way| way.net.is_tcp()).map(tags));
    cases
}

/// Flows to several servers, packets of every length.
fn flows(way: Way) -> Case {
    let mut steps = Vec::new();
    for (id, port) in [(3, 4000), (2, 4001), (1, 4002)] {
        steps.push(forward(&way.first(port), ForwardIn, SERVER_SIDE, &way.leaves(id, way.first(port), true)));
    }
    for length in [0, 1, 2, 3, 512, 1399, 1400, 8900] {
        let payload: Vec<u8> = (0..length).map(|byte| (byte * 7 + 13) as u8).collect();
        steps.push(way.goes(&way.net.request(4000).payload(&payload)));
    }
    way.case("flows", steps)
}

/// Hops, traffic class with every ECN, "don't fragment", identification, options and extension headers.
fn header(way: Way) -> Case {
    let mut steps = std::vec![way.goes(&way.first(4000))];
    for class in [0, 0xb8, 0xb9, 0xba, 0xbb, 0x03] {
        steps.push(way.goes(&way.net.request(4000).traffic_class(class)));
    }
    let short = way.leaves(3, way.net.request(4000), true).hops(1);
    steps.push(forward(&way.net.request(4000).hops(2), ForwardIn, SERVER_SIDE, &short));
    if way.net.six {
        let extensions = [60, way.net.protocol, 0, 1, 4, 0, 0, 0, 0];
        let packet = way.net.request(4000).options(&extensions);
        steps.push(forward(&packet, ForwardIn, SERVER_SIDE, &way.leaves(3, packet.clone(), false)));
    } else {
        steps.push(way.goes(&way.net.request(4000).fragment(DF)));
        steps.push(way.goes(&way.net.request(4000).identification(0xffff)));
        steps.push(way.goes(&way.net.request(4000).options(&[1; 40])));
    }
    way.case("header", steps)
}

/// What a packet with one hop, or too large for the tunnel, is told.
fn limits(way: Way) -> Case {
    const MTU: u32 = 1300;
    let net = way.net;
    let headers = if net.six { 40 } else { 20 } + if net.is_tcp() { 20 } else { 8 };
    let filled = |bytes: u32| net.request(4000).payload(&std::vec![0x5a; bytes as usize - headers]);
    let exceeded = if net.six { (Icmp::TIME_EXCEEDED6, 0, 0) } else { (Icmp::TIME_EXCEEDED, 0, 0) };
    let too_big = if net.six { (Icmp::TOO_BIG6, 0, MTU) } else { (Icmp::UNREACHABLE, Icmp::FRAGMENTATION_NEEDED, MTU) };
    let steps = std::vec![
        Step::Change(|world| world.tables.servers.iter().for_each(|server| server.mtu.set(MTU))),
        way.goes(&way.first(4000)),
        tell(&net.request(4000).hops(1), DropTimeToLive, exceeded),
        way.goes(&filled(MTU)),
        tell(&filled(MTU + 1), DropTooBig, too_big),
    ];
    way.case("limits", steps)
}

/// A datagram without a checksum tells no sum: the packet around it has none, either.
fn without_checksum(way: Way) -> Case {
    let bare = way.net.request(4000).no_checksum();
    let steps = std::vec![
        forward(&bare, ForwardIn, SERVER_SIDE, &way.leaves(3, bare.clone(), false)),
        way.goes(&way.net.request(4000)),
    ];
    way.case("datagrams without a checksum", steps)
}

/// Tags on either side; the priority stays where there is one on both.
fn tags(way: Way) -> Case {
    let request = || way.net.request(4000);
    let arrives = |tag| way.leaves(3, request().tagged(tag), true);
    let steps = std::vec![
        way.goes(&way.first(4000)),
        forward(&request().tag(0x6000 | 100), ForwardIn, SERVER_SIDE, &arrives(None)),
        Step::Change(|world| {
            let through = NextHop::through(SERVER_SIDE, 200);
            world.tables.servers[3].hop.set(NextHop { interface: through, ..hop(3, SERVER_SIDE) });
        }),
        forward(&request().tag(0x6000 | 100), ForwardIn, SERVER_SIDE, &arrives(Some(0x6000 | 200))),
        forward(&request(), ForwardIn, SERVER_SIDE, &arrives(Some(200))),
    ];
    Case { name: format!("VLAN: {} tags", way.name()), world: Box::new(move || way.world()), steps }
}
