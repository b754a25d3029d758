//! A cgroup of a test's own: programs attached there see its sockets, and no others of the machine.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A cgroup with this process in it, and with whatever it starts. Left and removed when dropped.
pub struct Cgroup {
    path: PathBuf,
    root: PathBuf,
}

impl Cgroup {
    /// Makes one and enters it.
    pub fn enter() -> Result<Self> {
        let root = root().context("no cgroups of version 2 are mounted")?;
        let path = root.join(format!("xlvs-lab-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        let this = Self { path, root };
        fs::write(this.path.join("cgroup.procs"), "0").context("entering a cgroup")?;
        Ok(this)
    }

    /// The one that this thread is in, if there are any.
    pub fn of_this_process() -> Option<PathBuf> {
        let groups = fs::read_to_string("/proc/thread-self/cgroup").ok()?;
        let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
        root().map(|root| root.join(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let processes = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        for process in processes.lines() {
            let _ = fs::write(self.root.join("cgroup.procs"), process);
        }
        let _ = fs::remove_dir(&self.path);
    }
}

fn root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    line.split(' ').nth(1).map(PathBuf::from)
}
