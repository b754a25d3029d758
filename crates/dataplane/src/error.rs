//! What can go wrong, each in one line that names the place and, where there is one, the remedy.

use model::{Endpoint, ServiceKey};
use std::io;
use std::path::PathBuf;

/// An error of the data plane. Unless it says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process may not use bpf(2), mount or attach.
    #[error("{0}")]
    Refused(String),
    /// Another director works on the same pins.
    #[error("{} is in use by another director{}; stop that one first (`xlvs stop`), or give this one its own --pin-dir", directory.display(), holder(*pid))]
    Busy {
        /// The pin directory.
        directory: PathBuf,
        /// The other director, where the kernel tells.
        pid: Option<u32>,
    },
    /// The pin directory cannot be used.
    #[error("pin directory {}: {reason}", path.display())]
    Pins {
        /// The directory or a pin in it.
        path: PathBuf,
        /// What is the matter.
        reason: String,
    },
    /// Pins were removed by somebody else while a director works on them.
    #[error("the pins in {} are gone (first: {missing}): nothing outlives this daemon, changes are refused; save the table (ipvsadm-save), `xlvs stop`, and start again", directory.display())]
    PinsGone {
        /// The pin directory.
        directory: PathBuf,
        /// What is missing there.
        missing: String,
    },
    /// The kernel did not take the maps or programs.
    #[error("the BPF programs cannot be loaded: {0}")]
    Load(String),
    /// The interface does not exist in this network namespace.
    #[error("there is no interface {0} in this network namespace")]
    NoInterface(String),
    /// Nothing of ours is attached to the interface.
    #[error("interface {0} is not attached")]
    NotAttached(String),
    /// The hook of the interface has another owner.
    #[error("interface {interface} already runs XDP {owner}; detach that, or take the interface over with --force")]
    Conflict {
        /// The interface.
        interface: String,
        /// Who, by name and number.
        owner: String,
    },
    /// The interface cannot carry the programs.
    #[error("interface {interface}: {reason}")]
    Attach {
        /// The interface.
        interface: String,
        /// What is the matter and what to do.
        reason: String,
    },
    /// The change names a service that is not there.
    #[error("there is no service {0}")]
    NoSuchService(ServiceKey),
    /// The change names a server that is not there.
    #[error("service {service} has no server {server}")]
    NoSuchServer {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: Endpoint,
    },
    /// A value that the data plane cannot hold.
    #[error("{0}")]
    Invalid(String),
    /// A table is full.
    #[error("no room for another {what}: the table holds {size}")]
    NoSpace {
        /// What there is no room for.
        what: &'static str,
        /// Size of the table.
        size: u32,
    },
    /// The journal cannot be read or written.
    #[error("journal: {0}")]
    Journal(String),
    /// The tables contradict themselves.
    #[error("the tables contradict themselves: {0}; `xlvs stop` and a new start rebuild them")]
    Inconsistent(String),
    /// A system call failed.
    #[error("cannot {doing}: {error}")]
    System {
        /// What was being done.
        doing: String,
        /// What the system said.
        error: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// Adds what was being done to an error of the system.
pub(crate) trait Doing<T> {
    /// Turns an `io::Error` into [`Error::System`].
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::System { doing: what(), error })
    }
}
