//! The record of what was changed on this host: written and on the disk before anything is changed, so that whoever
//! comes next can finish or undo it, whatever became of the process that began.

use crate::error::{Doing, Error};
use crate::step::Step;
use model::RealServerSetup;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What was asked for, and how to get back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The boot in which it was written: a reboot undoes everything by itself.
    boot: String,
    pub(crate) setup: RealServerSetup,
    /// In the order in which they were made.
    pub(crate) steps: Vec<Step>,
    /// What the programs had counted when all was made.
    #[serde(default)]
    pub(crate) since: Since,
}

/// Where counting begins.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Since {
    /// Seconds since the beginning of 1970.
    pub(crate) time: u64,
    pub(crate) counters: BTreeMap<String, u64>,
}

/// The file, held against others.
pub(crate) struct Ledger {
    path: PathBuf,
    _lock: Flock<File>,
}

/// How often, and how far apart, a held lock is tried again.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

impl Record {
    pub(crate) fn new(setup: RealServerSetup, steps: Vec<Step>) -> Self {
        Self { boot: boot(), setup, steps, since: Since::default() }
    }

    pub(crate) fn counting_from(self, since: Since) -> Self {
        Self { since, ..self }
    }
}

fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

impl Ledger {
    /// Takes the right to change this host (its network namespace).
    pub(crate) fn open(run_directory: &Path) -> Result<Self, Error> {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(run_directory);
        made.doing(|| format!("create {}", run_directory.display()))?;
        let path = path_in(run_directory)?;
        let lock_path = path.with_extension("lock");
        for _ in 0..ATTEMPTS {
            let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
            let file = match file {
                // Whoever had it has removed the directory meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let made = DirBuilder::new().recursive(true).mode(0o755).create(run_directory);
                    made.doing(|| format!("create {}", run_directory.display()))?;
                    continue;
                }
                other => other.doing(|| format!("open {}", lock_path.display()))?,
            };
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // The one before may have removed what was opened here: then it is nobody's lock any more.
                Ok(lock) if is_at(&lock, &lock_path) => return Ok(Self { path, _lock: lock }),
                Ok(_) => continue,
                Err((_, nix::Error::EWOULDBLOCK)) => {}
                Err((_, error)) => return Err(error.into()).doing(|| format!("lock {}", lock_path.display())),
            }
            std::thread::sleep(PAUSE);
        }
        Err(Error::Busy(lock_path))
    }

    /// What is recorded, if anything.
    pub(crate) fn read(&self) -> Result<Option<Record>, Error> {
        read(&self.path)
    }

    /// Writes it down, on the disk before this returns.
    pub(crate) fn write(&self, record: &Record) -> Result<(), Error> {
        self.put(record).map_err(|error| failed(&self.path, &error))
    }

    fn put(&self, record: &Record) -> io::Result<()> {
        let text = serde_json::to_string_pretty(record)? + "\n";
        let fresh = self.path.with_extension("new");
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        self.sync_directory()
    }

    /// Nothing is changed any more.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        for path in [self.path.with_extension("new"), self.path.clone()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(|error| failed(&path, &error))?,
            }
        }
        self.sync_directory().map_err(|error| failed(&self.path, &error))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}

impl Drop for Ledger {
    /// Where nothing is recorded nothing stays: neither the lock, which is still held, nor an empty directory.
    fn drop(&mut self) {
        if !self.path.exists() {
            let _ = fs::remove_file(self.path.with_extension("lock"));
            let _ = self.path.parent().map(fs::remove_dir);
        }
    }
}

/// True while this very file has that name.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |here: fs::Metadata, there: fs::Metadata| (here.dev(), here.ino()) == (there.dev(), there.ino());
    file.metadata().ok().zip(fs::metadata(path).ok()).is_some_and(|(here, there)| same(here, there))
}

/// What is recorded, without the right to change anything.
pub(crate) fn peek(run_directory: &Path) -> Result<Option<Record>, Error> {
    read(&path_in(run_directory)?)
}

/// One file a network namespace: by its cookie, which no other ever has while the machine runs.
fn path_in(run_directory: &Path) -> Result<PathBuf, Error> {
    Ok(run_directory.join(format!("real-server-{}.json", crate::namespace::known()?)))
}

fn read(path: &Path) -> Result<Option<Record>, Error> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| failed(path, &error))?,
    };
    let record: Record = serde_json::from_str(&text).map_err(|error| Error::Record {
        path: path.to_owned(),
        reason: format!("is damaged ({error}): undo by hand what it names, then remove it"),
    })?;
    Ok(Some(record).filter(|record| record.boot == boot()))
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::Record { path: path.to_owned(), reason: error.to_string() }
}
