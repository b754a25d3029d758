//! What a laboratory needs of the machine: a lock, so that only one runs at a time, and a directory with a bpffs.

use crate::net;
use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{SigSet, Signal};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PREFIX: &str = "xlvs-lab-";

/// Held by whoever runs a laboratory: measurements and loads of two would disturb each other.
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Waits until no other laboratory runs on this machine.
    pub fn take() -> Result<Self> {
        let path = std::env::temp_dir().join("xlvs-lab.lock");
        let begin = Instant::now();
        let mut told = false;
        loop {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            if let Ok(file) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                return Ok(Self { _file: file });
            }
            // Tests of one process take turns; longer than a turn it is somebody else.
            if !told && begin.elapsed() > Duration::from_secs(30) {
                eprintln!("lab: waiting for another laboratory to end ({})", path.display());
                told = true;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A temporary directory outside /sys with a bpffs in it.
pub struct WorkDirectory {
    directory: TempDir,
}

impl WorkDirectory {
    /// Makes it and mounts the bpffs.
    pub fn new() -> Result<Self> {
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let this = Self { directory: tempfile::Builder::new().prefix(&prefix).tempdir()? };
        let pins = this.bpf();
        fs::create_dir(&pins)?;
        mount(Some("bpf"), &pins, Some("bpf"), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("mounting a bpffs at {}", pins.display()))?;
        Ok(this)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The bpffs.
    pub fn bpf(&self) -> PathBuf {
        self.path().join("bpf")
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        unmount_below(self.path());
    }
}

/// Removes what laboratories left whose process is gone.
pub fn remove_stale() {
    let is_gone = |pid| !Path::new(&format!("/proc/{pid}")).exists();
    net::remove_of(is_gone);
    remove_of(is_gone);
}

/// Lets an interrupt (SIGINT, SIGTERM) remove everything before it ends this process. To be called before there is a
/// second thread.
pub fn remove_when_interrupted() -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    thread::spawn(move || {
        let signal = signals.wait();
        let is_ours = |pid| pid == std::process::id();
        net::remove_of(is_ours);
        remove_of(is_ours);
        std::process::exit(128 + signal.map_or(0, |signal| signal as i32));
    });
    Ok(())
}

/// Removes the directories of laboratories whose process `is_over`.
fn remove_of(is_over: impl Fn(u32) -> bool) {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if owner(&entry, PREFIX).is_some_and(&is_over) {
            unmount_below(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The process that made a thing named `<prefix><pid>-…`.
pub(crate) fn owner(entry: &fs::DirEntry, prefix: &str) -> Option<u32> {
    entry.file_name().to_str()?.strip_prefix(prefix)?.split('-').next()?.parse().ok()
}

/// Unmounts what we or a director mounted below `directory`, last first.
fn unmount_below(directory: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    let mut below: Vec<&Path> = points.filter(|point| point.starts_with(directory)).collect();
    below.reverse();
    for point in below {
        let _ = umount2(point, MntFlags::MNT_DETACH);
    }
}
