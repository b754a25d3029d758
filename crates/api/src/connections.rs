//! The connections, page by page.

use model::{Endpoint, Protocol};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A page of the connections that match. Memory and time of a page are bounded; an answer with a `next` says where to
/// ask for the following one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionsRequest {
    /// Only those that match.
    pub filter: ConnectionFilter,
    /// Where the page begins: `next` of the one before; none for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ConnectionsPlace>,
    /// The page may end when this many were found (it may hold some more); none: when it is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enough: Option<u32>,
}

/// Which connections; what is not said matches all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionFilter {
    /// Of this protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// To this virtual address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Endpoint>,
    /// From this client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// To this real server, whatever the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<IpAddr>,
    /// In this state, by the name it is listed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// A place in the connection tables. What it says is the data plane's business.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConnectionsPlace {
    /// 4 or 6.
    pub family: u8,
    /// Place in the table of that family.
    pub position: Option<u32>,
}

/// Some of the connections.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ConnectionsPage {
    /// Those found, in the order of the tables: IPv4 first, otherwise none that means anything.
    pub connections: Vec<ConnectionView>,
    /// Where the next page begins; none after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<ConnectionsPlace>,
}

/// One connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConnectionView {
    /// Transport protocol.
    pub protocol: Protocol,
    /// State by the kernel's name for it; `UDP` for UDP.
    pub state: String,
    /// Seconds until it expires if it stays silent.
    pub expires: u32,
    /// Address and port of the client.
    pub client: Endpoint,
    /// Virtual address and port.
    pub service: Endpoint,
    /// Address and port of the real server.
    pub server: Option<Endpoint>,
}

impl ConnectionFilter {
    /// True for a connection that this filter lets through.
    pub fn matches(&self, connection: &ConnectionView) -> bool {
        self.protocol.is_none_or(|protocol| protocol == connection.protocol)
            && self.service.is_none_or(|service| service == connection.service)
            && self.client.is_none_or(|client| client == connection.client.ip())
            && self.server.is_none_or(|server| connection.server.is_some_and(|known| known.ip() == server))
            && self.state.as_ref().is_none_or(|state| *state == connection.state)
    }
}
