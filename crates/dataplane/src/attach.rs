//! Attaching to interfaces: a bpf_link each, pinned by interface index, so that it outlives the daemon.

use crate::error::{Doing, Error};
use crate::hook::{Owner, interfaces_running};
use crate::interface::{self, Link};
use crate::load::{self, Generation};
use crate::maps::Maps;
use crate::pins::{Pins, is_layout, make_directory, names_in, remove_tree};
use crate::syscall;
use forward::abi::{INTERFACE_SLOTS, Interface};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// An interface the programs are attached to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// Its name in this network namespace.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// How: "xdp".
    pub lane: &'static str,
    /// Frames seen whose transport checksum was only begun: the sender's transmit offload must be off.
    pub partial_checksums: u64,
}

/// All that attaching needs.
pub(crate) struct Attacher<'a> {
    pub(crate) pins: &'a Pins,
    pub(crate) schema_directory: &'a Path,
    pub(crate) maps: &'a Maps,
    pub(crate) generation: &'a Generation,
}

impl Attacher<'_> {
    /// Attaches, or brings an existing attachment up to date (program, address). Another owner is named and refused,
    /// or with `force` taken off.
    pub(crate) fn attach(&self, name: &str, force: bool) -> Result<Attachment, Error> {
        let link = Link::by_name(name)?;
        let path = self.pins.link(link.index);
        if let Some(pinned) = live_link(&path, link.index) {
            self.enter(&link)?;
            self.refresh_link(&pinned)?;
        } else {
            remove_tree(&path)?;
            self.enter(&link)?;
            self.attach_new(&link, &path, force).inspect_err(|_| self.leave(link.index))?;
        }
        self.tidy()?;
        Ok(self.attachment(link.name, link.index))
    }

    fn attach_new(&self, link: &Link, path: &Path, force: bool) -> Result<(), Error> {
        make_directory(&self.pins.links())?;
        let attached = match syscall::create_link(self.generation.entry.as_fd(), link.index) {
            Err(error) if is_taken(&error) && force => {
                self.take_over(link)?;
                syscall::create_link(self.generation.entry.as_fd(), link.index)
            }
            other => other,
        };
        let attached = attached.map_err(|error| refusal(link, error))?;
        syscall::pin(attached.as_fd(), path).doing(|| format!("pin the attachment to {}", link.name))
    }

    fn take_over(&self, link: &Link) -> Result<(), Error> {
        let what = || format!("take {} over from the owner of its XDP hook", link.name);
        if let Some(owner) = Owner::of(link.index).doing(what)? {
            tracing::warn!("interface {}: taking over from {}", link.name, owner.describe());
            owner.evict(link.index).doing(what)?;
        }
        Ok(())
    }

    /// Tells the programs the interface's address, on which they recognise their frames.
    fn enter(&self, link: &Link) -> Result<(), Error> {
        let slot = link.index % INTERFACE_SLOTS;
        let doing = || format!("enter interface {}", link.name);
        let found = self.maps.interfaces.get(&slot).doing(doing)?.unwrap_or_default();
        if found.index != 0
            && found.index != link.index
            && live_link(&self.pins.link(found.index), found.index).is_some()
        {
            return Err(Error::NoSpace { what: "interface with this index modulo the table", size: INTERFACE_SLOTS });
        }
        if found.index != link.index {
            self.maps.interface_counters.clear(slot).doing(doing)?;
        }
        let entry = Interface { index: link.index, address: link.address, mtu: link.mtu, ..Interface::default() };
        if entry == found { Ok(()) } else { self.maps.interfaces.set(&slot, &entry).doing(doing) }
    }

    fn leave(&self, index: u32) {
        let slot = index % INTERFACE_SLOTS;
        let ours = self.maps.interfaces.get(&slot).is_ok_and(|found| found.is_some_and(|it| it.index == index));
        if ours && let Err(error) = self.maps.interfaces.set(&slot, &Interface::default()) {
            tracing::warn!("interface {index} stays in its table: {error}");
        }
    }

    /// Puts this build's program behind a link.
    fn refresh_link(&self, link: &OwnedFd) -> Result<(), Error> {
        let doing = || "replace the program of an attachment".to_owned();
        if syscall::link_facts(link.as_fd()).doing(doing)?.program == self.generation.entry_id()? {
            return Ok(());
        }
        syscall::update_link(link.as_fd(), self.generation.entry.as_fd()).doing(doing)
    }

    /// Puts this build's program behind the links that run another build's over the same maps. Links of another layout
    /// wait until they are attached again: our maps for them are empty and must be filled first.
    pub(crate) fn refresh_inherited(&self) -> Result<(), Error> {
        let others = load::other_generations(self.schema_directory);
        let programs: Vec<u32> = others.iter().filter_map(|place| load::entry_of(place)).collect();
        for (_, link) in self.links() {
            let running = syscall::link_facts(link.as_fd()).map(|facts| facts.program);
            if running.is_ok_and(|running| programs.contains(&running)) {
                self.refresh_link(&link)?;
            }
        }
        self.tidy()
    }

    /// Detaches from the interface with this name, or with the index that a vanished one had.
    pub(crate) fn detach(&self, name: &str) -> Result<(), Error> {
        let index = match Link::by_name(name) {
            Ok(link) => link.index,
            Err(error) => name.strip_prefix(NAMELESS).and_then(|index| index.parse().ok()).ok_or(error)?,
        };
        let path = self.pins.link(index);
        let Some(link) = live_link(&path, index) else {
            remove_tree(&path)?;
            return Err(Error::NotAttached(name.to_owned()));
        };
        syscall::detach_link(link.as_fd()).doing(|| format!("detach from {name}"))?;
        remove_tree(&path)?;
        self.leave(index);
        Ok(())
    }

    /// All attachments whose interface still exists.
    pub(crate) fn attachments(&self) -> Vec<Attachment> {
        let attachment = |(index, _)| self.attachment(shown_name(index), index);
        self.links().into_iter().map(attachment).collect()
    }

    fn attachment(&self, name: String, index: u32) -> Attachment {
        let partial = self.maps.interface_counters.get(index % INTERFACE_SLOTS).unwrap_or_default();
        Attachment { name, index, lane: "xdp", partial_checksums: partial.iter().sum() }
    }

    fn links(&self) -> Vec<(u32, OwnedFd)> {
        live_links(&self.pins.links())
    }

    /// Removes links of vanished interfaces, and generations and layouts that no link runs any more.
    fn tidy(&self) -> Result<(), Error> {
        let links = self.pins.links();
        let dead = |name: &&String| name.parse().is_ok_and(|index| live_link(&links.join(name), index).is_none());
        for name in names_in(&links).iter().filter(dead) {
            remove_tree(&links.join(name))?;
        }
        let ours = self.generation.entry_id()?;
        let is_ours = |link: &OwnedFd| syscall::link_facts(link.as_fd()).is_ok_and(|facts| facts.program == ours);
        if !self.links().iter().all(|(_, link)| is_ours(link)) {
            return Ok(());
        }
        let mut old = load::other_generations(self.schema_directory);
        old.extend(other_layouts(self.pins, self.schema_directory));
        if !old.is_empty() {
            // A packet may still be between two programs of the old generation: its PROG_ARRAY empties with its pin.
            std::thread::sleep(Duration::from_millis(100));
        }
        old.iter().try_for_each(|path| remove_tree(path))
    }
}

/// What an interface of another network namespace is called.
const NAMELESS: &str = "if";

fn shown_name(index: u32) -> String {
    interface::name_of(index).unwrap_or_else(|| format!("{NAMELESS}{index}"))
}

/// The name, unless the index means another interface here than where the link was made.
fn true_name(index: u32, link: &OwnedFd) -> Option<String> {
    let program = syscall::link_facts(link.as_fd()).ok()?.program;
    let is_here = Owner::of(index).ok()?.is_some_and(|owner| owner.is(program));
    if is_here { interface::name_of(index) } else { None }
}

/// An error when programs like ours run here although `directory` has no pins of ours.
pub(crate) fn check_strays(directory: &Path) -> Result<(), Error> {
    let strays = interfaces_running(load::ENTRY);
    let Some((first, _)) = strays.first() else { return Ok(()) };
    let told: Vec<_> = strays.iter().map(|(name, owner)| format!("{name} runs XDP {}", owner.describe())).collect();
    let reason = format!(
        "no pins are there, but {}; if it is xlvs with another --pin-dir, name that one; if its pins are lost, \
         `xlvs run --force --interface {first}` takes the interface over and `xlvs stop` then detaches it",
        told.join(", ")
    );
    Err(Error::Pins { path: directory.to_owned(), reason })
}

fn other_layouts(pins: &Pins, ours: &Path) -> Vec<std::path::PathBuf> {
    let layouts = names_in(&pins.root).into_iter().filter(|name| is_layout(name));
    layouts.map(|name| pins.root.join(name)).filter(|path| path != ours).collect()
}

/// The link pinned at `path`, if it still attaches to this interface.
fn live_link(path: &Path, index: u32) -> Option<OwnedFd> {
    let link = syscall::open_pin(path).ok()?;
    syscall::link_facts(link.as_fd()).is_ok_and(|facts| facts.interface == index).then_some(link)
}

fn live_links(directory: &Path) -> Vec<(u32, OwnedFd)> {
    let mut indices: Vec<u32> = names_in(directory).iter().filter_map(|name| name.parse().ok()).collect();
    indices.sort_unstable();
    let links = indices.into_iter().filter_map(|index| {
        let link = live_link(&directory.join(index.to_string()), index)?;
        Some((index, link))
    });
    links.collect()
}

/// Detaches everything below a directory of links; gives the names.
pub(crate) fn detach_links(directory: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for (index, link) in live_links(directory) {
        let name = true_name(index, &link).unwrap_or_else(|| format!("{NAMELESS}{index}"));
        syscall::detach_link(link.as_fd()).doing(|| format!("detach from {name}"))?;
        remove_tree(&directory.join(index.to_string()))?;
        names.push(name);
    }
    Ok(names)
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
}

/// One line that says why the interface does not take the programs, and what to do.
fn refusal(link: &Link, error: io::Error) -> Error {
    let interface = link.name.clone();
    let driver = || interface::driver(&link.name).unwrap_or_else(|| "unknown".to_owned());
    let reason = match error.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => {
            let owner = Owner::of(link.index).ok().flatten().map(|owner| owner.describe());
            return Error::Conflict { interface, owner: owner.unwrap_or_else(|| "of another owner".to_owned()) };
        }
        Some(libc::EOPNOTSUPP) => format!(
            "its driver ({}) has no native XDP; use an interface whose driver has (the members of a bridge, bond or \
             VLAN instead of the device on top of them)",
            driver()
        ),
        Some(libc::ERANGE) => format!(
            "its MTU of {} is too large for native XDP with driver {}; lower it and attach again",
            interface::mtu(&link.name).unwrap_or_default(),
            driver()
        ),
        Some(libc::EPERM) => "attaching is refused; xlvs needs CAP_NET_ADMIN and CAP_BPF".to_owned(),
        Some(libc::EINVAL | libc::ENOSPC | libc::ENOMEM) => {
            format!(
                "driver {} refuses native XDP as the interface is set up now ({error}); see the kernel log",
                driver()
            )
        }
        _ => format!("the programs cannot be attached: {error}"),
    };
    Error::Attach { interface, reason }
}
