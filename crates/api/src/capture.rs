//! What `POST /v1/capture` takes; the answer is a pcapng file that grows until it ends.

use serde::{Deserialize, Serialize};

/// Which packets, and how many.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaptureRequest {
    /// Those that came in by this interface; by any without it.
    pub interface: Option<String>,
    /// In the words of `model::capture`.
    pub filter: String,
    /// Ends after so many packets.
    pub count: Option<u64>,
    /// Ends after so many seconds.
    pub seconds: Option<u64>,
}
