//! Messages of the kernel in the words of this program.

use super::links::{Kind, Link, LocalAddress};
use super::sight::{Neighbour, NeighbourState, Route};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState as KernelState};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia};
use std::net::IpAddr;
use wire::MacAddress;

pub(super) fn read_link(message: LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut link = Link {
        name: String::new(),
        mac: None,
        up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::Running),
        mtu: 0,
        loopback: flags.contains(LinkFlags::Loopback),
        kind: Kind::Other,
        features: None,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Address(bytes) => link.mac = mac(&bytes),
            LinkAttribute::LinkInfo(info) => link.kind = info.iter().find_map(read_kind).unwrap_or_default(),
            _ => {}
        }
    }
    link
}

fn read_kind(info: &LinkInfo) -> Option<Kind> {
    let LinkInfo::Kind(kind) = info else { return None };
    Some(match kind {
        InfoKind::Veth => Kind::Veth,
        InfoKind::Bridge
        | InfoKind::Vlan
        | InfoKind::MacVlan
        | InfoKind::IpVlan
        | InfoKind::Vxlan
        | InfoKind::Dummy => Kind::Virtual,
        _ => Kind::Other,
    })
}

pub(super) fn read_address(message: &AddressMessage) -> Option<LocalAddress> {
    let mut found = None;
    let mut duplicate = false;
    for attribute in &message.attributes {
        match attribute {
            // On a point-to-point link ADDRESS is the peer's; LOCAL, where there is one, is always ours.
            AddressAttribute::Local(address) => found = Some(*address),
            AddressAttribute::Address(address) => found = found.or(Some(*address)),
            AddressAttribute::Flags(flags) => duplicate = flags.contains(AddressFlags::Dadfailed),
            _ => {}
        }
    }
    let (interface, prefix) = (message.header.index, message.header.prefix_len);
    found.map(|address| LocalAddress { address, interface, prefix, duplicate })
}

pub(super) fn read_route(destination: IpAddr, message: &RouteMessage) -> Route {
    match message.header.kind {
        RouteType::Local => return Route::Local,
        RouteType::Unicast => {}
        RouteType::Broadcast => return Route::Broadcast,
        _ => return Route::None,
    }
    let mut interface = None;
    let mut next_hop = destination;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => next_hop = (*address).into(),
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => next_hop = (*address).into(),
            RouteAttribute::Via(RouteVia::Inet(address)) => next_hop = (*address).into(),
            RouteAttribute::Via(RouteVia::Inet6(address)) => next_hop = (*address).into(),
            _ => {}
        }
    }
    interface.map_or(Route::None, |interface| Route::Via { interface, next_hop })
}

pub(super) fn read_neighbour(message: &NeighbourMessage) -> Neighbour {
    let state = match message.header.state {
        KernelState::Reachable | KernelState::Stale | KernelState::Delay | KernelState::Probe => NeighbourState::Usable,
        KernelState::Permanent | KernelState::Noarp => NeighbourState::Fixed,
        KernelState::Failed => NeighbourState::Failed,
        _ => NeighbourState::Unknown,
    };
    let mac = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => mac(bytes),
        _ => None,
    });
    Neighbour { state, mac }
}

fn mac(bytes: &[u8]) -> Option<MacAddress> {
    bytes.try_into().ok().map(MacAddress)
}
