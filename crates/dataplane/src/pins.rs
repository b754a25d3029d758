//! Where maps, programs and links are pinned, and the bpffs they need.
//!
//! ```text
//! DIR/links/<interface index>          attachments, whatever programs they run
//! DIR/journal                          lines of the director
//! DIR/v<SCHEMA>-<hash>/<MAP>           maps, by their layout
//! DIR/v<SCHEMA>-<hash>/p-<build>/…     programs and their PROG_ARRAY, one directory a generation
//! ```

use crate::error::{Doing, Error};
use crate::keeper::{self, Keeper};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::statfs;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

const BPFFS_MAGIC: libc::c_long = 0xcafe_4a11;
/// Source of the mounts we make: only those are unmounted again.
const MOUNT_SOURCE: &str = "xlvs";

/// The pin directory, opened.
#[derive(Debug)]
pub(crate) struct Pins {
    /// As the operator knows it.
    pub(crate) shown: PathBuf,
    /// As this process reaches it: itself, or through a keeper.
    pub(crate) root: PathBuf,
    keeper: Option<Keeper>,
}

impl Pins {
    /// Finds the pins of an earlier director, or prepares a place for new ones.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let shown = absolute(directory)?;
        let _guard = guard(&shown);
        if let Some(pins) = Self::kept(&shown) {
            return Ok(pins);
        }
        ensure_bpffs(&shown)?;
        let keeper = if keeper::is_needed(&shown) { Some(Keeper::start(&shown)?) } else { None };
        Ok(Self { root: shown.clone(), shown, keeper })
    }

    /// The pins of an earlier director, if there are any.
    pub(crate) fn existing(directory: &Path) -> Result<Option<Self>, Error> {
        let shown = absolute(directory)?;
        let here = || is_bpffs(&shown).then(|| Self { root: shown.clone(), shown: shown.clone(), keeper: None });
        Ok(Self::kept(&shown).or_else(here))
    }

    fn kept(shown: &Path) -> Option<Self> {
        let keeper = Keeper::find(shown)?;
        let root = keeper.see(shown);
        is_bpffs(&root).then(|| Self { shown: shown.to_owned(), root, keeper: Some(keeper) })
    }

    pub(crate) fn links(&self) -> PathBuf {
        self.root.join("links")
    }

    /// bpffs refuses dots, which names of interfaces may hold: links are known by index.
    pub(crate) fn link(&self, interface: u32) -> PathBuf {
        self.links().join(interface.to_string())
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Removes everything we pinned, then the file system if it is ours, then the keeper.
    pub(crate) fn remove(self) -> Result<(), Error> {
        for name in names_in(&self.root).into_iter().filter(|name| is_ours(name)) {
            remove_tree(&self.root.join(name))?;
        }
        if is_our_mount(&self.root) {
            // Lazily: a process being started by another thread may hold our descriptors until it runs.
            let _ = umount2(&self.root, MntFlags::MNT_DETACH);
        } else if self.root.parent().is_some_and(is_bpffs) {
            let _ = fs::remove_dir(&self.root);
        }
        if let Some(keeper) = self.keeper {
            keeper.end();
        }
        Ok(())
    }
}

/// True for names that we give; a pin directory may be shared with strangers.
fn is_ours(name: &str) -> bool {
    matches!(name, "links" | "journal" | "journal-new") || is_layout(name)
}

/// True for the directory of maps of some layout: `v1-0123456789abcdef`.
pub(crate) fn is_layout(name: &str) -> bool {
    let numbers = name.strip_prefix('v').and_then(|rest| rest.split_once('-'));
    numbers.is_some_and(|(schema, hash)| schema.parse::<u32>().is_ok() && u64::from_str_radix(hash, 16).is_ok())
}

/// Names in a directory of pins; none when it does not exist. Names with dots are the kernel's own.
pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| !name.contains('.')).collect()
}

/// Makes a directory for pins, for root only.
pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.doing(|| format!("create {}", path.display()))
}

/// Removes a pin or a directory of pins.
pub(crate) fn remove_tree(path: &Path) -> Result<(), Error> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.doing(|| format!("remove {}", path.display())),
    }
}

fn absolute(directory: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(directory).doing(|| format!("find {}", directory.display()))
}

pub(crate) fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type().0 == BPFFS_MAGIC)
}

/// Two daemons started at once in one network namespace must not both start a keeper. Waits for the other a little
/// and goes on without the guard if somebody holds the name for no good reason: the lock decides in the end.
fn guard(directory: &Path) -> Option<UnixListener> {
    let address = SocketAddr::from_abstract_name(format!("xlvs-open:{}", directory.display())).ok()?;
    for _ in 0..50 {
        if let Ok(listener) = UnixListener::bind_addr(&address) {
            return Some(listener);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Makes `directory` a directory on a bpffs: inside the one that is there, else on one mounted for it.
fn ensure_bpffs(directory: &Path) -> Result<(), Error> {
    let nearest = directory.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/"));
    if is_bpffs(nearest) {
        return make_directory(directory);
    }
    if make_directory(directory).is_ok() {
        if !names_in(directory).is_empty() {
            return Err(pins_error(directory, "is not empty and not on a bpffs; name another directory".to_owned()));
        }
        return mount_bpffs(directory);
    }
    // Below /sys nothing can be created, but there is a place for a bpffs: empty inside `ip netns exec`.
    let standard = Path::new("/sys/fs/bpf");
    if !directory.starts_with(standard) || !standard.exists() {
        return Err(pins_error(directory, format!("cannot be created in {}", nearest.display())));
    }
    mount_bpffs(standard)?;
    make_directory(directory)
}

fn mount_bpffs(at: &Path) -> Result<(), Error> {
    let options = "mode=0700";
    mount(Some(MOUNT_SOURCE), at, Some("bpf"), MsFlags::empty(), Some(options)).map_err(|error| {
        let hint = if error == Errno::EPERM { "; mounting needs CAP_SYS_ADMIN" } else { "" };
        pins_error(at, format!("no bpffs can be mounted there: {}{hint}", io::Error::from(error)))
    })
}

fn pins_error(path: &Path, reason: String) -> Error {
    Error::Pins { path: path.to_owned(), reason }
}

fn is_our_mount(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().any(|line| is_our_mount_line(line, path))
}

/// `36 35 0:30 / /run/pins rw - bpf xlvs rw,mode=700`
fn is_our_mount_line(line: &str, path: &Path) -> bool {
    let Some((place, file_system)) = line.split_once(" - ") else { return false };
    let at = place.split(' ').nth(4).map(Path::new);
    at == Some(path) && file_system.starts_with(&format!("bpf {MOUNT_SOURCE} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_mounts_are_taken_down() {
        let line = |source: &str| format!("36 35 0:30 / /run/pins rw,relatime shared:9 - bpf {source} rw,mode=700");
        assert!(is_our_mount_line(&line("xlvs"), Path::new("/run/pins")));
        assert!(!is_our_mount_line(&line("bpf"), Path::new("/run/pins")));
        assert!(!is_our_mount_line(&line("xlvs"), Path::new("/run")));
    }

    #[test]
    fn strangers_are_left_alone() {
        for name in ["links", "journal", "v1-0123456789abcdef", "v12-0"] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["vpn", "v1", "v1-xyz", "tc", "link"] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn a_place_is_made_found_again_and_removed() {
        let directory = std::env::temp_dir().join(format!("xlvs-pins-{}", std::process::id()));
        let pins = Pins::open(&directory).unwrap();
        assert!(is_bpffs(&pins.root));
        make_directory(&pins.links()).unwrap();
        let again = Pins::existing(&directory).unwrap().unwrap();
        assert_eq!(names_in(&again.root), ["links"]);
        again.remove().unwrap();
        assert!(!is_bpffs(&directory));
        fs::remove_dir(&directory).unwrap();
    }
}
