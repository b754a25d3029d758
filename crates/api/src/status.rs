//! The daemon and its data plane.

use model::Lane;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The daemon and its data plane.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Process.
    pub pid: u32,
    /// Generation of the configuration.
    pub generation: u64,
    /// Where the maps and links are pinned.
    pub pin_directory: String,
    /// Interfaces.
    pub interfaces: Vec<InterfaceStatus>,
    /// Ways out that lose what XDP sends there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lossy: Vec<LossyWay>,
    /// Attachments that end by themselves unless they are confirmed.
    #[serde(default)]
    pub trials: Vec<TrialStatus>,
    /// The file that the daemon was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// The configuration is on trial: whole seconds until what was before comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<u64>,
    /// Services configured.
    pub services: usize,
    /// Servers configured.
    pub servers: usize,
    /// Services with checks.
    #[serde(default)]
    pub health: Vec<ServiceHealthStatus>,
    /// Connection tables.
    pub connections: Vec<ConnectionTableStatus>,
    /// Every counter of the forwarding path by name, drops among them.
    pub counters: BTreeMap<String, u64>,
    /// Things an operator should know, one line each.
    pub notes: Vec<String>,
}

/// One interface with the programs attached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Name.
    pub name: String,
    /// Index.
    pub index: u32,
    /// Where the programs are.
    pub lane: Lane,
    /// Why there, for people.
    pub reason: String,
    /// Frames whose transport checksum was only started (transmit offload of a peer on the same host).
    pub partial_checksums: u64,
    /// Those of the last minute; 0 while chance explains them.
    #[serde(default)]
    pub recent_partial_checksums: u64,
}

/// An interface that packets leave by, where those are lost that lane xdp sends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LossyWay {
    /// Name of the interface.
    pub interface: String,
    /// What is lost, and why.
    pub what: String,
    /// Commands that mend it.
    pub fix: String,
}

impl std::fmt::Display for LossyWay {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { interface, what, fix } = self;
        write!(formatter, "interface {interface}: {what} ({fix})")
    }
}

/// An attachment on trial.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrialStatus {
    /// Name of the interface.
    pub interface: String,
    /// Whole seconds until it is detached.
    pub seconds_left: u64,
    /// The command that keeps it.
    pub confirm: String,
}

/// One connection table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConnectionTableStatus {
    /// 4 or 6.
    pub family: u8,
    /// Entries in use (NAT uses two per connection), as of the last sweep.
    pub used: u64,
    /// Entries there is room for.
    pub size: u64,
    /// Memory per entry, in bytes.
    pub entry_bytes: u64,
}

/// The health of a service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceHealthStatus {
    /// Which service.
    pub service: model::Key,
    /// Enough weight is alive.
    pub quorum: bool,
    /// Weight that is alive.
    pub alive: u64,
    /// Weight that is needed.
    pub needed: u32,
    /// The sorry server takes all connections.
    pub sorry: bool,
    /// Its servers, as configured.
    pub servers: Vec<ServerHealthStatus>,
}

/// The health of a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerHealthStatus {
    /// Which server.
    pub server: model::Endpoint,
    /// All its checks succeed, and it is not out by what its clients met.
    pub up: bool,
    /// The weight with which it is in the table; none: it is not.
    #[serde(default)]
    pub weight: Option<u32>,
    /// Its checks.
    pub checks: Vec<CheckStatus>,
    /// What its clients met, where that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveStatus>,
}

/// What the connections of clients tell of a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PassiveStatus {
    /// Milliseconds that these counts are of, since the last burst at most.
    pub within: u64,
    /// Connections of known clients that were begun, or failed to.
    pub begun: u32,
    /// Those of them that were not answered.
    pub unanswered: u32,
    /// Those of them that were reset at their beginning.
    pub reset: u32,
    /// How many clients met either, at least.
    pub failed_clients: u32,
    /// How many clients had connections, at least.
    pub clients: u32,
    /// Bursts so far.
    pub bursts: u64,
    /// While it is out: for what.
    pub out: Option<String>,
    /// While it is out: seconds until it may return; at 0 it waits for its checks.
    pub seconds_left: Option<u64>,
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckStatus {
    /// tcp, http, https, smtp, dns, udp, ping, grpc, script, file or bfd.
    pub kind: String,
    /// It counts as succeeding.
    pub up: bool,
    /// How often it was made.
    pub made: u64,
    /// How often it failed.
    pub failed: u64,
    /// Seconds since it became what it is.
    pub seconds: u64,
    /// How it ended last, in words; none before its first time.
    pub last: Option<String>,
    /// How it failed last, if it ever did.
    #[serde(default)]
    pub last_failure: Option<PastFailure>,
    /// Seconds until it is made again; none while it is being made.
    #[serde(default)]
    pub next_seconds: Option<u64>,
}

/// How a check failed, and when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PastFailure {
    /// Seconds since.
    pub seconds: u64,
    /// In words.
    pub why: String,
}
