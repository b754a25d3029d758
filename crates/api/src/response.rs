//! What the daemon answers when it has done what it was asked.

use crate::connections::ConnectionsPage;
use crate::explanation::Explanation;
use crate::listing::Listing;
use crate::refusal::Refusal;
use crate::status::Status;
use model::{Difference, Lane, Sysctl};
use serde::{Deserialize, Serialize};

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
        /// Where.
        lane: Lane,
        /// Why there, for people.
        reason: String,
        /// The lane it had before, if it was attached.
        before: Option<Lane>,
        /// Seconds until it is detached again, unless it is confirmed.
        confirm_within: Option<u32>,
    },
    /// Answer to [`Request::Detach`](crate::Request::Detach): these were.
    Detached {
        /// Names.
        interfaces: Vec<String>,
    },
    /// Answer to [`Request::Stop`](crate::Request::Stop).
    Stopped {
        /// Programs and maps stay, and packets are forwarded.
        forwarding: bool,
        /// Names of the interfaces that stay attached, or were detached.
        interfaces: Vec<String>,
    },
    /// Answer to [`Request::Confirm`]: these stay.
    Confirmed {
        /// Names.
        interfaces: Vec<String>,
        /// The configuration stays, too.
        #[serde(default)]
        configuration: bool,
    },
    /// Answer to [`Request::Plan`].
    Plan(Plan),
    /// Answer to [`Request::Apply`].
    Applied {
        /// What was changed, and since when.
        #[serde(flatten)]
        plan: Plan,
        /// Seconds until what was before comes back, unless it is confirmed.
        confirm_within: Option<u32>,
    },
    /// Answer to [`Request::RollBack`].
    RolledBack {
        /// Of the configuration since.
        generation: u64,
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

/// What a configuration changes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Of the configuration that is compared with, or since the changes were made.
    pub generation: u64,
    /// One for each thing that becomes other.
    pub changes: Vec<Difference>,
    /// Things an operator should know, one line each.
    pub notes: Vec<String>,
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
