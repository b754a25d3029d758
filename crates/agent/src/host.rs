//! Everything that is read of this host to judge it, as one value: checks and their tests need nothing else.

use crate::error::Error;
use crate::network::{LOOPBACK, Link, LocalAddress, Network, Route};
use crate::programs;
use crate::record::Since;
use crate::sysctl;
use crate::unheard::Hearing;
use dataplane::AgentState;
use model::{RealServerSetup, ServerMode};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

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
    /// Where such programs run although none are seen at the pins.
    pub(crate) running: BTreeSet<String>,
    /// What was counted when all was made, and how long ago that was.
    pub(crate) since: Since,
    pub(crate) age: Duration,
    /// Who hears answers from a virtual address, and who does not.
    pub(crate) hearing: Hearing,
    /// The ways to clients anywhere, by family: IPv4, IPv6.
    pub(crate) outward: [Option<Route>; 2],
}

/// Settings that are looked at, of `all` and of each interface.
const SETTINGS: [&str; 3] = ["arp_ignore", "arp_announce", "rp_filter"];

/// Seconds since the beginning of 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Host {
    pub(crate) fn read(setup: RealServerSetup, since: Since, pins: &Path) -> Result<Self, Error> {
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
        let needs_some = programs.is_none() && programs::are_needed(&setup);
        let running = if needs_some { dataplane::agent_runs_on() } else { BTreeSet::new() };
        let age = Duration::from_secs(now().saturating_sub(since.time));
        let hearing = Hearing::of(&setup.virtual_addresses);
        let addresses = network.addresses()?;
        Ok(Self { addresses, links, sysctls, routes, outward, programs, running, since, age, hearing, setup })
    }

    /// What the programs have counted since all was made.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let now = self.programs.as_ref().and_then(|state| state.counters.get(name)).copied().unwrap_or_default();
        let before = self.since.counters.get(name).copied().unwrap_or_default();
        // Counters that begin anew are those of programs that were loaded since.
        now.checked_sub(before).unwrap_or(now)
    }

    /// Names of the interfaces that packets can come in by.
    pub(crate) fn entrances(&self) -> Vec<(u32, &Link)> {
        let named = |link: &Link| self.setup.interface.as_ref().is_none_or(|name| *name == link.name);
        let links = self.links.iter().map(|(index, link)| (*index, link));
        links.filter(|(index, link)| *index != LOOPBACK && !link.loopback && link.up && named(link)).collect()
    }

    /// The larger of the values for `all` and for an interface: the kernel goes by that one.
    pub(crate) fn effective(&self, interface: &str, name: &str) -> u32 {
        self.setting("all", name).max(self.setting(interface, name))
    }

    /// A setting of an interface, or of `all`.
    pub(crate) fn setting(&self, scope: &str, name: &str) -> u32 {
        self.sysctls.get(&format!("ipv4/conf/{scope}/{name}")).copied().unwrap_or_default()
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
