//! The network namespace that is looked at: the daemon's, whose findings would otherwise be mixed with another host's.

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::fs::{File, read_link};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Where the daemon is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Namespace {
    /// Here, or there is none.
    Ours,
    /// Elsewhere; this thread and what it starts are there, too, from now on.
    Entered {
        /// Process of the daemon.
        daemon: i32,
    },
    /// Elsewhere, and this process does not get there.
    Closed {
        /// Why.
        error: String,
        /// Process of the daemon.
        daemon: i32,
    },
}

impl Namespace {
    /// Enters the network namespace of whoever listens at `socket`.
    pub(super) fn enter(socket: &Path) -> Self {
        let daemon = UnixStream::connect(socket).ok().and_then(|stream| getsockopt(&stream, PeerCredentials).ok());
        let Some(daemon) = daemon.map(|credentials| credentials.pid()) else { return Self::Ours };
        let theirs = format!("/proc/{daemon}/ns/net");
        match (read_link(&theirs), read_link("/proc/self/ns/net")) {
            (Ok(theirs), Ok(ours)) if theirs == ours => return Self::Ours,
            (Err(error), _) => return Self::Closed { error: error.to_string(), daemon },
            _ => {}
        }
        let entered = File::open(theirs).and_then(|namespace| Ok(setns(namespace, CloneFlags::CLONE_NEWNET)?));
        entered.map_or_else(|error| Self::Closed { error: error.to_string(), daemon }, |()| Self::Entered { daemon })
    }
}
