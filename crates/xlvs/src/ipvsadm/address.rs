//! Addresses as ipvsadm reads them: `10.0.0.1:80`, `localhost:http`, `[fd00::1]:443`, `fd00::1`, `10.1`.

use super::number;
use crate::table::services;
use model::Protocol;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};

/// Reads `host[:port]`; the port may be a name that `protocol` has in /etc/services.
///
/// The odd cases are the real program's: an IPv4 address in brackets loses its port, an IPv6 address without
/// brackets has none, brackets without `:port` are not read.
pub(crate) fn parse(text: &str, protocol: Option<Protocol>) -> Option<(IpAddr, Option<u16>)> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (inside, after) = bracketed.split_once(']')?;
            (inside, Some(after.strip_prefix(':')?))
        }
        None => (text, None),
    };
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Some((address.into(), parse_port(port, protocol)?));
    }
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    };
    Some((parse_ipv4(host)?.into(), parse_port(port, protocol)?))
}

/// An IPv4 address: four numbers, one of inet_aton's shorter forms, or a name.
pub(crate) fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let text = text.trim_end();
    if text.is_empty() {
        return None;
    }
    let found = (text, 0).to_socket_addrs().ok()?;
    found.into_iter().find_map(|address| match address.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
}

/// `None` when there is a port that cannot be read, `Some(None)` when there is none.
#[expect(clippy::option_option, reason = "absent and unreadable are two different things")]
fn parse_port(text: Option<&str>, protocol: Option<Protocol>) -> Option<Option<u16>> {
    let Some(text) = text else { return Some(None) };
    let number = number::parse_u16(text, 0..=65535);
    let named = || services::port_of(text, protocol?);
    number.or_else(named).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("10.0.0.1:80", Some(("10.0.0.1", Some(80)))),
            ("10.0.0.1", Some(("10.0.0.1", None))),
            ("10.0.0.1:+81", Some(("10.0.0.1", Some(81)))),
            ("10.0.0.1: 80", Some(("10.0.0.1", Some(80)))),
            ("10.0.0.1 :80", Some(("10.0.0.1", Some(80)))),
            ("10.1:80", Some(("10.0.0.1", Some(80)))),
            ("0x0a000005:80", Some(("10.0.0.5", Some(80)))),
            ("012.0.0.6:80", Some(("10.0.0.6", Some(80)))),
            ("[fd00::1]:80", Some(("fd00::1", Some(80)))),
            ("[::ffff:10.0.0.1]:80", Some(("::ffff:10.0.0.1", Some(80)))),
            ("fd00::21:80", Some(("fd00::21:80", None))),
            ("[10.0.0.21]:80", Some(("10.0.0.21", None))),
            ("80", None),
            ("", None),
            (":80", None),
            ("10.0.0.1:", None),
            ("10.0.0.1:-1", None),
            ("10.0.0.1:65536", None),
            ("10.0.0.1:no-such-port", None),
            ("10.0.0.1:1:80", None),
            ("10.0.0.256:80", None),
            ("[::1:80", None),
            ("[::1]", None),
            ("[::1]80", None),
            ("[]:80", None),
            ("[fd00::zz]:80", None),
            ("[fe80::1%eth0]:80", None),
        ] {
            let expected = expected.map(|(address, port)| (address.parse().unwrap(), port));
            assert_eq!(parse(text, Some(Protocol::Tcp)), expected, "{text:?}");
        }
    }
}
