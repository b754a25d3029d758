//! The state of a data plane: what is wanted (`desired`) and what is there (`actual`) are values of one type.

use crate::{RealServer, ServiceKey, ServiceOptions, Sysctls, Timeouts};
use std::collections::BTreeMap;

/// Everything the maps say about services. Built from the configuration plus observations (desired), or read back
/// from the maps (actual).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Services by key.
    pub services: BTreeMap<ServiceKey, ServiceState>,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// IPVS's sysctls.
    pub sysctls: Sysctls,
}

/// One service and its servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceState {
    /// As configured.
    pub options: ServiceOptions,
    /// Observation: the virtual address is this node's to forward.
    pub owned: bool,
    /// Servers in the order they were added, oldest first.
    pub servers: Vec<ServerState>,
}

/// One real server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerState {
    /// As configured.
    pub server: RealServer,
    /// Observation: how it is reached.
    pub reach: Reach,
}

/// How a real server is reached, as observed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Not known (yet, or any more): effective weight 0.
    Unresolved,
    /// The address is this host's own: delivered to the local stack.
    Local,
    /// Through this next hop.
    Via(Hop),
}

/// A next hop on a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Interface index.
    pub interface: u32,
    /// The VLAN to send in; 0 for none.
    pub vlan: u16,
    /// Receiver.
    pub destination: wire::MacAddress,
    /// The interface's own address.
    pub source: wire::MacAddress,
    /// Largest packet that the interface takes.
    pub mtu: u32,
    /// This host's address for those who are reached through it: the source of tunnels. Not known to the data plane for
    /// other methods.
    pub address: Option<std::net::IpAddr>,
}

/// One step from an actual state towards a desired one. Each is idempotent and touches only what it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A service that was not there, without servers.
    AddService {
        /// Key.
        service: ServiceKey,
        /// Options.
        options: ServiceOptions,
        /// Observation.
        owned: bool,
    },
    /// Other options, or another owner. Connections stay.
    EditService {
        /// Key.
        service: ServiceKey,
        /// Options.
        options: ServiceOptions,
        /// Observation.
        owned: bool,
    },
    /// The service and its servers; their connections become "no destination".
    RemoveService {
        /// Key.
        service: ServiceKey,
    },
    /// A server at the end of the order of addition.
    AddServer {
        /// Key of the service.
        service: ServiceKey,
        /// The server.
        server: ServerState,
    },
    /// Other weight, method or reach of the server with this endpoint. Connections stay.
    EditServer {
        /// Key of the service.
        service: ServiceKey,
        /// The server.
        server: ServerState,
    },
    /// The server with this endpoint; its connections become "no destination".
    RemoveServer {
        /// Key of the service.
        service: ServiceKey,
        /// Endpoint of the server.
        server: crate::Endpoint,
    },
    /// Time-outs.
    SetTimeouts(Timeouts),
    /// Sysctls, all of them.
    SetSysctls(Sysctls),
}
