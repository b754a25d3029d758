//! What a virtual service is known by: where its packets go, or a mark that they have.

pub mod pairs;

use crate::{Endpoint, Protocol, ServiceKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a virtual service is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(untagged, try_from = "Written")]
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

/// A key as it stands in JSON, before it is known which kind it is.
#[derive(Deserialize)]
struct Written {
    protocol: Option<Protocol>,
    endpoint: Option<Endpoint>,
    mark: Option<u32>,
    #[serde(default)]
    ipv6: bool,
}

impl TryFrom<Written> for Key {
    type Error = &'static str;
    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written { protocol: Some(protocol), endpoint: Some(endpoint), mark: None, .. } => {
                Ok(ServiceKey { protocol, endpoint }.into())
            }
            Written { protocol: None, endpoint: None, mark: Some(mark), ipv6 } => {
                Ok(Self::Mark(FirewallMark { mark, ipv6 }))
            }
            _ => Err("a service is known by `protocol` and `endpoint`, or by `mark`; write one of the two"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_json() {
        for text in [
            r#"{"protocol":"tcp","endpoint":"10.0.0.1:80"}"#,
            r#"{"protocol":"sctp","endpoint":"[fd00::1]:0"}"#,
            r#"{"mark":7,"ipv6":true}"#,
        ] {
            let key: Key = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&key).unwrap(), text);
        }
        let short: Key = serde_json::from_str(r#"{"mark":7}"#).unwrap();
        assert_eq!(short.to_string(), "fwmark 7");
        for wrong in [r#"{"protocol":"tcp"}"#, r#"{"protocol":"tcp","endpoint":"10.0.0.1:80","mark":7}"#, "{}"] {
            let error = serde_json::from_str::<Key>(wrong).unwrap_err().to_string();
            assert!(error.contains("or by `mark`"), "{error}");
        }
    }

    #[test]
    fn only_what_packets_can_match_acts() {
        for (text, acts) in [
            (r#"{"protocol":"udp","endpoint":"10.0.0.1:53"}"#, true),
            (r#"{"protocol":"udp","endpoint":"10.0.0.1:0"}"#, false),
            (r#"{"protocol":"sctp","endpoint":"10.0.0.1:53"}"#, false),
            (r#"{"mark":7}"#, false),
        ] {
            let key: Key = serde_json::from_str(text).unwrap();
            assert_eq!((key.acting().is_some(), key.dormant().is_none()), (acts, acts), "{text}");
        }
    }
}
