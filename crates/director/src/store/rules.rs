//! What IPVS accepts: checks of services and servers, without looking at the network.

use super::refuse;
use api::{Refusal, RefusalKind};
use forward::abi::MAX_SERVERS_PER_SERVICE;
use model::config::MAX_SERVICES;
use model::{
    Encapsulation, Endpoint, ForwardingMethod, Key, RealServer, ServiceOptions, SyncDaemon, Sysctl, TunnelChecksum,
    VirtualService,
};
use std::net::IpAddr;

/// The longest time-out, 31 days: what ipvsadm takes. The ticks of the data plane hold eight years.
const MAX_TIMEOUT: u32 = 31 * 86_400;

/// Every address will do: one that is never this node's is never forwarded.
pub(crate) fn check_service(key: &Key) -> Result<(), Refusal> {
    let wrong = match key {
        Key::Endpoint(key) => zone(&key.endpoint),
        Key::Mark(mark) => (mark.mark == 0).then_some("mark 0 is no mark; name another"),
    };
    wrong.map_or(Ok(()), |what| Err(refuse(RefusalKind::Invalid, format!("service {key}: {what}"))))
}

/// A name that can be shown on one line.
pub(crate) fn check_name(key: &Key, name: Option<&str>) -> Result<(), Refusal> {
    if name.is_some_and(|name| name.trim().is_empty() || name.contains(char::is_control)) {
        let message = format!("service {key}: a name needs letters, and no control characters; give another or none");
        return Err(refuse(RefusalKind::Invalid, message));
    }
    Ok(())
}

/// What is wrong with an endpoint that names a zone: packets carry none.
fn zone(endpoint: &Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::V6(endpoint) if endpoint.scope_id() != 0 || endpoint.flowinfo() != 0 => {
            Some("an address with a zone (%) cannot be balanced; name it without")
        }
        _ => None,
    }
}

/// A server that packets of the service can be sent to.
pub(crate) fn check_server(key: &Key, server: &RealServer) -> Result<(), Refusal> {
    let invalid = |what: &str| refuse(RefusalKind::Invalid, format!("server {} of {key}: {what}", server.endpoint));
    check_address(server.endpoint.ip()).map_err(invalid)?;
    zone(&server.endpoint).map_or(Ok(()), |what| Err(invalid(what)))?;
    if key.is_ipv6() != server.endpoint.is_ipv6() && !server.method.mixes_families() {
        return Err(invalid("its address family is not the service's; only tunnels can mix them"));
    }
    check_server_options(server)
        .map_err(|(kind, what)| refuse(kind, format!("server {} of {key}: {what}", server.endpoint)))
}

/// What belongs to a server besides its address; an edit can get it wrong, too.
pub(crate) fn check_server_options(server: &RealServer) -> Result<(), (RefusalKind, &'static str)> {
    if server.thresholds.lower > server.thresholds.upper {
        return Err((
            RefusalKind::OutOfRange,
            "its lower threshold is over its upper one; lower one or raise the other",
        ));
    }
    match server.method {
        ForwardingMethod::Tunnel(Encapsulation::Gue { port: 0, .. }) => {
            Err((RefusalKind::Invalid, "a GUE tunnel needs the port of the decapsulator"))
        }
        ForwardingMethod::Tunnel(Encapsulation::Gre { checksum: TunnelChecksum::Remote }) => {
            Err((RefusalKind::Invalid, "GRE knows no remote checksum; use none or a full one"))
        }
        _ => Ok(()),
    }
}

/// FullNAT has local addresses to come from.
pub(crate) fn check_local(service: &VirtualService) -> Result<(), Refusal> {
    let mut servers = service.servers.iter().filter(|server| server.method == ForwardingMethod::FullNat);
    let (true, Some(server)) = (service.options.local_addresses.is_empty(), servers.next()) else { return Ok(()) };
    let message = format!(
        "server {} of {}: FullNAT needs a local address of its service; give one (-E … --local-address ADDRESS)",
        server.endpoint, service.key
    );
    Err(refuse(RefusalKind::Invalid, message))
}

/// Options that can stand with the service's key.
pub(crate) fn check_options(key: &Key, options: &ServiceOptions) -> Result<(), Refusal> {
    let invalid = |what: &str| Err(refuse(RefusalKind::Invalid, format!("service {key}: {what}")));
    if !options.local_addresses.fits(key.is_ipv6()) {
        return invalid("its local addresses are of the other family; name some of its own");
    }
    let Some(persistence) = options.persistence else {
        let all_ports = key.endpoint().is_some_and(|endpoint| endpoint.port() == 0);
        return if all_ports {
            invalid("all ports (port 0) need persistence; ask for it, or name a port")
        } else {
            Ok(())
        };
    };
    if persistence.timeout == 0 || persistence.timeout > MAX_TIMEOUT {
        return invalid("persistence lasts from one second to 31 days");
    }
    match persistence.granularity {
        Some(granularity) if !granularity.fits(key.is_ipv6()) => {
            invalid("its granularity is a mask with IPv4, and a prefix of 1 to 127 bits with IPv6")
        }
        _ => Ok(()),
    }
}

/// A synchronization daemon that can be.
pub(crate) fn check_sync(daemon: &SyncDaemon) -> Result<(), Refusal> {
    let wrong = match daemon {
        _ if !daemon.group.is_multicast() => Some("its group is no multicast address"),
        SyncDaemon { port: 0, .. } => Some("port 0 is no port"),
        SyncDaemon { ttl: 0, .. } => Some("with a time to live of 0 no message leaves"),
        _ => None,
    };
    wrong.map_or(Ok(()), |what| Err(refuse(RefusalKind::Invalid, format!("synchronization: {what}"))))
}

fn check_address(address: IpAddr) -> Result<(), &'static str> {
    match address {
        _ if address.is_unspecified() => Err("the unspecified address is no server; name an address"),
        IpAddr::V4(address) if address.is_broadcast() => {
            Err("a broadcast address is no server; name a unicast address")
        }
        _ if address.is_multicast() => Err("a multicast address is no server; name a unicast address"),
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
            Err("an IPv4 address written as IPv6 is never on the wire; name the server's IPv6 address")
        }
        _ => Ok(()),
    }
}

/// As many services fit.
pub(crate) fn check_services(count: usize) -> Result<(), Refusal> {
    if count <= MAX_SERVICES {
        return Ok(());
    }
    let message = format!("more than {MAX_SERVICES} services, the most there can be; delete some first (-D)");
    Err(refuse(RefusalKind::NoSpace, message))
}

/// One more server fits.
pub(crate) fn check_room(service: &VirtualService) -> Result<(), Refusal> {
    fits(service, service.servers.len() + 1)
}

/// The servers of a service fit.
pub(crate) fn check_size(service: &VirtualService) -> Result<(), Refusal> {
    fits(service, service.servers.len())
}

fn fits(service: &VirtualService, servers: usize) -> Result<(), Refusal> {
    if servers <= MAX_SERVERS_PER_SERVICE as usize {
        return Ok(());
    }
    let message = format!("service {} has {MAX_SERVERS_PER_SERVICE} servers, the most there can be", service.key);
    Err(refuse(RefusalKind::NoSpace, message))
}

/// A value that the sysctl knows.
pub(crate) fn check_sysctl(sysctl: Sysctl, value: u32) -> Result<(), Refusal> {
    let largest = sysctl.largest();
    if value <= largest {
        return Ok(());
    }
    Err(refuse(RefusalKind::Invalid, format!("{sysctl} takes 0 to {largest}, not {value}")))
}

/// A time-out in seconds; none or 0 keeps the old one.
pub(crate) fn timeout(name: &str, new: Option<u32>, old: u32) -> Result<u32, Refusal> {
    match new {
        None | Some(0) => Ok(old),
        Some(seconds) if seconds <= MAX_TIMEOUT => Ok(seconds),
        Some(seconds) => {
            let message = format!("time-out {name} of {seconds} s is over the largest, {MAX_TIMEOUT}");
            Err(refuse(RefusalKind::Invalid, message))
        }
    }
}
