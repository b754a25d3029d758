//! Messages of the kernel in the words of this program.

use super::links::{Kind, Link, LocalAddress, Vlan};
use super::sight::{Neighbour, NeighbourState, Route};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, VlanProtocol,
};
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
        vlan: None,
        features: None,
    };
    let (mut parent, mut identifier) = (None, None);
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::Link(index) => parent = Some(index),
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Address(bytes) => link.mac = mac(&bytes),
            LinkAttribute::LinkInfo(info) => {
                link.kind = info.iter().find_map(read_kind).unwrap_or_default();
                identifier = info.iter().find_map(read_vlan);
            }
            _ => {}
        }
    }
    link.vlan = parent.zip(identifier).map(|(parent, identifier)| Vlan { parent, identifier });
    link
}

/// The tag of a VLAN device of 802.1Q. (Tags of 802.1ad are not for the data plane.)
fn read_vlan(info: &LinkInfo) -> Option<u16> {
    let LinkInfo::Data(InfoData::Vlan(facts)) = info else { return None };
    let provider = facts.iter().any(|fact| matches!(fact, InfoVlan::Protocol(VlanProtocol::Ieee8021Ad)));
    let identifier = facts.iter().find_map(|fact| match fact {
        InfoVlan::Id(identifier) => Some(*identifier),
        _ => None,
    });
    identifier.filter(|_| !provider)
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
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::PrefSource(RouteAddress::Inet(source)) => address = Some((*source).into()),
            RouteAttribute::PrefSource(RouteAddress::Inet6(source)) => address = Some((*source).into()),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => next_hop = (*address).into(),
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => next_hop = (*address).into(),
            RouteAttribute::Via(RouteVia::Inet(address)) => next_hop = (*address).into(),
            RouteAttribute::Via(RouteVia::Inet6(address)) => next_hop = (*address).into(),
            _ => {}
        }
    }
    interface.map_or(Route::None, |interface| Route::Via { interface, next_hop, address })
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
