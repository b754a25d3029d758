//! The socket of the API: one daemon a path, for root alone from the first moment. Nothing is replaced or removed
//! that is not known to be a daemon's.

mod lock;

use crate::Error;
use lock::Lock;
use nix::unistd::mkdtemp;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The right to a socket path, before anything else of the start is done.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    lock: Lock,
    /// Directories that were made for it, outermost first.
    made: Vec<PathBuf>,
    /// Device and inode of the socket, once it is made.
    socket: Option<(u64, u64)>,
}

impl Claim {
    /// Takes the path, or says who has it.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        check(path)?;
        let made = make_parents(path).map_err(|error| Error::Socket { path: path.to_owned(), error })?;
        // A daemon that knows nothing of the lock may answer there, too.
        let lock = Lock::take(path).and_then(|lock| check(path).map(|()| lock));
        match lock {
            Ok(lock) => Ok(Self { path: path.to_owned(), lock, made, socket: None }),
            Err(error) => {
                remove_empty(&made);
                Err(error)
            }
        }
    }

    /// Listens. The socket is made in a directory that nobody else can enter and moved in place when it is closed to
    /// others; what a dead daemon left there is replaced.
    pub(crate) fn listen(&mut self) -> Result<UnixListener, Error> {
        let failed = |error| Error::Socket { path: self.path.clone(), error };
        let parent = self.path.parent().unwrap_or(Path::new(""));
        let private = mkdtemp(&parent.join(".xlvs-XXXXXX")).map_err(|error| failed(error.into()))?;
        let new = private.join("s");
        let bound = bind(&new).map_err(failed).and_then(|(listener, identity)| {
            check(&self.path)?;
            fs::rename(&new, &self.path).map_err(failed)?;
            Ok((listener, identity))
        });
        if bound.is_err() {
            let _ = fs::remove_file(&new);
        }
        let _ = fs::remove_dir(&private);
        let (listener, identity) = bound?;
        self.socket = Some(identity);
        Ok(listener)
    }

    /// Nobody listens any more.
    pub(crate) fn remove(self) {
        let there = fs::symlink_metadata(&self.path).map(|there| identity(&there));
        if there.is_ok_and(|there| Some(there) == self.socket) {
            let _ = fs::remove_file(&self.path);
        }
        self.lock.remove();
    }

    /// As if there had been no start.
    pub(crate) fn take_back(mut self) {
        let made = std::mem::take(&mut self.made);
        self.remove();
        remove_empty(&made);
    }
}

/// A socket that only its owner may connect to.
fn bind(path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok((listener, identity(&fs::symlink_metadata(path)?)))
}

/// The place is free, or what lies there was left by a daemon that is dead.
fn check(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::Socket { path: path.to_owned(), error }),
        Ok(there) if !there.file_type().is_socket() => return Err(Error::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(Error::SocketTaken(path.to_owned())),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(()),
        Err(error) => Err(Error::Socket { path: path.to_owned(), error }),
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Makes the directories that lead to `path`; gives those that were not there, outermost first.
fn make_parents(path: &Path) -> io::Result<Vec<PathBuf>> {
    let missing = |parent: &&Path| !parent.as_os_str().is_empty() && !parent.exists();
    let mut made: Vec<_> = path.ancestors().skip(1).take_while(missing).map(Path::to_owned).collect();
    made.reverse();
    if let Some(parent) = made.last() {
        let created = DirBuilder::new().recursive(true).mode(0o755).create(parent);
        created.inspect_err(|_| remove_empty(&made))?;
    }
    Ok(made)
}

fn remove_empty(directories: &[PathBuf]) {
    for directory in directories.iter().rev() {
        let _ = fs::remove_dir(directory);
    }
}

#[cfg(test)]
mod tests;
