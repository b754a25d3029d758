//! What would become of a packet.

use model::{Endpoint, ServiceKey};
use serde::{Deserialize, Serialize};

/// What would happen to a packet from `client` to `virtual_service`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// TCP or UDP, with the virtual endpoint.
    pub service: ServiceKey,
    /// Client address and port.
    pub client: Endpoint,
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
