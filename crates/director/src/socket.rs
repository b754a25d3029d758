//! The socket of the API: one daemon a path, for root alone from the first moment.

use crate::Error;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The right to a socket path, before anything else of the start is done.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    /// Freed by the kernel when this process ends, however it ends.
    _lock: Flock<File>,
}

impl Claim {
    /// Takes the path, or says who has it.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::Socket { path: path.to_owned(), error };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
            DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed)?;
        }
        let lock = beside(path, ".lock");
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock).map_err(failed)?;
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, nix::Error::EWOULDBLOCK)) => return Err(Error::SocketTaken(path.to_owned())),
            Err((_, error)) => return Err(failed(error.into())),
        };
        // A daemon that knows nothing of the lock may answer there, too.
        if UnixStream::connect(path).is_ok() {
            return Err(Error::SocketTaken(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Listens. The socket is made in a directory that nobody else can enter and moved in place when it is closed to
    /// others; what a dead daemon left there is replaced.
    pub(crate) fn listen(&self) -> Result<UnixListener, Error> {
        let failed = |error| Error::Socket { path: self.path.clone(), error };
        let private = beside(&self.path, ".new");
        let _ = fs::remove_dir_all(&private);
        DirBuilder::new().mode(0o700).create(&private).map_err(failed)?;
        let listener = self.bind(&private.join("s"));
        let _ = fs::remove_dir_all(&private);
        listener.map_err(failed)
    }

    fn bind(&self, private: &Path) -> io::Result<UnixListener> {
        let listener = UnixListener::bind(private)?;
        fs::set_permissions(private, Permissions::from_mode(0o600))?;
        fs::rename(private, &self.path)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Nobody listens any more.
    pub(crate) fn remove(self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(beside(&self.path, ".lock"));
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("xlvs-dir-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        directory
    }

    #[test]
    fn the_socket_is_for_its_owner_alone_and_one_daemon_has_it() {
        let directory = directory("claim");
        let path = directory.join("run/xlvs.sock");
        let claim = Claim::take(&path).unwrap();
        assert!(matches!(Claim::take(&path), Err(Error::SocketTaken(_))));
        let listener = claim.listen().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        drop(listener);
        claim.remove();
        assert_eq!(fs::read_dir(directory.join("run")).unwrap().count(), 0);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_a_dead_daemon_left_is_replaced_but_not_what_answers() {
        let directory = directory("stale");
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("xlvs.sock");
        let stranger = UnixListener::bind(&path).unwrap();
        assert!(matches!(Claim::take(&path), Err(Error::SocketTaken(_))));
        drop(stranger);
        let claim = Claim::take(&path).unwrap();
        let _listener = claim.listen().unwrap();
        UnixStream::connect(&path).unwrap();
        fs::remove_dir_all(directory).unwrap();
    }
}
