//! Addresses as they stand in the file: an IP address and a port, nothing to look up.

use super::error::Fault;
use super::table::Value;
use crate::{Endpoint, ForwardingMethod, Protocol, ServiceKey};
use std::net::{IpAddr, SocketAddr};

const LISTEN_EXAMPLE: &str = "listen = \"tcp 203.0.113.10:80\"";

/// `"tcp 203.0.113.10:80"`
pub(super) fn listen(value: &Value<'_>) -> Result<ServiceKey, Fault> {
    let text = value.string(LISTEN_EXAMPLE)?;
    let mut words = text.split_whitespace();
    let (Some(protocol), Some(address), None) = (words.next(), words.next(), words.next()) else {
        let message = format!("`{}` is not a protocol and an address; write {LISTEN_EXAMPLE}", text.escape_debug());
        return Err(value.fault(message));
    };
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" | "icmp" | "fwmark" => {
            return Err(value.fault(format!("`{protocol}` services are not supported yet; write tcp or udp")));
        }
        _ => {
            let message = format!("unknown protocol `{}`; write tcp or udp: {LISTEN_EXAMPLE}", protocol.escape_debug());
            return Err(value.fault(message));
        }
    };
    let endpoint = endpoint(address, value)?;
    if endpoint.port() == 0 {
        return Err(value.fault("port 0 (all ports) needs persistence, which is not supported yet; write one port"));
    }
    if endpoint.ip().is_loopback() {
        let message = format!("{} cannot be a virtual address: no packet for it comes by the wire", endpoint.ip());
        return Err(value.fault(format!("{message}; write the address that clients use")));
    }
    Ok(ServiceKey { protocol, endpoint })
}

/// The address of a real server of `service`, `"10.0.0.12:80"`.
pub(super) fn server(value: &Value<'_>, service: &ServiceKey, method: ForwardingMethod) -> Result<Endpoint, Fault> {
    let text = value.string("\"10.0.0.12:80\"")?;
    let endpoint = endpoint(text, value)?;
    if endpoint.port() == 0 {
        let port = service.endpoint.port();
        return Err(value.fault(format!("a server needs a port; write \"{}\"", with_port(endpoint.ip(), port))));
    }
    if endpoint.is_ipv4() != service.endpoint.is_ipv4() && !method.mixes_families() {
        let family = |ipv4: bool| if ipv4 { "IPv4" } else { "IPv6" };
        let message = format!(
            "server {endpoint} is {}, but its service {service} is {}; NAT and DR need one family: give the server's {} address",
            family(endpoint.is_ipv4()),
            family(service.endpoint.is_ipv4()),
            family(service.endpoint.is_ipv4()),
        );
        return Err(value.fault(message));
    }
    Ok(endpoint)
}

fn with_port(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

fn endpoint(text: &str, value: &Value<'_>) -> Result<Endpoint, Fault> {
    let endpoint: SocketAddr = text.parse().map_err(|_| value.fault(not_an_endpoint(text)))?;
    match unusable(&endpoint) {
        Some(reason) => Err(value.fault(format!("{} {reason}", endpoint.ip()))),
        None => Ok(endpoint),
    }
}

/// Why `text` is not an address and a port.
fn not_an_endpoint(text: &str) -> String {
    let shown = text.escape_debug();
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        let brackets = if address.is_ipv6() { " (IPv6 addresses stand in brackets)" } else { "" };
        return format!("`{shown}` has no port{brackets}; write \"{}\"", with_port(address, 80));
    }
    if let Some((address, port)) = text.rsplit_once(':') {
        let address = address.trim_matches(['[', ']']).parse::<IpAddr>();
        if let (Ok(address), Err(_)) = (address, port.parse::<u16>()) {
            let port = port.escape_debug();
            return format!("`{port}` is not a port from 1 to 65535; write \"{}\"", with_port(address, 80));
        }
    }
    format!(
        "`{shown}` is not an IP address with a port; write \"10.0.0.12:80\" or \"[2001:db8::12]:80\" (names are not looked up)"
    )
}

fn unusable(endpoint: &SocketAddr) -> Option<&'static str> {
    let broadcast = matches!(endpoint.ip(), IpAddr::V4(address) if address.is_broadcast());
    match endpoint {
        _ if endpoint.ip().is_unspecified() => Some("stands for any address; write the one address that is meant"),
        _ if endpoint.ip().is_multicast() || broadcast => Some("is no address of one host; write a unicast address"),
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => Some("is a link-local address; write a global one"),
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Some("is given with a zone; write it without `%`"),
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => {
            Some("is an IPv4 address in IPv6 clothes and never on the wire; write the IPv4 address")
        }
        _ => None,
    }
}
