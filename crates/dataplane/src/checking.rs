//! The programs of health checks that take the way of a service's clients, on the interfaces that such checks leave by.
//!
//! They are needed while somebody checks, and no longer: links are held, not pinned, and end with the daemon. (Before
//! Linux 6.6 there are no links: what a daemon that was killed leaves there, the next one takes over.)

use crate::Dataplane;
use crate::clsact::{self, Side};
use crate::error::{Doing, Error};
use crate::load::Generation;
use crate::pins::names_in;
use crate::syscall::{self, Attach};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Interfaces with the two programs, by index.
#[derive(Default)]
pub(crate) struct Checking(BTreeMap<u32, [Held; 2]>);

/// What holds a program in its place.
pub(crate) enum Held {
    Link(OwnedFd),
    Filter { index: u32, side: Side },
}

const PLACES: [(Attach, Side); 2] = [(Attach::TcIngress, Side::ChecksIn), (Attach::TcEgress, Side::ChecksOut)];

impl Checking {
    /// Has the programs on these interfaces, and on no others. One that cannot have them does not keep them from the rest.
    fn settle(&mut self, wanted: &BTreeSet<u32>, generation: &Generation) -> io::Result<()> {
        self.0.retain(|index, held| wanted.contains(index) && held.iter().all(|it| it.is_live(*index)));
        let mut outcome = Ok(());
        for index in wanted {
            if !self.0.contains_key(index) {
                match attach(*index, generation) {
                    Ok(held) => drop(self.0.insert(*index, held)),
                    Err(error) => outcome = Err(error),
                }
            }
        }
        outcome
    }
}

fn attach(index: u32, generation: &Generation) -> io::Result<[Held; 2]> {
    let [coming, going] = PLACES;
    Ok([
        Held::take(index, coming, generation.check_in.as_fd())?,
        Held::take(index, going, generation.check_out.as_fd())?,
    ])
}

impl Held {
    fn take(index: u32, (place, side): (Attach, Side), program: BorrowedFd<'_>) -> io::Result<Self> {
        match syscall::create_link(program, index, place) {
            Ok(link) => Ok(Self::Link(link)),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                clsact::make_qdisc(index)?;
                let before = clsact::programs(index, side).first().copied();
                clsact::set(index, side, program, before)?;
                Ok(Self::Filter { index, side })
            }
            Err(error) => Err(error),
        }
    }

    /// False once its interface is gone, whoever has the number now.
    fn is_live(&self, index: u32) -> bool {
        match self {
            Self::Link(link) => syscall::link_facts(link.as_fd()).is_ok_and(|facts| facts.interface == index),
            Self::Filter { index, side } => !clsact::programs(*index, *side).is_empty(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The interface may be gone, and the filter with it.
        if let Self::Filter { index, side } = self
            && let Some(program) = clsact::programs(*index, *side).first()
            && clsact::remove(*index, *side, *program).is_ok()
        {
            let _ = clsact::remove_qdisc(*index);
        }
    }
}

/// Takes away the filters that a daemon which was killed has left: they have programs that are pinned below `root`.
pub(crate) fn clear_away(root: &Path) {
    let programs: BTreeSet<u32> = PROGRAMS.iter().flat_map(|name| pinned(root, name)).collect();
    let interfaces = nix::net::if_::if_nameindex();
    for interface in interfaces.iter().flat_map(|interfaces| interfaces.iter()) {
        for (_, side) in PLACES {
            let index = interface.index();
            let ours = clsact::programs(index, side).into_iter().filter(|program| programs.contains(program));
            for program in ours {
                // Another may have been faster, or the interface is gone.
                if clsact::remove(index, side, program).is_ok() {
                    let _ = clsact::remove_qdisc(index);
                }
            }
        }
    }
}

/// Names that the two programs are pinned by.
const PROGRAMS: [&str; 2] = ["tc_check_in", "tc_check_out"];

/// Ids of the programs of this name in `folder` and below it.
fn pinned(folder: &Path, name: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in names_in(folder).iter().map(|entry| folder.join(entry)) {
        if entry.is_dir() {
            found.extend(pinned(&entry, name));
        } else if entry.file_name().is_some_and(|it| it == name) {
            let program = syscall::open_pin(&entry).and_then(|program| syscall::program_facts(program.as_fd()));
            found.extend(program.map(|facts| facts.id));
        }
    }
    found
}

impl Dataplane {
    /// Checks take the way of clients by these interfaces (indices), and by no others.
    pub fn check_by(&mut self, interfaces: &BTreeSet<u32>) -> Result<(), Error> {
        let settled = self.checking.settle(interfaces, &self.generation);
        settled.doing(|| "attach the programs of checks through their service".to_owned())
    }
}

#[cfg(test)]
impl Held {
    /// As before Linux 6.6.
    pub(crate) fn filter(index: u32, side: Side, program: BorrowedFd<'_>) -> io::Result<Self> {
        clsact::make_qdisc(index)?;
        clsact::set(index, side, program, None)?;
        Ok(Self::Filter { index, side })
    }
}
