//! Why the daemon does not start, or had to end: one line that names the place and the remedy.

use std::io;
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
    /// The socket cannot be made.
    #[error("socket {}: {error}{}", path.display(), hint(error))]
    Socket {
        /// Where.
        path: PathBuf,
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
