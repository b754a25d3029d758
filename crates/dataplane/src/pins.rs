//! Where maps, programs and links are pinned, and who keeps them.
//!
//! ```text
//! DIR/links/<interface index>[-<hook>] attachments, whatever programs they run
//! DIR/trials/<interface index>         deadlines of attachments on trial
//! DIR/journal                          lines of the director
//! DIR/v<SCHEMA>-<hash>/<MAP>           maps, by their layout
//! DIR/v<SCHEMA>-<hash>/p-<build>/…     programs and their PROG_ARRAY, one directory a generation
//! ```

use crate::bpffs::{self, Made};
use crate::error::{Doing, Error};
use crate::keeper::{self, Keeper};
use crate::lock::Lock;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The pin directory, opened.
#[derive(Debug)]
pub(crate) struct Pins {
    /// As the operator knows it.
    pub(crate) shown: PathBuf,
    /// As this process reaches it: itself, or through a keeper.
    pub(crate) root: PathBuf,
    keeper: Option<Keeper>,
    /// The keeper, if it was started for these pins just now.
    started: Option<Keeper>,
    made: Made,
    /// Nothing of ours was here before.
    fresh: bool,
}

impl Pins {
    /// Finds the pins of an earlier director, or prepares a place for new ones; and takes the right to write there
    /// before anybody else can think the place abandoned.
    pub(crate) fn claim(directory: &Path) -> Result<(Self, Lock), Error> {
        let shown = absolute(directory)?;
        let _guard = guard(&shown);
        let pins = Self::open(&shown)?;
        match Lock::take(&pins.root, &pins.shown) {
            Ok(lock) => Ok((Self { fresh: !pins.are_there(), ..pins }, lock)),
            Err(error) => {
                pins.give_up();
                Err(error)
            }
        }
    }

    fn open(shown: &Path) -> Result<Self, Error> {
        if let Some(pins) = Self::kept(shown) {
            return Ok(pins);
        }
        let mut made = Made::default();
        let prepared = bpffs::ensure(shown, &mut made).and_then(|()| {
            let needed = keeper::is_needed(shown);
            if needed { Keeper::start(shown).map(Some) } else { Ok(None) }
        });
        match prepared {
            Ok(keeper) => Ok(Self { keeper, started: keeper, made, ..Self::at(shown) }),
            Err(error) => {
                made.undo();
                Err(error)
            }
        }
    }

    fn at(shown: &Path) -> Self {
        let (shown, root) = (shown.to_owned(), shown.to_owned());
        Self { shown, root, keeper: None, started: None, made: Made::default(), fresh: false }
    }

    /// The pins of an earlier director, if there are any.
    pub(crate) fn existing(directory: &Path) -> Result<Option<Self>, Error> {
        let shown = absolute(directory)?;
        bpffs::refuse_file(&shown)?;
        let _guard = guard(&shown);
        let here = || bpffs::is_bpffs(&shown).then(|| Self::at(&shown));
        Ok(Self::kept(&shown).or_else(here))
    }

    /// What a keeper holds: of several, the one with the most attachments. Keepers that hold nothing any more end.
    fn kept(shown: &Path) -> Option<Self> {
        let through = |keeper: Keeper| Self { root: keeper.see(shown), keeper: Some(keeper), ..Self::at(shown) };
        let (living, idle): (Vec<_>, Vec<_>) =
            Keeper::all(shown).into_iter().map(through).partition(Self::are_there_or_coming);
        for keeper in idle.into_iter().filter_map(|pins| pins.keeper) {
            tracing::debug!("ending {keeper:?}: it keeps nothing");
            keeper.end();
        }
        living.into_iter().max_by_key(|pins| names_in(&pins.links()).len())
    }

    /// True where something of ours is pinned.
    pub(crate) fn are_there(&self) -> bool {
        bpffs::is_bpffs(&self.root) && names_in(&self.root).iter().any(|name| is_ours(name))
    }

    fn are_there_or_coming(&self) -> bool {
        let held = || matches!(Lock::take(&self.root, &self.shown), Err(Error::Busy { .. }));
        self.are_there() || bpffs::is_bpffs(&self.root) && held()
    }

    /// True when nothing of ours was there before.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// After a start that failed: removes what that start made.
    pub(crate) fn give_up(self) {
        if self.fresh
            && let Err(error) = self.remove_ours()
        {
            tracing::warn!("{error}");
        }
        self.made.undo();
        if let Some(keeper) = self.started {
            keeper.end();
        }
    }

    pub(crate) fn links(&self) -> PathBuf {
        self.root.join("links")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Removes everything we pinned, then the file system if it is ours, then the keeper.
    pub(crate) fn remove(self) -> Result<(), Error> {
        self.remove_ours()?;
        if bpffs::is_our_mount(&self.root) {
            bpffs::unmount(&self.root);
        } else if self.root.parent().is_some_and(bpffs::is_bpffs) {
            let _ = fs::remove_dir(&self.root);
        }
        if let Some(keeper) = self.keeper {
            keeper.end();
        }
        Ok(())
    }

    fn remove_ours(&self) -> Result<(), Error> {
        let mut ours = names_in(&self.root).into_iter().filter(|name| is_ours(name));
        ours.try_for_each(|name| remove_tree(&self.root.join(name)))
    }
}

/// An error when pins of this name are kept in another network namespace, where this process does not reach them.
pub(crate) fn refuse_elsewhere(directory: &Path) -> Result<(), Error> {
    let shown = absolute(directory)?;
    let Some(keeper) = Keeper::elsewhere(&shown) else { return Ok(()) };
    let reason = format!(
        "its director belongs to another network namespace; detach there: nsenter --net=/proc/{}/ns/net xlvs detach --all \
         --pin-dir {}",
        keeper.process(),
        shown.display()
    );
    Err(Error::Pins { path: shown, reason })
}

/// True for names that we give; a pin directory may be shared with strangers.
pub(crate) fn is_ours(name: &str) -> bool {
    matches!(name, "links" | "trials" | "journal" | "journal-new") || is_layout(name)
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

/// The same in a directory that must be there: what was taken down meanwhile does not come back.
pub(crate) fn make_directory_in_place(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().mode(0o700).create(path);
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let (pins, lock) = Pins::claim(&directory).unwrap();
        assert!(bpffs::is_bpffs(&pins.root));
        make_directory(&pins.links()).unwrap();
        drop(lock);
        let again = Pins::existing(&directory).unwrap().unwrap();
        assert_eq!(names_in(&again.root), ["links"]);
        again.remove().unwrap();
        assert!(!bpffs::is_bpffs(&directory));
        fs::remove_dir(&directory).unwrap();
    }

    #[test]
    #[ignore = "needs root"]
    fn a_start_that_fails_leaves_nothing_and_a_file_is_refused_as_one() {
        let base = std::env::temp_dir().join(format!("xlvs-pins-failed-{}", std::process::id()));
        let (pins, lock) = Pins::claim(&base.join("deep/er")).unwrap();
        make_directory(&pins.root.join("v1-0")).unwrap();
        drop(lock);
        pins.give_up();
        assert!(!base.exists());
        fs::write(&base, "").unwrap();
        let refusals = [Pins::claim(&base).err(), Pins::claim(&base.join("below")).err(), Pins::existing(&base).err()];
        fs::remove_file(&base).unwrap();
        for refusal in refusals.map(|refusal| refusal.unwrap().to_string()) {
            assert!(refusal.contains("not a directory"), "{refusal}");
        }
    }
}
