//! What the maps shall hold: the configuration, and beside it what was observed.

use crate::health::Health;
use crate::observe::sight::{Sight, Why};
use crate::observe::{Network, Observer};
use crate::store::Store;
use api::Obstacle;
use model::{
    Endpoint, ForwardingMethod, Hop, Key, Reach, RealServer, ServerState, ServiceOptions, ServiceState, State,
    VirtualService,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The services of `scope` (all without it) as they shall be. Those that match no packet yet are not in the maps.
pub(crate) fn desired<N: Network>(
    store: &Store,
    health: &Health,
    observer: &Observer<N>,
    scope: Option<&BTreeSet<Key>>,
) -> State {
    let state = |service: &VirtualService| {
        let mut state = service_state(&health.effective(service), observer);
        state.options.watched = health.watches(&service.key);
        Some((service.key.acting()?, state))
    };
    let services = match scope {
        None => store.services().values().filter_map(state).collect(),
        Some(keys) => keys.iter().filter_map(|key| store.services().get(key)).filter_map(state).collect(),
    };
    State { services, timeouts: store.timeouts(), sysctls: store.sysctls().clone() }
}

/// The endpoint that the maps have for a server of `service`: port 0 is the service's port. `None`: the service is not
/// in the maps, or the same address is there with that port, too, and the maps have the two once.
pub(crate) fn endpoint_in_maps(service: &VirtualService, endpoint: Endpoint) -> Option<Endpoint> {
    let key = service.key.acting()?;
    if endpoint.port() != 0 {
        return Some(endpoint);
    }
    let endpoint = Endpoint::new(endpoint.ip(), key.endpoint.port());
    service.servers.iter().all(|server| server.endpoint != endpoint).then_some(endpoint)
}

/// True when this node forwards the service; a firewall mark has no address that others could own.
pub(crate) fn is_owned<N: Network>(service: &VirtualService, observer: &Observer<N>) -> bool {
    service.options.any || service.key.endpoint().is_none_or(|endpoint| observer.owns(endpoint.ip()))
}

/// How a server is reached, in the words of the data plane.
pub(crate) fn reach<N: Network>(service: &VirtualService, server: &RealServer, observer: &Observer<N>) -> Reach {
    let endpoint = endpoint_in_maps(service, server.endpoint).unwrap_or(server.endpoint);
    match observer.sight(endpoint.ip()) {
        Sight::Local if why_not_local(server).is_some() => Reach::Unresolved,
        Sight::Local => Reach::Local,
        Sight::Via(_) if stranger(service, server, observer).is_some() => Reach::Unresolved,
        Sight::Via(hop) if !matches!(server.method, ForwardingMethod::Tunnel(_)) => {
            Reach::Via(Hop { address: None, ..hop })
        }
        // A tunnel begins at an address of this host.
        Sight::Via(hop) if hop.address.is_none() => Reach::Unresolved,
        Sight::Via(hop) => Reach::Via(hop),
        Sight::Pending | Sight::Lost(_) => Reach::Unresolved,
    }
}

/// Why a server is not in the rotation; `None` when it can be reached.
pub(crate) fn obstacle<N: Network>(
    service: &VirtualService,
    server: &RealServer,
    observer: &Observer<N>,
) -> Option<Obstacle> {
    let only = |what: &str| Obstacle { what: what.to_owned(), fix: None };
    match observer.sight(server.endpoint.ip()) {
        Sight::Local => why_not_local(server).map(only),
        Sight::Via(Hop { address: None, .. }) if matches!(server.method, ForwardingMethod::Tunnel(_)) => {
            Some(only("this host has no address to send from in a tunnel; add one to the interface towards it"))
        }
        Sight::Via(hop) => stranger(service, server, observer).map(|address| missing(address, hop, observer)),
        Sight::Pending => Some(only("its next hop has not answered yet")),
        Sight::Lost(why) => Some(only(&remedy(why))),
    }
}

/// A local address that is not there, and how it comes.
fn missing<N: Network>(address: IpAddr, towards: Hop, observer: &Observer<N>) -> Obstacle {
    let what = format!("local address {address} of its service is not an address of this node outside lo");
    let device = observer.links().get(&towards.interface).filter(|_| towards.vlan == 0);
    let (device, bits) = (device.map_or("IF", |link| link.name.as_str()), if address.is_ipv4() { 32 } else { 128 });
    Obstacle { what, fix: Some(format!("ip address add {address}/{bits} dev {device}")) }
}

/// Why a server on this host cannot be one.
fn why_not_local(server: &RealServer) -> Option<&'static str> {
    match server.method {
        // 127.0.0.1 and the like: the stack refuses what comes for them from outside.
        ForwardingMethod::Nat if server.endpoint.ip().is_loopback() => {
            Some("no packet of another host may go to an address of lo; use one of another interface")
        }
        ForwardingMethod::FullNat => {
            Some("it is an address of this node, which takes no packets from its own local addresses; use -m")
        }
        _ => None,
    }
}

/// FullNAT: the first local address that is not this node's, so that a server's answers would not come here.
fn stranger<N: Network>(service: &VirtualService, server: &RealServer, observer: &Observer<N>) -> Option<IpAddr> {
    let needs = server.method == ForwardingMethod::FullNat;
    let local = &service.options.local_addresses;
    needs.then(|| local.addresses().find(|address| !observer.owns(*address))).flatten()
}

/// True when servers on this host are reached by NAT: what they answer must be translated.
pub(crate) fn has_local_nat(state: &State) -> bool {
    let servers = state.services.values().flat_map(|service| &service.servers);
    servers.into_iter().any(|it| it.reach == Reach::Local && it.server.method == ForwardingMethod::Nat)
}

fn remedy(why: Why) -> String {
    match why {
        Why::NoAnswer => format!("{why} (is the server up?)"),
        Why::NoRoute => format!("{why}; add one (ip route)"),
        Why::LinkDown | Why::LinkWithoutAddress | Why::IndexTooLarge => why.to_string(),
    }
}

fn service_state<N: Network>(service: &VirtualService, observer: &Observer<N>) -> ServiceState {
    let server_state = |server: &RealServer| {
        let endpoint = endpoint_in_maps(service, server.endpoint)?;
        let reach = reach(service, server, observer);
        // Thresholds are not in the maps: read back, there are none.
        Some(ServerState { server: RealServer::new(endpoint, server.method, server.weight), reach })
    };
    let scheduler_flags = service.options.scheduler_flags.acting(service.options.scheduler);
    ServiceState {
        options: ServiceOptions { scheduler_flags, ..service.options.clone() },
        owned: is_owned(service, observer),
        servers: service.servers.iter().filter_map(server_state).collect(),
    }
}
