//! Everything that is read of this host to judge it, as one value: checks and their tests need nothing else.

use crate::error::Error;
use crate::network::{LOOPBACK, Link, LocalAddress, Network, Route};
use crate::programs;
use crate::sysctl;
use dataplane::AgentState;
use model::{RealServerSetup, ServerMode};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

/// The host, as far as a real server's work depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) setup: RealServerSetup,
    pub(crate) links: BTreeMap<u32, Link>,
    pub(crate) addresses: Vec<LocalAddress>,
    /// Values below /proc/sys/net, by their path there.
    pub(crate) sysctls: BTreeMap<String, u32>,
    /// The ways to the virtual addresses and to the directors.
    pub(crate) routes: BTreeMap<IpAddr, Route>,
    /// What the programs do; `None` where there are none.
    pub(crate) programs: Option<AgentState>,
    /// The ways to clients anywhere, by family: IPv4, IPv6.
    pub(crate) outward: [Option<Route>; 2],
}

/// Settings that are looked at, of `all` and of each interface.
const SETTINGS: [&str; 3] = ["arp_ignore", "arp_announce", "rp_filter"];

impl Host {
    pub(crate) fn read(setup: RealServerSetup, pins: &Path) -> Result<Self, Error> {
        let network = Network::open()?;
        let links = network.links()?;
        let mut sysctls = BTreeMap::new();
        for scope in links.values().map(|link| link.name.as_str()).chain(["all"]) {
            let keys = SETTINGS.iter().map(|name| format!("ipv4/conf/{scope}/{name}"));
            sysctls.extend(keys.filter_map(|key| Some((key.clone(), sysctl::number(&key)?))));
        }
        let directors = setup.directors.iter().map(|prefix| prefix.member());
        let destinations = setup.virtual_addresses.iter().copied().chain(directors);
        let routes = destinations.filter_map(|to| Some((to, network.route(to)?))).collect();
        let outward = network.outward();
        let programs = if programs::are_needed(&setup) { dataplane::agent_state(pins)? } else { None };
        Ok(Self { addresses: network.addresses()?, links, sysctls, routes, outward, programs, setup })
    }

    /// Names of the interfaces that packets can come in by.
    pub(crate) fn entrances(&self) -> Vec<(u32, &Link)> {
        let named = |link: &Link| self.setup.interface.as_ref().is_none_or(|name| *name == link.name);
        let links = self.links.iter().map(|(index, link)| (*index, link));
        links.filter(|(index, link)| *index != LOOPBACK && !link.loopback && link.up && named(link)).collect()
    }

    /// The larger of the values for `all` and for an interface: the kernel goes by that one.
    pub(crate) fn effective(&self, interface: &str, name: &str) -> u32 {
        let of = |scope: &str| self.sysctls.get(&format!("ipv4/conf/{scope}/{name}")).copied().unwrap_or_default();
        of("all").max(of(interface))
    }

    /// True when packets of clients of this family come here: shown as theirs, if they are datagrams of FullNAT.
    pub(crate) fn is_asked(&self, ipv6: bool) -> bool {
        let of_director = |prefix: &model::Prefix| prefix.address().is_ipv6() == ipv6;
        self.serves(ipv6) || self.setup.mode == ServerMode::FullNat && self.setup.directors.iter().any(of_director)
    }

    /// True when some virtual address is of this family.
    pub(crate) fn serves(&self, ipv6: bool) -> bool {
        self.setup.virtual_addresses.iter().any(|address| address.is_ipv6() == ipv6)
    }
}

impl Host {
    /// True when packets of a director come in by this interface: it is named, or leads to a director; without either
    /// every one may.
    pub(crate) fn receives(&self, index: u32) -> bool {
        let mut ways = self.setup.directors.iter().filter_map(|prefix| self.routes.get(&prefix.member())).peekable();
        self.setup.interface.is_some() || ways.peek().is_none() || ways.any(|route| route.interface == index)
    }
}
