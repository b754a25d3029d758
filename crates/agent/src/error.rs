//! What can go wrong, each in one line that names the place and the remedy.

use std::io;
use std::path::PathBuf;

/// An error of a real server's setup. Unless it says otherwise, everything is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host cannot be what was asked for.
    #[error("{0}")]
    Refused(String),
    /// Somebody else prepares this host at the moment.
    #[error("another `xlvs real-server` works on this host (it holds {}); try again when it has ended", .0.display())]
    Busy(PathBuf),
    /// The record of what was changed cannot be read or written.
    #[error("record {}: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        reason: String,
    },
    /// The programs cannot be loaded or attached.
    #[error(transparent)]
    Programs(#[from] dataplane::Error),
    /// A system call failed.
    #[error("cannot {doing}: {reason}")]
    System {
        /// What was being done.
        doing: String,
        /// What the system said.
        reason: String,
    },
}

/// Adds what was being done to an error of the system.
pub(crate) trait Doing<T> {
    /// Turns it into [`Error::System`].
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::System { doing: what(), reason: error.to_string() })
    }
}
