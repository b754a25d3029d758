//! What is kept by service id for as long as connections may name servers of it, though the service itself is gone.

use crate::error::{Doing, Error};
use crate::maps::Maps;
use crate::translate;
use forward::abi::{self, Address6, Port, Statistics};
use model::ServiceKey;
use std::net::IpAddr;

/// An element of the map `RETIRED`. 64 bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Retired {
    /// Sums of removed servers.
    pub(crate) sums: Statistics,
    /// The service, an IPv4 address mapped into IPv6.
    key: abi::ServiceKey<Address6>,
}

const _: () = assert!(size_of::<Retired>() == size_of::<Statistics>() + size_of::<abi::ServiceKey<Address6>>());

impl Retired {
    /// Of a service that has had no servers yet.
    pub(crate) fn of_new(service: &ServiceKey) -> Self {
        let address = match service.endpoint.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let (port, protocol) = (Port::new(service.endpoint.port()), service.protocol.number());
        Self { sums: Statistics::default(), key: abi::ServiceKey::new(address.into(), port, protocol) }
    }

    fn service_key(&self) -> Option<ServiceKey> {
        let mut key = translate::service_key(&self.key)?;
        key.endpoint.set_ip(key.endpoint.ip().to_canonical());
        Some(key)
    }
}

/// The service that has, or had, this id.
pub(crate) fn service_key(maps: &Maps, id: u32) -> Result<ServiceKey, Error> {
    let found = maps.retired.get(&id).doing(|| format!("read what is kept of service {id}"))?;
    let key = found.and_then(|found| found.service_key());
    key.ok_or_else(|| Error::Inconsistent(format!("a removed server is of service {id}, which never was")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Protocol;

    #[test]
    fn keys_of_both_families_come_back() {
        for (protocol, endpoint) in [(Protocol::Tcp, "10.0.0.1:80"), (Protocol::Udp, "[fd00::5]:53")] {
            let key = ServiceKey { protocol, endpoint: endpoint.parse().unwrap() };
            assert_eq!(Retired::of_new(&key).service_key(), Some(key));
        }
    }
}
