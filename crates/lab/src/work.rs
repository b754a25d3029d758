//! What a laboratory needs of the machine: a lock, so that only one runs at a time, and a directory with a bpffs.

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
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
        let open = || File::options().create(true).truncate(false).write(true).open(&path);
        let file = match Flock::lock(open()?, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err(_) => {
                eprintln!("lab: waiting for another laboratory to end ({})", path.display());
                Flock::lock(open()?, FlockArg::LockExclusive).map_err(|(_, error)| error)?
            }
        };
        Ok(Self { _file: file })
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

/// Removes directories of laboratories whose process is gone.
pub fn remove_stale() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
        if let Some(owner) = owner.and_then(|pid| pid.parse::<u32>().ok())
            && !Path::new(&format!("/proc/{owner}")).exists()
        {
            unmount_below(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
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
