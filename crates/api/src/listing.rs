//! Services and servers with what is known of them.

use model::{RealServer, SyncDaemon, SyncRole, Timeouts, VirtualService};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Services as configured, with what is known of them.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Listing {
    /// Sorted by key.
    pub services: Vec<ServiceView>,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// Synchronization daemons, master before backup.
    #[serde(default)]
    pub synchronization: BTreeMap<SyncRole, SyncDaemon>,
    /// Size of the connection table, as `ipvsadm -L` prints it.
    pub connection_table_size: u64,
}

/// One service.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ServiceView {
    /// As configured; servers in `servers` below, this list is empty.
    pub service: VirtualService,
    /// Servers in the order they were added.
    pub servers: Vec<ServerView>,
    /// The virtual address is this node's to forward.
    pub owned: bool,
    /// Counters since the last zero point.
    pub counters: TrafficCounters,
    /// Rates per second (two-second estimate as in IPVS).
    pub rates: TrafficRates,
}

/// One real server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ServerView {
    /// As configured.
    pub server: RealServer,
    /// How it is reached now.
    pub reach: ReachView,
    /// Why it is not in the rotation, where it is not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Obstacle>,
    /// Connections in an active state.
    pub active: u32,
    /// Other connections.
    pub inactive: u32,
    /// Counters since the last zero point.
    pub counters: TrafficCounters,
    /// Rates per second.
    pub rates: TrafficRates,
}

impl From<RealServer> for ServerView {
    /// A server of which nothing has been seen yet.
    fn from(server: RealServer) -> Self {
        Self {
            server,
            reach: ReachView::Unresolved,
            obstacle: None,
            active: 0,
            inactive: 0,
            counters: TrafficCounters::default(),
            rates: TrafficRates::default(),
        }
    }
}

/// What keeps a server out of the rotation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Obstacle {
    /// What is wrong, for people.
    pub what: String,
    /// The command that mends it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.what)?;
        self.fix.iter().try_for_each(|fix| write!(formatter, " ({fix})"))
    }
}

/// How a server is reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "reach")]
pub enum ReachView {
    /// Its neighbour entry is not resolved: not in the rotation.
    Unresolved,
    /// On this host.
    Local,
    /// Through an interface.
    Via {
        /// Interface name.
        interface: String,
        /// Link-layer address of the next hop.
        address: String,
    },
}

/// Traffic since a zero point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TrafficCounters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets from servers.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes from servers.
    pub out_bytes: u64,
}

/// Traffic per second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TrafficRates {
    /// Connections.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets from servers.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes from servers.
    pub out_bytes: u64,
}
