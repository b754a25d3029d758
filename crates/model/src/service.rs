//! The nouns of LVS: virtual services and their real servers, as configured.

use crate::{ForwardingMethod, Key, LocalAddresses, Persistence, PersistenceEngine, Scheduler, SchedulerFlags};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// Transport protocol of a service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

impl Protocol {
    /// The IP protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => wire::protocol::TCP,
            Self::Udp => wire::protocol::UDP,
            Self::Sctp => wire::protocol::SCTP,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// An address and a port.
pub type Endpoint = SocketAddr;

/// Where packets of a service go: what the data plane finds it by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ServiceKey {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Virtual address and port.
    pub endpoint: Endpoint,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.protocol, self.endpoint)
    }
}

/// Share of new connections; 0 means none (quiesced). At most 2147483647, as in IPVS.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Weight(u32);

impl Weight {
    /// The largest weight.
    pub const MAX: u32 = i32::MAX as u32;

    /// A weight, if `value` is not over [`MAX`](Self::MAX).
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX { Some(Self(value)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

impl From<Weight> for u32 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl TryFrom<u32> for Weight {
    type Error = String;
    fn try_from(value: u32) -> Result<Self, String> {
        Self::new(value).ok_or_else(|| format!("weight {value} is over the largest, {}", Self::MAX))
    }
}

/// How many connections a server takes (`-x`, `-y`); 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Thresholds {
    /// From this many on it gets no new ones.
    pub upper: u32,
    /// Below this many it gets new ones again; never over `upper`.
    pub lower: u32,
}

impl Thresholds {
    /// True when there are none.
    pub const fn are_none(&self) -> bool {
        self.upper == 0 && self.lower == 0
    }
}

/// A real server of a service, as configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RealServer {
    /// Address and port. Unless the method is NAT the port is the service's.
    pub endpoint: Endpoint,
    /// How packets reach it.
    pub method: ForwardingMethod,
    /// Its share of new connections.
    pub weight: Weight,
    /// How many connections it takes.
    #[serde(default, skip_serializing_if = "Thresholds::are_none")]
    pub thresholds: Thresholds,
}

impl RealServer {
    /// A server without thresholds.
    pub const fn new(endpoint: Endpoint, method: ForwardingMethod, weight: Weight) -> Self {
        Self { endpoint, method, weight, thresholds: Thresholds { upper: 0, lower: 0 } }
    }

    /// As IPVS makes it a server of `service`: only NAT rewrites ports, so whatever port was given to another, the
    /// server's is the service's. A service by firewall mark has none to give.
    pub const fn in_service(mut self, service: &Key) -> Self {
        if self.method.keeps_port()
            && let Some(endpoint) = service.endpoint()
        {
            self.endpoint.set_port(endpoint.port());
        }
        self
    }
}

/// What a service is besides its key and its servers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ServiceOptions {
    /// How servers are chosen.
    pub scheduler: Scheduler,
    /// Flags of the scheduler.
    #[serde(default)]
    pub scheduler_flags: SchedulerFlags,
    /// Forwarded even where the virtual address is not an address of this node (`any = true`).
    #[serde(default)]
    pub any: bool,
    /// Name given in xlvs.toml, for listings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A client stays with its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
    /// What persistence goes by instead of the client's address (`--pe`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence_engine: Option<PersistenceEngine>,
    /// Every packet is scheduled by itself (`-o`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_packet: bool,
    /// What the servers of FullNAT see as their clients (`--local-address`).
    #[serde(default, skip_serializing_if = "LocalAddresses::is_empty")]
    pub local_addresses: LocalAddresses,
    /// What becomes of connections to servers that answer through this node is counted. Nothing that is configured: it follows from
    /// [`crate::health::ServiceHealth::passive`].
    #[serde(skip)]
    pub watched: bool,
}

/// A virtual service with its servers in the order they were added (the kernel's list is the reverse).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VirtualService {
    /// What it is known by.
    pub key: Key,
    /// What it does.
    pub options: ServiceOptions,
    /// Its servers, oldest first.
    pub servers: Vec<RealServer>,
}

/// The three time-outs that `ipvsadm --set` changes, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timeouts {
    /// Established TCP.
    pub tcp: u32,
    /// TCP after a FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { tcp: 900, tcp_fin: 120, udp: 300 }
    }
}
