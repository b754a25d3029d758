//! Persistence: a client stays with its server for a while.

use serde::{Deserialize, Serialize};

/// `-p`, and `-M`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Persistence {
    /// Seconds from the last connection of the client on.
    pub timeout: u32,
    /// Which clients count as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<Granularity>,
}

impl Persistence {
    /// What `-p` means without a value, in seconds.
    pub const DEFAULT_TIMEOUT: u32 = 360;
}

/// What persistence goes by instead of the client's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersistenceEngine {
    /// The call of a SIP message.
    Sip,
}

impl PersistenceEngine {
    /// The name that ipvsadm uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
        }
    }

    /// The engine of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        (name == Self::Sip.name()).then_some(Self::Sip)
    }
}

/// `-M`: the part of a client's address that counts. A whole address is no granularity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// IPv4: a mask, of any shape, as ipvsadm takes it.
    Mask(std::net::Ipv4Addr),
    /// IPv6: so many bits from the left, 1 to 127.
    Prefix(u8),
}

impl Granularity {
    /// True when it can stand with a service of this family.
    pub const fn fits(self, is_ipv6: bool) -> bool {
        match self {
            Self::Mask(_) => !is_ipv6,
            Self::Prefix(length) => is_ipv6 && length >= 1 && length <= 127,
        }
    }

    /// The mask, if it is not the whole address.
    pub fn mask(mask: std::net::Ipv4Addr) -> Option<Self> {
        (!mask.is_broadcast()).then_some(Self::Mask(mask))
    }

    /// The prefix, if it is not the whole address.
    pub fn prefix(length: u8) -> Option<Self> {
        (length < 128).then_some(Self::Prefix(length))
    }
}
