//! Links and addresses of this network namespace, and what they decide: which virtual addresses are this node's.

use super::features::Features;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use wire::MacAddress;

/// One network interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    /// Its link-layer address, when it has one of six bytes.
    pub(crate) mac: Option<MacAddress>,
    /// Switched on by the operator.
    pub(crate) up: bool,
    /// Has a carrier, too.
    pub(crate) running: bool,
    /// Largest packet that it takes.
    pub(crate) mtu: u32,
    pub(crate) loopback: bool,
    pub(crate) kind: Kind,
    /// Of a VLAN device (802.1Q): the interface that its frames pass, and their tag.
    pub(crate) vlan: Option<Vlan>,
    /// What XDP can do there, where the kernel tells it.
    pub(crate) features: Option<Features>,
}

/// A VLAN of another interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Vlan {
    pub(crate) parent: u32,
    pub(crate) identifier: u16,
}

/// The kinds of interface that make a difference here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Kind {
    /// One end of a link between two namespaces.
    Veth,
    /// Made of other interfaces, or of nothing: bridges, VLANs and the like, which XDP cannot send to.
    Virtual,
    #[default]
    Other,
}

/// One address of one interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LocalAddress {
    pub(crate) address: IpAddr,
    pub(crate) interface: u32,
    /// Bits of its network.
    pub(crate) prefix: u8,
    /// Another node answered for it (IPv6 duplicate address detection).
    pub(crate) duplicate: bool,
}

/// Links by interface index.
pub(crate) type Links = BTreeMap<u32, Link>;

/// The addresses this node forwards: local on an interface other than a loopback that is switched on. A virtual
/// address on lo belongs to a real server, whose packets another director has already balanced.
pub(crate) fn owned(links: &Links, addresses: &[LocalAddress]) -> BTreeSet<IpAddr> {
    let counts = |local: &&LocalAddress| {
        let link = links.get(&local.interface);
        !local.duplicate && link.is_some_and(|link| link.up && !link.loopback)
    };
    addresses.iter().filter(counts).map(|local| local.address).collect()
}

/// True when both are in a network that this node has an address in: they reach each other without it.
pub(crate) fn are_neighbours(addresses: &[LocalAddress], one: IpAddr, other: IpAddr) -> bool {
    addresses.iter().any(|local| local.has_in_its_network(one) && local.has_in_its_network(other))
}

impl LocalAddress {
    fn has_in_its_network(&self, address: IpAddr) -> bool {
        let (ours, theirs, bits) = match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (ours.to_bits().into(), theirs.to_bits().into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
            _ => return false,
        };
        let difference: u128 = ours ^ theirs;
        // An address on its own (/32, /128) has no network.
        self.prefix < bits && difference.checked_shr(u32::from(bits - self.prefix)).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, up: bool) -> Link {
        let loopback = name == "lo";
        Link {
            name: name.into(),
            mac: None,
            up,
            running: up,
            mtu: 1500,
            loopback,
            kind: Kind::Other,
            vlan: None,
            features: None,
        }
    }

    #[test]
    fn ownership_by_address_list() {
        let links = Links::from([(1, link("lo", true)), (2, link("eth0", true)), (3, link("eth1", false))]);
        let rows = [
            ("192.0.2.1", 2, false, true),
            ("192.0.2.2", 1, false, false),
            ("192.0.2.3", 3, false, false),
            ("192.0.2.4", 9, false, false),
            ("2001:db8::1", 2, false, true),
            ("2001:db8::2", 2, true, false),
            ("2001:db8::3", 1, false, false),
        ];
        for (address, interface, duplicate, expected) in rows {
            let address: IpAddr = address.parse().unwrap();
            let owned = owned(&links, &[LocalAddress { address, interface, prefix: 24, duplicate }]);
            assert_eq!(owned.contains(&address), expected, "{address} on {interface}");
        }
    }

    #[test]
    fn neighbours_share_a_network_with_us() {
        let local = |address: &str, prefix| LocalAddress {
            address: address.parse().unwrap(),
            interface: 2,
            prefix,
            duplicate: false,
        };
        let ours = [local("10.0.1.1", 24), local("198.51.100.10", 32), local("fd00:1::1", 64)];
        for (one, other, expected) in [
            ("10.0.1.2", "10.0.1.11", true),
            ("10.0.2.2", "10.0.1.11", false),
            ("198.51.100.10", "198.51.100.10", false),
            ("fd00:1::2", "fd00:1::b", true),
            ("fd00:2::2", "fd00:1::b", false),
            ("fd00:1::2", "10.0.1.11", false),
        ] {
            assert_eq!(are_neighbours(&ours, one.parse().unwrap(), other.parse().unwrap()), expected, "{one} {other}");
        }
    }

    #[test]
    fn an_address_on_lo_and_elsewhere_is_owned() {
        let links = Links::from([(1, link("lo", true)), (2, link("eth0", true))]);
        let address = "192.0.2.1".parse().unwrap();
        let on = |interface| LocalAddress { address, interface, prefix: 24, duplicate: false };
        assert!(owned(&links, &[on(1), on(2)]).contains(&address));
    }
}
