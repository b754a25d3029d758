//! One director for each pin directory.
//!
//! flock(2) on the directory itself: it works on bpffs, holds across network and mount namespaces (the inode is the
//! same by whatever path), is released by the kernel when the holder dies, and /proc/locks tells who holds it.

use crate::error::{Doing, Error};
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How often, and how far apart, a held lock is tried again before the holder is named.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// The right to write to the maps below a pin directory.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] Flock<File>);

impl Lock {
    /// Takes the lock, or says who has it. `shown` is the directory as the operator knows it.
    pub(crate) fn take(directory: &Path, shown: &Path) -> Result<Self, Error> {
        let mut file = File::open(directory).doing(|| format!("open {}", directory.display()))?;
        let mut attempt = 0;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self(lock)),
                // The holder may be on its way out, or have started a process that does not run yet.
                Err((again, nix::Error::EWOULDBLOCK)) if attempt < ATTEMPTS => file = again,
                Err((file, nix::Error::EWOULDBLOCK)) => {
                    return Err(Error::Busy { directory: shown.to_owned(), pid: holder(&file) });
                }
                Err((_, error)) => return Err(error.into()).doing(|| format!("lock {}", directory.display())),
            }
            attempt += 1;
            std::thread::sleep(PAUSE);
        }
    }
}

fn holder(file: &File) -> Option<u32> {
    let metadata = file.metadata().ok()?;
    let (major, minor) = (nix::sys::stat::major(metadata.dev()), nix::sys::stat::minor(metadata.dev()));
    let place = format!("{major:02x}:{minor:02x}:{}", metadata.ino());
    holder_in(&std::fs::read_to_string("/proc/locks").ok()?, &place)
}

/// Finds a holder in the text of /proc/locks: `1: FLOCK  ADVISORY  WRITE 17025 00:27:1 0 EOF`.
fn holder_in(locks: &str, place: &str) -> Option<u32> {
    let mut held = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = held.find(|words| words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&place))?;
    line.get(4)?.parse().ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_read_from_proc_locks() {
        let text = "1: POSIX  ADVISORY  WRITE 7 00:27:1 0 EOF\n2: FLOCK  ADVISORY  WRITE 17025 00:27:1 0 EOF\n";
        assert_eq!(holder_in(text, "00:27:1"), Some(17_025));
        assert_eq!(holder_in(text, "00:27:2"), None);
    }

    #[test]
    fn a_second_lock_is_refused_and_names_the_first() {
        let directory = std::env::temp_dir().join(format!("xlvs-lock-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let first = Lock::take(&directory, &directory).unwrap();
        let refusal = Lock::take(&directory, &directory).unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
        drop(first);
        let again = Lock::take(&directory, &directory);
        std::fs::remove_dir(&directory).unwrap();
        again.unwrap();
    }
}
