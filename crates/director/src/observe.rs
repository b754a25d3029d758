//! Looks at the network: which virtual addresses are this node's, and how each real server is reached.
//!
//! Questions go through [`Network`] (netlink in production). What was seen is remembered, so that a change is known
//! as a change, and an entry that the kernel is asking for again does not take a server out at once.

mod answers;
pub(crate) mod events;
pub(crate) mod features;
pub(crate) mod links;
pub(crate) mod netlink;
mod network;
pub(crate) mod outlet;
pub(crate) mod sight;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use network::Network;

use links::Links;
use model::Hop;
use sight::{Neighbour, NeighbourState, Route, Sight, decide};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::Instant;
use target::Target;

/// Addresses whose part in the network is other than before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Differences {
    /// Virtual addresses that became ours or no longer are.
    pub(crate) owned: BTreeSet<IpAddr>,
    /// Servers that are reached in another way.
    pub(crate) servers: BTreeSet<IpAddr>,
}

impl Differences {
    /// Nothing differs.
    pub(crate) fn is_empty(&self) -> bool {
        self.owned.is_empty() && self.servers.is_empty()
    }
}

/// What is known of the network.
pub(crate) struct Observer<N> {
    network: N,
    links: Links,
    owned: BTreeSet<IpAddr>,
    targets: BTreeMap<IpAddr, Target>,
    /// Neighbour entries that the kernel keeps for us.
    managed: BTreeSet<(u32, IpAddr)>,
}

impl<N: Network> Observer<N> {
    /// Has seen nothing yet.
    pub(crate) fn new(network: N) -> Self {
        Self {
            network,
            links: Links::new(),
            owned: BTreeSet::new(),
            targets: BTreeMap::new(),
            managed: BTreeSet::new(),
        }
    }

    /// True when the address is on an interface other than lo.
    pub(crate) fn owns(&self, address: IpAddr) -> bool {
        self.owned.contains(&address)
    }

    /// The interfaces of this network namespace.
    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    /// How the server at `address` is reached, as last seen.
    pub(crate) fn sight(&self, address: IpAddr) -> Sight {
        self.targets.get(&address).map_or(Sight::Pending, Target::effective)
    }

    /// The interfaces that packets to the servers leave by, resolved or not.
    pub(crate) fn ways(&self) -> BTreeSet<u32> {
        self.targets.keys().filter_map(|address| self.way(*address)).collect()
    }

    /// The interface that packets to the server at `address` leave by. A VLAN's frames leave by its parent.
    pub(crate) fn way(&self, address: IpAddr) -> Option<u32> {
        let Route::Via { interface, .. } = self.targets.get(&address)?.route else { return None };
        let vlan = self.links.get(&interface).and_then(|link| link.vlan);
        Some(vlan.map_or(interface, |vlan| vlan.parent))
    }

    /// Looks at the links alone: what XDP can do on one changes with the programs there.
    pub(crate) fn look_at_links(&mut self) -> io::Result<()> {
        self.links = self.network.links()?;
        Ok(())
    }

    /// True where links, or the addresses of this node, are others than at the last look.
    pub(crate) fn has_news(&mut self) -> io::Result<bool> {
        let links = self.network.links()?;
        Ok(links != self.links || links::owned(&links, &self.network.addresses()?) != self.owned)
    }

    /// True when the server was looked at before.
    pub(crate) fn watches(&self, address: IpAddr) -> bool {
        self.targets.contains_key(&address)
    }

    /// True while the server has neither answered nor failed to.
    pub(crate) fn is_pending(&self, address: IpAddr) -> bool {
        self.sight(address) == Sight::Pending
    }

    /// Remembers how a server was reached before this process began, until the network says otherwise.
    pub(crate) fn remember(&mut self, address: IpAddr, hop: Hop, now: Instant) {
        self.targets.entry(address).or_insert_with(|| Target::remembered(hop, now));
    }

    /// Where packets to `destination` go, asked now.
    pub(crate) fn route(&mut self, destination: IpAddr) -> Route {
        self.network.route(destination)
    }

    /// True when the two reach each other without this node, by the addresses it has now.
    pub(crate) fn are_neighbours(&mut self, one: IpAddr, other: IpAddr) -> bool {
        self.network.addresses().is_ok_and(|addresses| links::are_neighbours(&addresses, one, other))
    }

    /// The link-layer address of a neighbour, asked now.
    pub(crate) fn neighbour(&mut self, interface: u32, address: IpAddr) -> Option<Neighbour> {
        self.network.neighbour(interface, address)
    }

    /// A full look: links, addresses, and the way to each of `servers`, which become the servers watched.
    pub(crate) fn look(&mut self, servers: &BTreeSet<IpAddr>, now: Instant) -> io::Result<Differences> {
        self.links = self.network.links()?;
        let owned = links::owned(&self.links, &self.network.addresses()?);
        let changed = owned.symmetric_difference(&self.owned).copied().collect();
        let mut differences = Differences { owned: changed, servers: BTreeSet::new() };
        self.owned = owned;
        self.targets.retain(|address, _| servers.contains(address));
        for address in servers {
            self.look_at(*address, now, &mut differences);
        }
        self.release_unused();
        Ok(differences)
    }

    /// Looks at these servers only; those not known yet are watched from now on.
    pub(crate) fn look_at_servers(&mut self, servers: &BTreeSet<IpAddr>, now: Instant) -> Differences {
        let mut differences = Differences::default();
        for address in servers {
            self.look_at(*address, now, &mut differences);
        }
        differences
    }

    /// Looks at the servers whose next hop is one of `neighbours`.
    pub(crate) fn look_at_neighbours(&mut self, neighbours: &BTreeSet<IpAddr>, now: Instant) -> Differences {
        let behind =
            |target: &Target| matches!(target.route, Route::Via { next_hop, .. } if neighbours.contains(&next_hop));
        let servers = self.targets.iter().filter(|(_, target)| behind(target)).map(|(address, _)| *address).collect();
        self.look_at_servers(&servers, now)
    }

    /// Asks again for everything that is not resolved.
    pub(crate) fn ask_again(&mut self, now: Instant) -> Differences {
        let open = |target: &Target| !matches!(target.sight, Sight::Local | Sight::Via(_));
        let servers = self.targets.iter().filter(|(_, target)| open(target)).map(|(address, _)| *address).collect();
        self.look_at_servers(&servers, now)
    }

    /// Gives every neighbour entry back to the kernel's own care.
    pub(crate) fn release_all(&mut self) {
        self.targets.clear();
        self.release_unused();
    }

    fn look_at(&mut self, address: IpAddr, now: Instant, differences: &mut Differences) {
        let before = self.targets.get(&address).copied();
        let route = self.network.route(address);
        let sight = self.see(route);
        let target = Target::following(before, route, sight, now);
        // Pending or lost is the same to the maps.
        let known = |sight: Sight| matches!(sight, Sight::Local | Sight::Via(_)).then_some(sight);
        if before.and_then(|before| known(before.effective())) != known(target.effective()) {
            differences.servers.insert(address);
        }
        self.targets.insert(address, target);
    }

    /// The way along `route` now. An entry that is not managed yet is given to the kernel to resolve and keep.
    fn see(&mut self, route: Route) -> Sight {
        let Route::Via { interface, next_hop, .. } = route else {
            return decide(route, &self.links, None);
        };
        let mut neighbour = self.network.neighbour(interface, next_hop);
        let usable_link = !matches!(decide(route, &self.links, None), Sight::Lost(_));
        let state = neighbour.map_or(NeighbourState::Unknown, |neighbour| neighbour.state);
        let fixed = state == NeighbourState::Fixed;
        let settled = state == NeighbourState::Usable && self.managed.contains(&(interface, next_hop));
        if usable_link && !fixed && !settled {
            match self.network.resolve(interface, next_hop) {
                Ok(()) => {
                    self.managed.insert((interface, next_hop));
                }
                Err(error) => tracing::debug!(%next_hop, interface, %error, "cannot ask the kernel for a neighbour"),
            }
            // A failed entry that is asked for again is still failed for us, until it answers.
            if state != NeighbourState::Failed {
                neighbour = self.network.neighbour(interface, next_hop);
            }
        }
        decide(route, &self.links, neighbour)
    }

    fn release_unused(&mut self) {
        let hops = self.targets.values().filter_map(|target| match target.route {
            Route::Via { interface, next_hop, .. } => Some((interface, next_hop)),
            _ => None,
        });
        let used: BTreeSet<_> = hops.collect();
        let unused: Vec<_> = self.managed.difference(&used).copied().collect();
        for (interface, address) in unused {
            self.managed.remove(&(interface, address));
            // Its link may be gone, and the entry with it.
            let _ = self.network.release(interface, address);
        }
    }
}
