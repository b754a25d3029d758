//! Why the daemon does not start, or had to end: one line that names the place and the remedy.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An error of the daemon. When it comes from the start, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data plane.
    #[error(transparent)]
    Dataplane(#[from] dataplane::Error),
    /// Another daemon has the socket.
    #[error("another daemon answers at {}; stop it first (xlvs stop), or give this one its own $XLVS_SOCKET", .0.display())]
    SocketTaken(PathBuf),
    /// A daemon is there, but nobody answers.
    #[error("another daemon{} holds {} but does not answer at {}; end it first, or give this one its own $XLVS_SOCKET", named(*pid), lock.display(), socket.display())]
    Locked {
        /// Where it should answer.
        socket: PathBuf,
        /// What it holds.
        lock: PathBuf,
        /// Its process, if the lock says.
        pid: Option<u32>,
    },
    /// Something else lies where the socket should be made.
    #[error("{} exists and is not a socket; move it away, or name another place in $XLVS_SOCKET", .0.display())]
    NotASocket(PathBuf),
    /// Something else lies where the lock should be made.
    #[error("{} exists and is not a lock of xlvs; move it away, or name another place in $XLVS_SOCKET", .0.display())]
    NotALock(PathBuf),
    /// The socket cannot be made.
    #[error("socket {}: {error}{}", path.display(), hint(error))]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Metrics cannot be offered by TCP.
    #[error(
        "metrics cannot be offered at {address}: {error}; name another address (--metrics, or metrics in [director])"
    )]
    Metrics {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Others balance on this host.
    #[error("{}; stop them first, or start with --force", .0.join("; "))]
    Others(Vec<String>),
    /// What an earlier daemon kept cannot be used.
    #[error("the configuration kept beside the maps cannot be used: {0}; `xlvs detach --all` forgets it")]
    Kept(String),
    /// The configuration cannot be put in place.
    #[error("the configuration cannot be put in place: {0}")]
    Configuration(api::Refusal),
    /// The kernel does not answer questions about the network.
    #[error("cannot ask the kernel about the network: {0}")]
    Netlink(io::Error),
    /// Signals or the API server.
    #[error("{0}")]
    System(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run as root, or name another place in $XLVS_SOCKET",
        _ => "",
    }
}

fn named(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}
