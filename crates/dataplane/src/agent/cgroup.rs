//! Programs on a cgroup: for the sockets of all processes in it and below.

use super::load::Loaded;
use crate::error::{Doing, Error};
use crate::pins::remove_tree;
use crate::syscall;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Programs and where they are attached (`enum bpf_attach_type`).
const PROGRAMS: [(&str, u32); 3] = [("connections", 3), ("peer4", 29), ("peer6", 30)];
/// Magic number of the file system of cgroups, version 2.
const CGROUP2: libc::c_long = 0x6367_7270;

/// A link to a cgroup.
pub(super) struct CgroupLink(OwnedFd);

impl CgroupLink {
    fn pin(links: &Path, name: &str) -> PathBuf {
        links.join(format!("cgroup-{name}"))
    }

    /// The one that is pinned and still attached, with the number of its cgroup.
    fn find(links: &Path, name: &str) -> Option<(Self, u64)> {
        let link = syscall::open_pin(&Self::pin(links, name)).ok()?;
        let cgroup = syscall::cgroup_of_link(link.as_fd()).ok().filter(|cgroup| *cgroup != 0)?;
        Some((Self(link), cgroup))
    }

    /// The cgroup that all programs are attached to.
    pub(super) fn cgroup(links: &Path) -> Option<u64> {
        let mut found = PROGRAMS.iter().map(|(name, _)| Self::find(links, name).map(|(_, cgroup)| cgroup));
        let first = found.next().flatten()?;
        found.all(|other| other == Some(first)).then_some(first)
    }

    /// Attaches the programs of this build to `cgroup`, and to no other.
    pub(super) fn set_all(links: &Path, cgroup: Option<&Path>, loaded: &Loaded) -> Result<(), Error> {
        let Some(path) = cgroup else { return Self::release_all(links) };
        let directory = open(path)?;
        let number = directory.metadata().doing(|| format!("look at {}", path.display()))?.ino();
        for (name, kind) in PROGRAMS {
            let (program, doing) = (loaded.program(name)?, || format!("attach to cgroup {}", path.display()));
            if let Some((link, _)) = Self::find(links, name).filter(|(_, found)| *found == number) {
                syscall::update_link(link.0.as_fd(), program.as_fd()).doing(doing)?;
                continue;
            }
            Self::release(links, name)?;
            let link = syscall::create_cgroup_link(program.as_fd(), directory.as_fd(), kind).doing(doing)?;
            syscall::pin(link.as_fd(), &Self::pin(links, name)).doing(doing)?;
        }
        Ok(())
    }

    /// Takes all of them off.
    pub(super) fn release_all(links: &Path) -> Result<(), Error> {
        PROGRAMS.iter().try_for_each(|(name, _)| Self::release(links, name))
    }

    fn release(links: &Path, name: &str) -> Result<(), Error> {
        if let Some((link, _)) = Self::find(links, name) {
            syscall::detach_link(link.0.as_fd()).doing(|| format!("detach program {name} from its cgroup"))?;
        }
        remove_tree(&Self::pin(links, name))
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let file = File::open(path).doing(|| format!("open cgroup {}", path.display()))?;
    if is_cgroup(path) {
        return Ok(file);
    }
    let error = io::Error::other("it is no directory of cgroups of version 2; look for `cgroup2` in /proc/mounts");
    Err(Error::System { doing: format!("use {} as a cgroup", path.display()), error })
}

fn is_cgroup(path: &Path) -> bool {
    path.is_dir() && nix::sys::statfs::statfs(path).is_ok_and(|found| found.filesystem_type().0 == CGROUP2)
}

/// Where cgroups of version 2 are mounted.
pub(super) fn root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut places = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(place))
    });
    places.find(|place| is_cgroup(place))
}
