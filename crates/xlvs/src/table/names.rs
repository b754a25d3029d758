//! Hosts and ports as numbers or by the names this host knows them by.
#![expect(unsafe_code, reason = "getnameinfo has no safe wrapper in the libraries used")]

use super::services::Services;
use model::{Endpoint, Protocol};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::net::{IpAddr, SocketAddr};

/// Where names come from.
pub(crate) enum Names {
    /// There are none: `-n`.
    Numbers,
    /// From /etc/services, /etc/hosts and DNS.
    System {
        services: Services,
        /// Every address is asked for once.
        hosts: RefCell<HashMap<IpAddr, Option<String>>>,
    },
}

impl Names {
    /// This host's names.
    pub(crate) fn system() -> Self {
        Self::System { services: Services::read(), hosts: RefCell::default() }
    }

    /// Names of ports only; no host has one.
    #[cfg(test)]
    pub(crate) fn of(services: Services) -> Self {
        let nobody: HashMap<IpAddr, Option<String>> = HashMap::new();
        Self::System { services, hosts: RefCell::new(nobody) }
    }

    /// `address:port`, with brackets around what is IPv6. Ports have names where there is a protocol.
    pub(crate) fn endpoint(&self, endpoint: Endpoint, protocol: Option<Protocol>) -> String {
        let (host, port) = match self {
            Self::Numbers => return endpoint.to_string(),
            Self::System { services, hosts } => {
                let host = hosts.borrow_mut().entry(endpoint.ip()).or_insert_with(|| host_name(endpoint.ip())).clone();
                (host, protocol.and_then(|protocol| services.name_of(endpoint.port(), protocol)))
            }
        };
        let host = host.unwrap_or_else(|| endpoint.ip().to_string());
        let port = port.map_or_else(|| endpoint.port().to_string(), str::to_owned);
        if endpoint.is_ipv6() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// The name of an address, if it has one.
fn host_name(address: IpAddr) -> Option<String> {
    let address = nix::sys::socket::SockaddrStorage::from(SocketAddr::new(address, 0));
    let mut name = [0_u8; 1025];
    let room = libc::socklen_t::try_from(name.len()).ok()?;
    let (pointer, length) = {
        use nix::sys::socket::SockaddrLike;
        (address.as_ptr(), address.len())
    };
    // SAFETY: `pointer` is a socket address of `length` bytes that lives in `address`; `name` has room for `room`
    // bytes; no service name is asked for, so its buffer may be null.
    let failed = unsafe {
        libc::getnameinfo(pointer, length, name.as_mut_ptr().cast(), room, std::ptr::null_mut(), 0, libc::NI_NAMEREQD)
    };
    if failed != 0 {
        return None;
    }
    CStr::from_bytes_until_nul(&name).ok()?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for text in ["10.0.0.1:80", "[fd00::1]:443", "[::ffff:10.0.0.1]:80"] {
            assert_eq!(Names::Numbers.endpoint(text.parse().unwrap(), Some(Protocol::Tcp)), text);
        }
    }

    #[test]
    fn names_where_there_are_some() {
        let hosts = HashMap::from([
            ("10.0.0.1".parse().unwrap(), Some("vip.example".to_owned())),
            ("fd00::1".parse().unwrap(), Some("vip6.example".to_owned())),
            ("10.0.0.2".parse().unwrap(), None),
        ]);
        let services = Services::parse("http 80/tcp www\ndomain 53/udp\n");
        let names = Names::System { services, hosts: RefCell::new(hosts) };
        for (endpoint, protocol, expected) in [
            ("10.0.0.1:80", Protocol::Tcp, "vip.example:http"),
            ("10.0.0.1:80", Protocol::Udp, "vip.example:80"),
            ("10.0.0.2:53", Protocol::Udp, "10.0.0.2:domain"),
            ("10.0.0.2:81", Protocol::Tcp, "10.0.0.2:81"),
            ("[fd00::1]:80", Protocol::Tcp, "[vip6.example]:http"),
        ] {
            assert_eq!(names.endpoint(endpoint.parse().unwrap(), Some(protocol)), expected);
        }
    }

    #[test]
    fn the_loopback_address_has_a_name() {
        // Every /etc/hosts says so; where there is none, there is no name either.
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        let line = hosts.lines().find(|line| line.split_whitespace().next() == Some("127.0.0.1"));
        if let Some(name) = line.and_then(|line| line.split_whitespace().nth(1)) {
            assert_eq!(host_name("127.0.0.1".parse().unwrap()).as_deref(), Some(name));
        }
    }
}
