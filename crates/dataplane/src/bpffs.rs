//! The file system that pins need: found, or mounted, and taken down again after a start that fails.

use crate::error::Error;
use crate::pins::{is_ours, make_directory, names_in};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::statfs;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const BPFFS_MAGIC: libc::c_long = 0xcafe_4a11;
/// Source of the mounts we make: only those are unmounted again.
const MOUNT_SOURCE: &str = "xlvs";

/// What a start made to have a place for its pins, in the order it was made.
#[derive(Debug, Default)]
pub(crate) struct Made(Vec<Step>);

#[derive(Debug)]
enum Step {
    Directory(PathBuf),
    Mount(PathBuf),
}

impl Made {
    fn directory(&mut self, path: &Path) -> Result<(), Error> {
        let mut missing: Vec<_> = path.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
        missing.reverse();
        let made = make_directory(path);
        self.0.extend(missing.into_iter().filter(|path| path.exists()).map(Step::Directory));
        made
    }

    fn mount(&mut self, at: &Path) -> Result<(), Error> {
        mount_bpffs(at)?;
        self.0.push(Step::Mount(at.to_owned()));
        Ok(())
    }

    /// Takes it back. Directories that somebody else uses by now stay.
    pub(crate) fn undo(self) {
        for step in self.0.into_iter().rev() {
            match step {
                Step::Directory(path) => drop(fs::remove_dir(path)),
                Step::Mount(path) => unmount(&path),
            }
        }
    }
}

pub(crate) fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type().0 == BPFFS_MAGIC)
}

/// Makes `directory` a directory on a bpffs: inside the one that is there, else on one mounted for it.
pub(crate) fn ensure(directory: &Path, made: &mut Made) -> Result<(), Error> {
    refuse_file(directory)?;
    let nearest = nearest(directory);
    if is_bpffs(nearest) {
        return made.directory(directory);
    }
    if made.directory(directory).is_ok() {
        let names = names_in(directory);
        if !names.is_empty() {
            return Err(pins_error(directory, occupied(directory, &names)));
        }
        return made.mount(directory);
    }
    // Below /sys nothing can be created, but there is a place for a bpffs: empty inside `ip netns exec`.
    let standard = Path::new("/sys/fs/bpf");
    if !directory.starts_with(standard) || !standard.exists() {
        return Err(pins_error(directory, format!("cannot be created in {}", nearest.display())));
    }
    made.mount(standard)?;
    made.directory(directory)
}

/// What stands where the bpffs would be mounted, and what to do about it.
fn occupied(directory: &Path, names: &[String]) -> String {
    let strange = names.iter().find(|name| !is_ours(name));
    match strange {
        Some(name) => format!("is not empty ({name}) and not on a bpffs; name another directory"),
        None => {
            let paths: Vec<_> = names.iter().map(|name| directory.join(name).display().to_string()).collect();
            format!("has plain files of a director, on no bpffs, which hold nothing: rm -r {}", paths.join(" "))
        }
    }
}

/// A file where the directory should be, or above it.
pub(crate) fn refuse_file(directory: &Path) -> Result<(), Error> {
    let nearest = nearest(directory);
    if nearest.is_dir() {
        return Ok(());
    }
    Err(pins_error(directory, format!("{} is a file, not a directory; name a directory", nearest.display())))
}

fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/"))
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

pub(crate) fn is_our_mount(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().any(|line| is_our_mount_line(line, path))
}

/// `36 35 0:30 / /run/pins rw - bpf xlvs rw,mode=700`
fn is_our_mount_line(line: &str, path: &Path) -> bool {
    let Some((place, file_system)) = line.split_once(" - ") else { return false };
    let at = place.split(' ').nth(4).map(Path::new);
    at == Some(path) && file_system.starts_with(&format!("bpf {MOUNT_SOURCE} "))
}

/// Lazily: a process being started by another thread may hold our descriptors until it runs.
pub(crate) fn unmount(path: &Path) {
    let _ = umount2(path, MntFlags::MNT_DETACH);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_is_named() {
        let say = |names: &[&str]| {
            occupied(Path::new("/run/pins"), &names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
        };
        let leftovers = say(&["links", "v1-0123456789abcdef"]);
        assert!(leftovers.ends_with(": rm -r /run/pins/links /run/pins/v1-0123456789abcdef"), "{leftovers}");
        assert_eq!(say(&["links", "photos"]), "is not empty (photos) and not on a bpffs; name another directory");
    }

    #[test]
    fn only_our_own_mounts_are_taken_down() {
        let line = |source: &str| format!("36 35 0:30 / /run/pins rw,relatime shared:9 - bpf {source} rw,mode=700");
        assert!(is_our_mount_line(&line("xlvs"), Path::new("/run/pins")));
        assert!(!is_our_mount_line(&line("bpf"), Path::new("/run/pins")));
        assert!(!is_our_mount_line(&line("xlvs"), Path::new("/run")));
    }
}
