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
    /// What XDP can do there, where the kernel tells it.
    pub(crate) features: Option<Features>,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, up: bool) -> Link {
        let loopback = name == "lo";
        Link { name: name.into(), mac: None, up, running: up, mtu: 1500, loopback, kind: Kind::Other, features: None }
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
            let owned = owned(&links, &[LocalAddress { address, interface, duplicate }]);
            assert_eq!(owned.contains(&address), expected, "{address} on {interface}");
        }
    }

    #[test]
    fn an_address_on_lo_and_elsewhere_is_owned() {
        let links = Links::from([(1, link("lo", true)), (2, link("eth0", true))]);
        let address = "192.0.2.1".parse().unwrap();
        let on = |interface| LocalAddress { address, interface, duplicate: false };
        assert!(owned(&links, &[on(1), on(2)]).contains(&address));
    }
}
