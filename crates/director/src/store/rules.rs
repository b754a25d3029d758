//! What IPVS accepts: checks of services and servers, without looking at the network.

use super::refuse;
use api::{Refusal, RefusalKind};
use forward::abi::MAX_SERVERS_PER_SERVICE;
use model::{ForwardingMethod, RealServer, ServiceKey, VirtualService};
use std::net::IpAddr;

/// Most seconds of a time-out: what the kernel accepts with a tick of a millisecond.
const MAX_TIMEOUT: u32 = i32::MAX as u32 / 1000;

/// A virtual address and a port that can be balanced.
pub(crate) fn check_service(key: &ServiceKey) -> Result<(), Refusal> {
    if key.endpoint.port() == 0 {
        let message = format!("service {key}: port 0 (all ports) is not supported yet; name a port");
        return Err(refuse(RefusalKind::Unsupported, message));
    }
    check_address(key.endpoint.ip()).map_err(|what| refuse(RefusalKind::Invalid, format!("service {key}: {what}")))
}

/// A server that packets of the service can be sent to.
pub(crate) fn check_server(key: &ServiceKey, server: &RealServer) -> Result<(), Refusal> {
    let invalid = |what: &str| refuse(RefusalKind::Invalid, format!("server {} of {key}: {what}", server.endpoint));
    check_address(server.endpoint.ip()).map_err(invalid)?;
    if key.endpoint.is_ipv4() != server.endpoint.is_ipv4() {
        return Err(invalid("its address family is not the service's; only tunnels can mix them"));
    }
    Ok(())
}

fn check_address(address: IpAddr) -> Result<(), &'static str> {
    if address.is_unspecified() {
        return Err("the unspecified address cannot be balanced; name an address");
    }
    if address.is_multicast() || matches!(address, IpAddr::V4(address) if address.is_broadcast()) {
        return Err("a multicast or broadcast address cannot be balanced; name a unicast address");
    }
    Ok(())
}

/// Direct routing cannot change the port: it is the service's. Port 0 means the service's, too.
pub(crate) fn settle_port(key: &ServiceKey, server: &mut RealServer) {
    if server.method == ForwardingMethod::DirectRouting || server.endpoint.port() == 0 {
        server.endpoint.set_port(key.endpoint.port());
    }
}

/// One more server fits.
pub(crate) fn check_room(service: &VirtualService) -> Result<(), Refusal> {
    if service.servers.len() < MAX_SERVERS_PER_SERVICE as usize {
        return Ok(());
    }
    let message = format!("service {} has {MAX_SERVERS_PER_SERVICE} servers, the most there can be", service.key);
    Err(refuse(RefusalKind::NoSpace, message))
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
