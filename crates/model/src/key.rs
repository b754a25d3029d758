//! What a virtual service is known by: where its packets go, or a mark that they have.

use crate::{Endpoint, Protocol, ServiceKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a virtual service is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// `-t`, `-u`, `--sctp-service`
    Endpoint(ServiceKey),
    /// `-f`
    Mark(FirewallMark),
}

/// A service of all packets that a classifier gave this mark, of one family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct FirewallMark {
    /// Never 0.
    pub mark: u32,
    /// `-6`
    #[serde(default)]
    pub ipv6: bool,
}

impl Key {
    /// The transport protocol, where there is one.
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Endpoint(key) => Some(key.protocol),
            Self::Mark(_) => None,
        }
    }

    /// The virtual address and port, where there are any.
    pub const fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Endpoint(key) => Some(key.endpoint),
            Self::Mark(_) => None,
        }
    }

    /// True for services of IPv6.
    pub const fn is_ipv6(&self) -> bool {
        match self {
            Self::Endpoint(key) => key.endpoint.is_ipv6(),
            Self::Mark(mark) => mark.ipv6,
        }
    }

    /// What the data plane finds the service by. None where it matches no packet yet: marks, SCTP, all ports.
    pub fn acting(&self) -> Option<ServiceKey> {
        match self {
            Self::Endpoint(key) if key.protocol != Protocol::Sctp && key.endpoint.port() != 0 => Some(*key),
            _ => None,
        }
    }
}

impl From<ServiceKey> for Key {
    fn from(key: ServiceKey) -> Self {
        Self::Endpoint(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(key) => key.fmt(formatter),
            Self::Mark(FirewallMark { mark, ipv6 }) => {
                write!(formatter, "fwmark {mark}{}", if *ipv6 { " ipv6" } else { "" })
            }
        }
    }
}
