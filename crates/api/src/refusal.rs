//! Why the daemon does not do what it was asked.

use serde::{Deserialize, Serialize};

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

/// Kinds of refusal; the first ones are IPVS's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// EEXIST of a service.
    ServiceExists,
    /// ESRCH
    NoSuchService,
    /// EEXIST of a server.
    ServerExists,
    /// EEXIST of a server that its checks have taken out, so that no listing shows it.
    ServerIsOut,
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
