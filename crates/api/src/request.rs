//! Everything the daemon can be asked.

use crate::connections::ConnectionsRequest;
use crate::explanation::ExplainRequest;
use model::{Config, Endpoint, Key, LaneChoice, RealServer, ServiceOptions, SyncDaemon, SyncRole, Sysctl};
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
    /// `xlvs plan`: what [`Request::Apply`] would change. Changes nothing.
    Plan {
        /// A whole configuration: the truth for what it names, now or at the last time.
        config: Box<Config>,
    },
    /// `xlvs apply`: takes a configuration over, whole or not at all.
    Apply {
        /// As in [`Request::Plan`].
        config: Box<Config>,
        /// What was before comes back after so many seconds unless [`Request::Confirm`] comes first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirm_within: Option<u32>,
        /// Only if this is still the generation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generation: Option<u64>,
    },
    /// `xlvs roll-back`: what was before the configuration on trial is there again, at once.
    RollBack,
    /// What is on trial stays.
    Confirm {
        /// Name of the interface; without it all of them, and the configuration.
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
