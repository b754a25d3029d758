//! How a real server is reached, decided from a route, the links and a neighbour entry. Pure.

use super::links::Links;
use model::Hop;
use std::net::IpAddr;
use wire::MacAddress;

/// What the routing table says about a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Route {
    /// An address of this host.
    Local,
    /// Out of this interface, to this address on its link, from this address of ours.
    Via { interface: u32, next_hop: IpAddr, address: Option<IpAddr> },
    /// To everybody on a link.
    Broadcast,
    /// None, or one that forbids it.
    None,
}

impl Route {
    /// This host's address along it.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Via { address, .. } => address,
            Self::Local | Self::Broadcast | Self::None => None,
        }
    }
}

/// A neighbour entry of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Neighbour {
    pub(crate) state: NeighbourState,
    pub(crate) mac: Option<MacAddress>,
}

/// The states of a neighbour entry that make a difference here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NeighbourState {
    /// Has an address to send to: REACHABLE, STALE, DELAY, PROBE.
    Usable,
    /// Set by an operator or by the kind of link (PERMANENT, NOARP): usable, and not to be touched.
    Fixed,
    /// No entry, or the kernel is asking.
    Unknown,
    /// The kernel asked and nobody answered.
    Failed,
}

/// What is known of the way to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    /// Delivered on this host.
    Local,
    /// Reached through this next hop.
    Via(Hop),
    /// The next hop has not answered yet.
    Pending,
    /// It cannot be reached.
    Lost(Why),
}

/// Why a server cannot be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    NoRoute,
    LinkDown,
    LinkWithoutAddress,
    IndexTooLarge,
    NoAnswer,
}

/// The data plane has so many bits for the index of an interface.
const LARGEST_INDEX: u32 = (1 << forward::abi::NextHop::INDEX_BITS) - 1;

impl std::fmt::Display for Why {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NoRoute => "there is no route to it",
            Self::LinkDown => "the interface towards it is down",
            Self::LinkWithoutAddress => "the interface towards it has no link-layer address",
            Self::IndexTooLarge => "the index of the interface towards it is larger than the data plane can note",
            Self::NoAnswer => "its next hop does not answer",
        })
    }
}

/// The decision.
pub(crate) fn decide(route: Route, links: &Links, neighbour: Option<Neighbour>) -> Sight {
    let (interface, address) = match route {
        Route::Local => return Sight::Local,
        Route::None | Route::Broadcast => return Sight::Lost(Why::NoRoute),
        Route::Via { interface, address, .. } => (interface, address),
    };
    let Some(link) = links.get(&interface).filter(|link| link.up && link.running) else {
        return Sight::Lost(Why::LinkDown);
    };
    // A VLAN's frames leave by its parent, with a tag.
    let (interface, vlan) = link.vlan.map_or((interface, 0), |vlan| (vlan.parent, vlan.identifier));
    if interface > LARGEST_INDEX {
        return Sight::Lost(Why::IndexTooLarge);
    }
    let Some(source) = link.mac else {
        return Sight::Lost(Why::LinkWithoutAddress);
    };
    let Some(neighbour) = neighbour else {
        return Sight::Pending;
    };
    match (neighbour.state, neighbour.mac) {
        (NeighbourState::Usable | NeighbourState::Fixed, Some(destination)) => {
            Sight::Via(Hop { interface, vlan, destination, source, mtu: link.mtu, address })
        }
        (NeighbourState::Failed, _) => Sight::Lost(Why::NoAnswer),
        _ => Sight::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::links::{Kind, Link, Vlan};

    const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const THEIRS: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

    fn links(up: bool, running: bool, mac: Option<MacAddress>) -> Links {
        let link = Link {
            name: "eth0".into(),
            mac,
            up,
            running,
            mtu: 1500,
            loopback: false,
            kind: Kind::Other,
            vlan: None,
            features: None,
        };
        Links::from([(7, link)])
    }

    fn see(route: Route, state: NeighbourState, mac: Option<MacAddress>) -> Sight {
        decide(route, &links(true, true, Some(OURS)), Some(Neighbour { state, mac }))
    }

    #[test]
    fn every_state_of_the_neighbour() {
        let route = Route::Via { interface: 7, next_hop: "10.0.0.1".parse().unwrap(), address: None };
        let via =
            Sight::Via(Hop { interface: 7, destination: THEIRS, source: OURS, vlan: 0, mtu: 1500, address: None });
        assert_eq!(see(route, NeighbourState::Usable, Some(THEIRS)), via);
        assert_eq!(see(route, NeighbourState::Fixed, Some(THEIRS)), via);
        assert_eq!(see(route, NeighbourState::Unknown, None), Sight::Pending);
        // The kernel leaves the old address in an entry that it asks for again.
        assert_eq!(see(route, NeighbourState::Unknown, Some(THEIRS)), Sight::Pending);
        assert_eq!(see(route, NeighbourState::Failed, Some(THEIRS)), Sight::Lost(Why::NoAnswer));
        assert_eq!(decide(route, &links(true, true, Some(OURS)), None), Sight::Pending);
    }

    #[test]
    fn routes_and_links_come_first() {
        let answered = Some(Neighbour { state: NeighbourState::Usable, mac: Some(THEIRS) });
        let route = Route::Via { interface: 7, next_hop: "10.0.0.1".parse().unwrap(), address: None };
        let elsewhere = Route::Via { interface: 8, next_hop: "10.0.0.1".parse().unwrap(), address: None };
        assert_eq!(see(Route::Local, NeighbourState::Failed, None), Sight::Local);
        assert_eq!(see(Route::None, NeighbourState::Usable, Some(THEIRS)), Sight::Lost(Why::NoRoute));
        assert_eq!(see(elsewhere, NeighbourState::Usable, Some(THEIRS)), Sight::Lost(Why::LinkDown));
        assert_eq!(decide(route, &links(true, false, Some(OURS)), answered), Sight::Lost(Why::LinkDown));
        assert_eq!(decide(route, &links(false, true, Some(OURS)), answered), Sight::Lost(Why::LinkDown));
        assert_eq!(decide(route, &links(true, true, None), answered), Sight::Lost(Why::LinkWithoutAddress));
    }

    #[test]
    fn a_vlan_is_reached_through_its_parent() {
        let mut links = links(true, true, Some(OURS));
        links.insert(9, Link { vlan: Some(Vlan { parent: 7, identifier: 100 }), mtu: 1496, ..links[&7].clone() });
        let answered = Some(Neighbour { state: NeighbourState::Usable, mac: Some(THEIRS) });
        let route = |interface| Route::Via { interface, next_hop: "10.0.0.1".parse().unwrap(), address: None };
        let via = Hop { interface: 7, vlan: 100, destination: THEIRS, source: OURS, mtu: 1496, address: None };
        assert_eq!(decide(route(9), &links, answered), Sight::Via(via));
        links.insert(LARGEST_INDEX + 1, links[&7].clone());
        assert_eq!(decide(route(LARGEST_INDEX + 1), &links, answered), Sight::Lost(Why::IndexTooLarge));
    }
}
