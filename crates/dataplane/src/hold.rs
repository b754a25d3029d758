//! What holds a program on a hook, and its pin: a link, or (tc before Linux 6.6) a filter whose program is pinned.
//!
//! bpffs refuses dots, which names of interfaces may hold: pins are named by index, then by hook.

use crate::clsact::{self, Side};
use crate::pins::{names_in, remove_tree};
use crate::syscall::{self, Attach};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A place of an interface where a program can be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Hook {
    /// XDP, in whatever mode.
    Xdp,
    /// tc, frames that come in.
    Ingress,
    /// tc, frames that go out.
    Egress,
}

impl Hook {
    const ALL: [Self; 3] = [Self::Xdp, Self::Ingress, Self::Egress];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Xdp => "",
            Self::Ingress => "-ingress",
            Self::Egress => "-egress",
        }
    }

    const fn side(self) -> Option<Side> {
        match self {
            Self::Xdp => None,
            Self::Ingress => Some(Side::Ingress),
            Self::Egress => Some(Side::Egress),
        }
    }

    pub(crate) fn pin(self, links: &Path, index: u32) -> PathBuf {
        links.join(format!("{index}{}", self.suffix()))
    }

    fn of_pin(name: &str) -> Option<(u32, Self)> {
        Self::ALL.into_iter().rev().find_map(|hook| Some((name.strip_suffix(hook.suffix())?.parse().ok()?, hook)))
    }
}

/// A program on a hook.
pub(crate) struct Hold {
    pub(crate) index: u32,
    pub(crate) hook: Hook,
    path: PathBuf,
    /// The link, or the program of a filter.
    object: OwnedFd,
    is_link: bool,
}

impl Hold {
    /// All that still hold, by interface.
    pub(crate) fn all(links: &Path) -> Vec<Self> {
        let names = names_in(links);
        let names = names.iter().map(|name| name.strip_suffix(FRESH).unwrap_or(name));
        let mut places: Vec<_> = names.filter_map(Hook::of_pin).collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|(index, hook)| Self::find(links, index, hook)).collect()
    }

    /// The one on this hook, if it still holds there; also one whose owner was killed before it had its name.
    pub(crate) fn find(links: &Path, index: u32, hook: Hook) -> Option<Self> {
        let path = hook.pin(links, index);
        let fresh = fresh_name(&path);
        Self::at(path, index, hook).or_else(|| Self::at(fresh, index, hook))
    }

    /// The same with the name that belongs to it, for whoever has the right to write here.
    pub(crate) fn named(mut self, links: &Path) -> io::Result<Self> {
        let path = self.hook.pin(links, self.index);
        if self.path != path {
            fs::rename(&self.path, &path)?;
            self.path = path;
        }
        Ok(self)
    }

    fn at(path: PathBuf, index: u32, hook: Hook) -> Option<Self> {
        let object = syscall::open_pin(&path).ok()?;
        let is_link = syscall::link_facts(object.as_fd()).is_ok();
        let hold = Self { index, hook, path, object, is_link };
        hold.is_live().then_some(hold)
    }

    fn is_live(&self) -> bool {
        if self.is_link {
            return syscall::link_facts(self.object.as_fd()).is_ok_and(|facts| facts.interface == self.index);
        }
        let pinned = syscall::program_facts(self.object.as_fd()).map(|facts| facts.id);
        let there = self.hook.side().map(|side| clsact::programs(self.index, side)).unwrap_or_default();
        pinned.is_ok_and(|pinned| there.contains(&pinned))
    }

    /// Puts a program on an XDP hook.
    pub(crate) fn xdp(links: &Path, index: u32, program: BorrowedFd<'_>, mode: Attach) -> io::Result<()> {
        let link = syscall::create_link(program, index, mode)?;
        pin_anew(link.as_fd(), &Hook::Xdp.pin(links, index))
    }

    /// Puts a program on a tc hook: by a link where the kernel has them there, else by a filter.
    pub(crate) fn tc(links: &Path, index: u32, program: BorrowedFd<'_>, hook: Hook) -> io::Result<()> {
        let path = hook.pin(links, index);
        // Of somebody who was killed before it had its name: it would hold the same program there.
        remove_tree(&fresh_name(&path)).map_err(io::Error::other)?;
        let mode = if hook == Hook::Egress { Attach::TcEgress } else { Attach::TcIngress };
        match syscall::create_link(program, index, mode) {
            Ok(link) => pin_anew(link.as_fd(), &path),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Self::filter(links, index, program, hook),
            Err(error) => Err(error),
        }
    }

    /// A filter and the qdisc it needs; a pin beside it says that the qdisc is ours to remove. What is pinned is made
    /// afterwards, so that whoever is killed in between leaves nothing that is not known.
    pub(crate) fn filter(links: &Path, index: u32, program: BorrowedFd<'_>, hook: Hook) -> io::Result<()> {
        let Some(side) = hook.side() else { return Err(io::ErrorKind::InvalidInput.into()) };
        if clsact::programs(index, side).contains(&syscall::program_facts(program)?.id) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        make_qdisc(links, index, program)?;
        let path = hook.pin(links, index);
        let fresh = fresh_name(&path);
        remove_tree(&fresh).map_err(io::Error::other)?;
        syscall::pin(program, &fresh)?;
        clsact::set(index, side, program, None)?;
        fs::rename(&fresh, &path)
    }

    /// Id of the program.
    pub(crate) fn program(&self) -> io::Result<u32> {
        if self.is_link {
            return Ok(syscall::link_facts(self.object.as_fd())?.program);
        }
        Ok(syscall::program_facts(self.object.as_fd())?.id)
    }

    /// Puts another program in its place, atomically.
    pub(crate) fn replace(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        let Some(side) = self.hook.side().filter(|_| !self.is_link) else {
            return syscall::update_link(self.object.as_fd(), program);
        };
        let fresh = fresh_name(&self.path);
        remove_tree(&fresh).map_err(io::Error::other)?;
        syscall::pin(program, &fresh)?;
        clsact::set(self.index, side, program, Some(self.program()?))?;
        fs::rename(&fresh, &self.path)
    }

    /// True when a pin of this name belongs to this attachment or stands beside it.
    pub(crate) fn is_pinned_at(&self, index: u32, name: &str) -> bool {
        let own = self.path.file_name().is_some_and(|own| own == name);
        self.index == index && (own || name == qdisc_name(index))
    }

    /// True for XDP without the driver's help.
    pub(crate) fn is_generic(&self) -> bool {
        self.hook == Hook::Xdp && crate::hook::Owner::of(self.index).ok().flatten().is_some_and(|it| it.is_generic())
    }

    /// Takes the program off.
    pub(crate) fn release(&self, links: &Path) -> io::Result<()> {
        let released = match self.hook.side().filter(|_| !self.is_link) {
            Some(side) => clsact::remove(self.index, side, self.program()?),
            None => syscall::detach_link(self.object.as_fd()),
        };
        released?;
        fs::remove_file(&self.path)?;
        let mark = qdisc_mark(links, self.index);
        let marks = [fresh_name(&mark), mark];
        let others = [Hook::Ingress, Hook::Egress].iter().any(|hook| hook.pin(links, self.index).exists());
        if marks.iter().any(|mark| mark.exists()) && !others {
            match clsact::remove_qdisc(self.index) {
                // Its owner was killed before it was made.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => {}
                other => other?,
            }
            marks.iter().try_for_each(|mark| remove_tree(mark)).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// Makes the qdisc unless it is there, and notes that it is ours: beside what it is called until it is made, so that
/// whoever is killed in between knows it again.
fn make_qdisc(links: &Path, index: u32, program: BorrowedFd<'_>) -> io::Result<()> {
    let mark = qdisc_mark(links, index);
    if mark.exists() {
        return clsact::make_qdisc(index).map(drop);
    }
    let fresh = fresh_name(&mark);
    let was_begun = fresh.exists();
    if !was_begun {
        syscall::pin(program, &fresh)?;
    }
    if clsact::make_qdisc(index)? || was_begun { fs::rename(&fresh, &mark) } else { fs::remove_file(&fresh) }
}

fn qdisc_mark(links: &Path, index: u32) -> PathBuf {
    links.join(qdisc_name(index))
}

fn qdisc_name(index: u32) -> String {
    format!("{index}-qdisc")
}

/// Pins an object, in place of whatever is pinned there, at once.
fn pin_anew(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let fresh = fresh_name(path);
    remove_tree(&fresh).map_err(io::Error::other)?;
    syscall::pin(object, &fresh)?;
    fs::rename(&fresh, path)
}

/// End of the name of a pin until it is whole.
const FRESH: &str = "-new";

/// What a pin is called until it is whole.
fn fresh_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(FRESH);
    PathBuf::from(name)
}
