//! What a setup needs of this host, and which steps lead there from what it is now.

use crate::error::Error;
use crate::network::{LOOPBACK, Link, LocalAddress, Network};
use crate::programs;
use crate::step::Step;
use crate::sysctl;
use crate::tunnel::Tunnel;
use model::{Decapsulation, RealServerSetup, ServerMode};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// One need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// A setting that has to be one of some values; the first is set if it is none of them.
    Sysctl { key: String, good: &'static [u32] },
    /// An address on lo.
    Address(IpAddr),
    /// A tunnel device of the kernel.
    Tunnel(Tunnel),
    /// Programs, pinned there.
    Programs(PathBuf),
}

/// ARP requests for addresses of other interfaces (lo) go unanswered: 1, or stricter.
pub(crate) const ARP_IGNORE: &[u32] = &[1, 2];
/// ARP requests of this host never name a virtual address.
pub(crate) const ARP_ANNOUNCE: &[u32] = &[2];

/// Needs in the order in which they are met: silence first, then what would be asked for.
pub(crate) fn of(setup: &RealServerSetup, pins: &Path) -> Vec<Want> {
    let mut wants = Vec::new();
    if setup.mode != ServerMode::FullNat && setup.virtual_addresses.iter().any(IpAddr::is_ipv4) {
        for scope in ["all", "lo"] {
            let key = |name: &str| format!("ipv4/conf/{scope}/{name}");
            wants.push(Want::Sysctl { key: key("arp_ignore"), good: ARP_IGNORE });
            wants.push(Want::Sysctl { key: key("arp_announce"), good: ARP_ANNOUNCE });
        }
    }
    wants.extend(tunnels(setup).map(Want::Tunnel));
    if programs::are_needed(setup) {
        wants.push(Want::Programs(pins.to_owned()));
    }
    wants.extend(setup.virtual_addresses.iter().copied().map(Want::Address));
    wants
}

/// The tunnel devices of the kernel that a setup uses: one for each family of its addresses.
pub(crate) fn tunnels(setup: &RealServerSetup) -> impl Iterator<Item = Tunnel> + use<> {
    let kernel = setup.mode == ServerMode::Tun && setup.decapsulation == Decapsulation::Kernel;
    let serves = |ipv6: bool| setup.virtual_addresses.iter().any(|address| address.is_ipv6() == ipv6);
    let wanted = [(Tunnel::Tunl0, serves(false)), (Tunnel::Ip6tnl0, serves(true))];
    wanted.into_iter().filter(move |(_, wanted)| kernel && *wanted).map(|(tunnel, _)| tunnel)
}

impl Want {
    /// The step that is missing, or `None` where this host is so already.
    pub(crate) fn step(&self, network: &Network, addresses: &[LocalAddress]) -> Result<Option<Step>, Error> {
        match self {
            Self::Sysctl { key, good } => {
                let before = sysctl::read(key).ok_or_else(|| {
                    Error::Refused(format!("this kernel has no {}: it cannot be a real server", sysctl::shown(key)))
                })?;
                let is_good = before.parse().is_ok_and(|value: u32| good.contains(&value));
                let set = good.first().map(u32::to_string).unwrap_or_default();
                Ok((!is_good).then(|| Step::Sysctl { key: key.clone(), before, set }))
            }
            Self::Address(address) => {
                let there = addresses.iter().any(|it| it.address == *address && it.interface == LOOPBACK);
                Ok((!there).then_some(Step::Address { address: *address }))
            }
            Self::Tunnel(tunnel) => Ok(Some(Step::Tunnel { tunnel: *tunnel, before: tunnel.look(network)? })),
            Self::Programs(pins) => Ok(Some(Step::Programs { pins: pins.clone() })),
        }
    }

    /// True for the step of this need.
    pub(crate) fn is_met_by(&self, step: &Step) -> bool {
        match (self, step) {
            (Self::Sysctl { key, .. }, Step::Sysctl { key: other, .. }) => key == other,
            (Self::Address(address), Step::Address { address: other }) => address == other,
            (Self::Tunnel(tunnel), Step::Tunnel { tunnel: other, .. }) => tunnel == other,
            (Self::Programs(pins), Step::Programs { pins: other }) => pins == other,
            _ => false,
        }
    }
}

/// Refuses what no step can mend.
pub(crate) fn check(
    setup: &RealServerSetup,
    links: &BTreeMap<u32, Link>,
    addresses: &[LocalAddress],
) -> Result<(), Error> {
    if let Some(name) = &setup.interface
        && !links.values().any(|link| link.name == *name)
    {
        return Err(Error::Refused(format!("there is no interface {name} in this network namespace")));
    }
    let filters = sysctl::number("ipv4/conf/all/rp_filter").is_some_and(|value| value != 0);
    if filters && tunnels(setup).any(|tunnel| tunnel == Tunnel::Tunl0) {
        let reason = "net.ipv4.conf.all.rp_filter makes the kernel's tunl0 drop every packet: \
            `sysctl -w net.ipv4.conf.all.rp_filter=0`, or use --decap bpf";
        return Err(Error::Refused(reason.to_owned()));
    }
    if setup.virtual_addresses.is_empty() {
        return Ok(());
    }
    if links.get(&LOOPBACK).is_some_and(|link| !link.up) {
        return Err(Error::Refused("lo is down, and its addresses with it: `ip link set lo up`".to_owned()));
    }
    for address in &setup.virtual_addresses {
        let elsewhere = addresses.iter().find(|it| it.address == *address && it.interface != LOOPBACK);
        if let Some(found) = elsewhere {
            let name = links.get(&found.interface).map_or("another interface", |link| link.name.as_str());
            if is_first(found, addresses) {
                return Err(Error::Refused(format!(
                    "{address} is this host's own address on {name}: --vip takes the virtual address, which clients ask \
                     and all real servers share"
                )));
            }
            return Err(Error::Refused(format!(
                "{address} is an address of {name}, which answers for it: `ip address del {address}/{} dev {name}` first",
                found.length
            )));
        }
        if address.is_ipv6() && sysctl::number("ipv6/conf/lo/disable_ipv6").is_none_or(|value| value != 0) {
            return Err(Error::Refused(format!(
                "{address} cannot be on lo while IPv6 is disabled there: `sysctl -w net.ipv6.conf.lo.disable_ipv6=0`"
            )));
        }
    }
    Ok(())
}

/// True for the address that an interface had before all others of the family: the one that its host is known by.
fn is_first(found: &LocalAddress, addresses: &[LocalAddress]) -> bool {
    let beside =
        |it: &&LocalAddress| it.interface == found.interface && it.address.is_ipv4() == found.address.is_ipv4();
    addresses.iter().find(beside) == Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::real_server::{GUE_PORT, TOA_KINDS};

    fn setup(mode: ServerMode, addresses: &[&str]) -> RealServerSetup {
        RealServerSetup {
            mode,
            virtual_addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            directors: Default::default(),
            interface: None,
            decapsulation: Decapsulation::Bpf,
            gue_port: GUE_PORT,
            cgroup: None,
            toa_kinds: TOA_KINDS,
        }
    }

    #[test]
    fn silence_comes_before_the_address_and_only_ipv4_needs_settings() {
        let wants = of(&setup(ServerMode::Dr, &["203.0.113.10", "2001:db8::10"]), Path::new("/pins"));
        let keys = wants.iter().filter_map(|want| match want {
            Want::Sysctl { key, .. } => Some(key.as_str()),
            _ => None,
        });
        let keys: Vec<_> = keys.collect();
        assert_eq!(keys.len(), 4);
        assert!(matches!(wants.last(), Some(Want::Address(IpAddr::V6(_)))));
        assert_eq!(of(&setup(ServerMode::Dr, &["2001:db8::10"]), Path::new("/pins")).len(), 1);
        assert_eq!(of(&setup(ServerMode::FullNat, &[]), Path::new("/pins")), [Want::Programs("/pins".into())]);
    }

    #[test]
    fn an_address_of_another_interface_is_refused() {
        let link = |name: &str, up| Link { name: name.into(), up, mtu: 1500, loopback: name == "lo" };
        let links = BTreeMap::from([(1, link("lo", true)), (2, link("eth0", true))]);
        let found = LocalAddress { interface: 2, address: "203.0.113.10".parse().unwrap(), length: 24 };
        let own = LocalAddress { address: "10.0.0.11".parse().unwrap(), ..found };
        let refusal =
            |address: &str| check(&setup(ServerMode::Dr, &[address]), &links, &[own, found]).unwrap_err().to_string();
        let second = refusal("203.0.113.10");
        assert!(second.contains("ip address del 203.0.113.10/24 dev eth0"), "{second}");
        let first = refusal("10.0.0.11");
        assert!(first.contains("own address on eth0: --vip takes the virtual address"), "{first}");
        assert!(!first.contains("address del"), "{first}");
        let down = BTreeMap::from([(1, link("lo", false))]);
        assert!(check(&setup(ServerMode::Dr, &["203.0.113.10"]), &down, &[]).is_err());
        let (there, network) = (LocalAddress { interface: LOOPBACK, ..found }, Network::open().unwrap());
        assert_eq!(Want::Address(found.address).step(&network, &[there]).unwrap(), None);
        assert!(Want::Address(found.address).step(&network, &[]).unwrap().is_some());
    }

    #[test]
    fn the_kernel_has_a_device_for_each_family() {
        let kernel = |addresses: &[&str]| {
            let setup = RealServerSetup { decapsulation: Decapsulation::Kernel, ..setup(ServerMode::Tun, addresses) };
            tunnels(&setup).collect::<Vec<_>>()
        };
        assert_eq!(kernel(&["203.0.113.10"]), [Tunnel::Tunl0]);
        assert_eq!(kernel(&["203.0.113.10", "2001:db8::10"]), [Tunnel::Tunl0, Tunnel::Ip6tnl0]);
        assert_eq!(tunnels(&setup(ServerMode::Tun, &["203.0.113.10"])).count(), 0);
    }
}
