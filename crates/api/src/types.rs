//! Requests, answers, and the views they carry.

use crate::connections::{ConnectionsPage, ConnectionsRequest};
use model::{
    Endpoint, Key, Lane, LaneChoice, RealServer, ServiceKey, ServiceOptions, SyncDaemon, SyncRole, Sysctl, Timeouts,
    VirtualService,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything the daemon can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// `-A`
    AddService {
        /// What it is known by.
        key: Key,
        /// What it does.
        options: ServiceOptions,
    },
    /// `-E`
    EditService {
        /// What it is known by.
        key: Key,
        /// What it does from now on.
        options: ServiceOptions,
    },
    /// `-D`
    DeleteService {
        /// What it is known by.
        key: Key,
    },
    /// `-C`
    Flush,
    /// `-a`
    AddServer {
        /// Key of the service.
        service: Key,
        /// The new server.
        server: RealServer,
    },
    /// `-e`
    EditServer {
        /// Key of the service.
        service: Key,
        /// The server with this endpoint, as it shall be.
        server: RealServer,
    },
    /// `-d`
    DeleteServer {
        /// Key of the service.
        service: Key,
        /// Endpoint of the server.
        endpoint: Endpoint,
    },
    /// `-Z`: a new zero point for the counters.
    Zero {
        /// Only this service; all without it.
        service: Option<Key>,
    },
    /// `--set`; `None` keeps a value.
    SetTimeouts {
        /// Established TCP, in seconds.
        tcp: Option<u32>,
        /// TCP after a FIN, in seconds.
        tcp_fin: Option<u32>,
        /// UDP, in seconds.
        udp: Option<u32>,
    },
    /// `xlvs sysctl NAME=VALUE`: the others keep their values.
    SetSysctls {
        /// New values.
        values: BTreeMap<Sysctl, u32>,
    },
    /// `--start-daemon`
    StartSync {
        /// Which end.
        role: SyncRole,
        /// How.
        daemon: SyncDaemon,
    },
    /// `--stop-daemon`
    StopSync {
        /// Which end.
        role: SyncRole,
    },
    /// Several requests that change the configuration, whole or not at all.
    Batch {
        /// In this order.
        requests: Vec<Request>,
    },
    /// `-L`: services, servers, counters, time-outs.
    List,
    /// `-L -c`, `xlvs conns`: a page of the connections.
    Connections(ConnectionsRequest),
    /// `xlvs sysctl`: all with their values.
    Sysctls,
    /// `xlvs status`.
    Status,
    /// `xlvs explain`.
    Explain(ExplainRequest),
    /// Attach the programs to an interface.
    Attach {
        /// Its name.
        interface: String,
        /// Take the hook over from another owner.
        force: bool,
        /// Where; without it the lane stays as it is, or is chosen.
        #[serde(default)]
        lane: Option<LaneChoice>,
        /// Detach after so many seconds unless [`Request::Confirm`] comes first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirm_within: Option<u32>,
    },
    /// Attachments on trial stay.
    Confirm {
        /// Name of the interface; all without it.
        interface: Option<String>,
    },
    /// Detach from an interface.
    Detach {
        /// Its name; all without it.
        interface: Option<String>,
    },
    /// Leave: `xlvs stop`.
    Stop {
        /// Leave the programs attached and the maps pinned.
        keep_forwarding: bool,
    },
}

/// What would happen to a packet from `client` to `virtual_service`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// TCP or UDP, with the virtual endpoint.
    pub service: ServiceKey,
    /// Client address and port.
    pub client: Endpoint,
}

/// An answer: what was asked for, or why not.
pub type Reply = Result<Response, Refusal>;

/// What was asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Response {
    /// It is done, as this generation of the configuration.
    Done {
        /// Grows by one with every change.
        generation: u64,
    },
    /// Answer to [`Request::Attach`].
    Attached {
        /// Its name.
        interface: String,
        /// How.
        lane: String,
        /// It was so before.
        before: bool,
        /// Seconds until it is detached again, unless it is confirmed.
        confirm_within: Option<u32>,
    },
    /// Answer to [`Request::Confirm`]: these stay.
    Confirmed {
        /// Names.
        interfaces: Vec<String>,
    },
    /// Answer to [`Request::List`].
    Listing(Listing),
    /// Answer to [`Request::Connections`].
    Connections(ConnectionsPage),
    /// Answer to [`Request::Sysctls`].
    Sysctls {
        /// By name.
        sysctls: Vec<SysctlView>,
    },
    /// Answer to [`Request::Status`].
    Status(Status),
    /// Answer to [`Request::Explain`].
    Explanation(Explanation),
}

/// Why a request was not carried out. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{}{message}", place(*request))]
pub struct Refusal {
    /// The kind, for programs.
    pub kind: RefusalKind,
    /// One line for people: the place and the remedy.
    pub message: String,
    /// Which request of a batch it was, from 0. The others were not carried out either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<usize>,
}

/// The place in a batch, as a beginning of the line for people.
fn place(request: Option<usize>) -> String {
    request.map(|index| format!("request {} of the batch: ", index + 1)).unwrap_or_default()
}

/// Kinds of refusal; the first five are IPVS's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// EEXIST of a service.
    ServiceExists,
    /// ESRCH
    NoSuchService,
    /// EEXIST of a server.
    ServerExists,
    /// ENOENT
    NoSuchServer,
    /// A value that cannot be.
    Invalid,
    /// ERANGE: a lower threshold over the upper one.
    OutOfRange,
    /// ENODEV
    NoSuchInterface,
    /// EEXIST of a synchronization daemon.
    DaemonRuns,
    /// ESRCH of a synchronization daemon.
    NoDaemon,
    /// A table is full.
    NoSpace,
    /// Known to LVS, not built here yet.
    Unsupported,
    /// Another owner holds the hook, or the machine refuses.
    Conflict,
    /// Our fault.
    Internal,
}

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
    /// Connections in an active state.
    pub active: u32,
    /// Other connections.
    pub inactive: u32,
    /// Counters since the last zero point.
    pub counters: TrafficCounters,
    /// Rates per second.
    pub rates: TrafficRates,
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

/// One of IPVS's sysctls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SysctlView {
    /// Its name.
    pub name: Sysctl,
    /// Its value.
    pub value: u32,
    /// The kernel's default.
    pub default: u32,
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
    /// Services configured.
    pub services: usize,
    /// Servers configured.
    pub servers: usize,
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

/// What the loaded program would do with the packet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// "forward", "pass" or "drop".
    pub verdict: String,
    /// Counter or drop reason by name.
    pub reason: String,
    /// One sentence for people.
    pub because: String,
    /// Why there may be no answer all the same, one line each.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The server that would get it.
    pub server: Option<Endpoint>,
    /// The frame that would leave, as hexadecimal digits.
    pub frame: Option<String>,
}
