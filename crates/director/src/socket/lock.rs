//! The lock beside a socket: freed by the kernel when its process ends, however it ends. Its text names the holder.

use super::identity;
use crate::Error;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How the text begins: only a file that says so, or that we made, is written to and removed.
const MARK: &str = "xlvs ";
/// How often a lock that its holder is just removing is tried again.
const TRIES: usize = 50;

/// The lock, held.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    ours: bool,
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock of the socket at `path`, or says who has it.
    pub(super) fn take(path: &Path) -> Result<Self, Error> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let failed = |error| Error::Socket { path: lock.clone(), error };
        for _ in 0..TRIES {
            let (file, made) = open(&lock).map_err(failed)?;
            if !file.metadata().map_err(failed)?.is_file() {
                return Err(Error::NotALock(lock));
            }
            let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err((file, nix::Error::EWOULDBLOCK)) => {
                    let pid = text(&file).strip_prefix(MARK).and_then(|pid| pid.trim_end().parse().ok());
                    return Err(Error::Locked { socket: path.to_owned(), lock, pid });
                }
                Err((_, error)) => return Err(failed(error.into())),
            };
            let there = fs::symlink_metadata(&lock).map(|there| identity(&there));
            if there.ok() != Some(identity(&file.metadata().map_err(failed)?)) {
                continue;
            }
            let before = text(&file);
            if !before.is_empty() && !before.starts_with(MARK) {
                return Err(Error::NotALock(lock));
            }
            let ours = made || !before.is_empty();
            if ours {
                file.set_len(0).map_err(failed)?;
                let line = format!("{MARK}{}\n", std::process::id());
                // A file system without room must not keep a daemon from starting: the text is only for people.
                let _ = io::Seek::rewind(&mut *file).and_then(|()| file.write_all(line.as_bytes()));
            }
            return Ok(Self { path: lock, ours, _file: file });
        }
        Err(Error::Locked { socket: path.to_owned(), lock, pid: None })
    }

    /// Removes the file while it is still held.
    pub(super) fn remove(self) {
        if self.ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The file, and whether it was not there before.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match options.clone().create_new(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok((options.create(true).truncate(false).open(path)?, false))
        }
        Err(error) => Err(error),
    }
}

fn text(file: &File) -> String {
    let mut text = String::new();
    let _ = file.take(64).read_to_string(&mut text);
    text
}
