//! Attaching to interfaces: what holds a program there is pinned by interface index, so that it outlives the daemon.

use crate::error::{Doing, Error};
use crate::hold::{Hold, Hook};
use crate::hook::Owner;
use crate::interface::{self, LOOPBACK, Link};
use crate::lane::Why;
use crate::load::{self, Generation};
use crate::maps::Maps;
use crate::pins::{Pins, is_layout, make_directory, names_in, remove_tree};
use crate::stray;
use crate::syscall::Attach;
use forward::abi::{INTERFACE_SLOTS, Interface, InterfaceCounters, NextHop};
use model::{Lane, LaneChoice};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An interface the programs are attached to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// Its name in this network namespace.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Where they are.
    pub lane: Lane,
    /// Why there.
    pub why: Why,
    /// Frames whose transport checksum was looked at.
    pub checked_checksums: u64,
    /// Those of them where it was only begun: XDP cannot finish it.
    pub partial_checksums: u64,
}

/// All that attaching needs.
pub(crate) struct Attacher<'a> {
    pub(crate) pins: &'a Pins,
    pub(crate) schema_directory: &'a Path,
    pub(crate) maps: &'a Maps,
    pub(crate) generation: &'a Generation,
    /// A capture is loaded or about to be: its generation and the ordinary one stay beside each other.
    pub(crate) capturing: bool,
}

impl Attacher<'_> {
    /// Attaches, or brings an existing attachment up to date (program, address, lane). Another owner of the XDP hook is
    /// named and refused, or with `force` taken off.
    pub(crate) fn attach(&self, name: &str, choice: Option<LaneChoice>, force: bool) -> Result<Attachment, Error> {
        let link = Link::by_name(name)?;
        if !link.is_ethernet {
            let reason = "its frames have no Ethernet header, which the programs need".to_owned();
            return Err(Error::Attach { interface: link.name, reason });
        }
        make_directory(&self.links())?;
        self.enter(&link)?;
        let (lane, why) = self.settle(&link, choice, force).inspect_err(|_| {
            if self.lane(link.index).is_none() {
                self.leave(link.index);
            }
        })?;
        self.note(link.index, why)?;
        self.keep_only(link.index, lane)?;
        self.tidy()?;
        Ok(self.attachment(link.name, link.index, lane))
    }

    /// Moves an interface whose frames XDP cannot send on to the tc lane.
    pub(crate) fn leave_xdp(&self, name: &str) -> Result<Attachment, Error> {
        let link = Link::by_name(name)?;
        self.put(&link, Lane::Tc, false)?;
        self.note(link.index, Why::PartialChecksums)?;
        self.keep_only(link.index, Lane::Tc)?;
        Ok(self.attachment(link.name, link.index, Lane::Tc))
    }

    /// Chooses the lane and puts the program there. Without a choice the lane stays; an automatic one stays automatic.
    fn settle(&self, link: &Link, choice: Option<LaneChoice>, force: bool) -> Result<(Lane, Why), Error> {
        if link.index == LOOPBACK {
            return self.settle_loopback(link, choice);
        }
        if let Some(lane) = choice.and_then(LaneChoice::lane) {
            self.put(link, lane, force)?;
            return Ok((lane, Why::Asked));
        }
        let before = self.lane(link.index).map(|lane| (lane, self.why(link.index)));
        if let Some((lane, why)) = before.filter(|(_, why)| choice.is_none() || why.is_automatic()) {
            self.put(link, lane, force)?;
            return Ok((lane, why));
        }
        match self.put(link, Lane::Xdp, force) {
            Ok(()) => Ok((Lane::Xdp, Why::Native)),
            Err(Obstacle { why: Some(why), .. }) => {
                self.put(link, Lane::Tc, force)?;
                Ok((Lane::Tc, why))
            }
            Err(obstacle) => Err(obstacle.into()),
        }
    }

    /// On the loopback interface it is what goes out that matters: what this host sends to itself.
    fn settle_loopback(&self, link: &Link, choice: Option<LaneChoice>) -> Result<(Lane, Why), Error> {
        if let Some(lane) = choice.and_then(LaneChoice::lane).filter(|lane| *lane != Lane::Tc) {
            let reason =
                format!("lane {lane} has no native XDP there and would not see this host's own connections; use tc");
            return Err(Error::Attach { interface: link.name.clone(), reason });
        }
        self.put(link, Lane::Tc, false)?;
        Ok((Lane::Tc, Why::OwnConnections))
    }

    /// Translates what servers on this host answer, on every interface that is attached.
    pub(crate) fn translate_answers(&self) -> Result<(), Error> {
        for attachment in self.attachments() {
            if Hold::find(&self.links(), attachment.index, Hook::Egress).is_none() {
                let program = self.generation.entry(Hook::Egress);
                let attached = Hold::tc(&self.links(), attachment.index, program, Hook::Egress);
                attached.doing(|| format!("attach to what leaves by {}", attachment.name))?;
            }
        }
        Ok(())
    }

    /// Has the program of a lane on its hook.
    fn put(&self, link: &Link, lane: Lane, force: bool) -> Result<(), Obstacle> {
        let hook = hook_of(link.index, lane);
        if let Some(hold) = Hold::find(&self.links(), link.index, hook) {
            if hook != Hook::Xdp || hold.is_generic() == (lane == Lane::XdpGeneric) {
                return Ok(self.refresh(&hold)?);
            }
            hold.release(&self.links()).doing(|| format!("detach from {}", link.name)).map_err(Obstacle::from)?;
        }
        match self.take(link, lane) {
            Err(error) if is_taken(&error) && force => {
                self.take_over(link)?;
                self.take(link, lane)
            }
            other => other,
        }
        .map_err(|error| obstacle(link, lane, &error))
    }

    fn take(&self, link: &Link, lane: Lane) -> io::Result<()> {
        let hook = hook_of(link.index, lane);
        let program = self.generation.entry(hook);
        match lane {
            Lane::Xdp => Hold::xdp(&self.links(), link.index, program, Attach::XdpNative),
            Lane::XdpGeneric => Hold::xdp(&self.links(), link.index, program, Attach::XdpGeneric),
            Lane::Tc => Hold::tc(&self.links(), link.index, program, hook),
        }
    }

    fn take_over(&self, link: &Link) -> Result<(), Error> {
        let what = || format!("take {} over from the owner of its XDP hook", link.name);
        if let Some(owner) = Owner::of(link.index).doing(what)? {
            tracing::warn!("interface {}: taking over from {}", link.name, owner.describe());
            owner.evict(link.index).doing(what)?;
        }
        Ok(())
    }

    /// Takes the programs off the hooks of other lanes. The new lane is in place by now: no frame goes by.
    fn keep_only(&self, index: u32, lane: Lane) -> Result<(), Error> {
        let others = [Hook::Xdp, Hook::Ingress].into_iter().filter(|hook| *hook != hook_of(index, lane));
        for hold in others.filter_map(|hook| Hold::find(&self.links(), index, hook)) {
            hold.release(&self.links()).doing(|| format!("detach from {}", shown_name(index)))?;
        }
        Ok(())
    }

    /// Tells the programs the interface's address, on which they recognise their frames.
    fn enter(&self, link: &Link) -> Result<(), Error> {
        let slot = link.index % INTERFACE_SLOTS;
        let doing = || format!("enter interface {}", link.name);
        if link.index >> NextHop::INDEX_BITS != 0 {
            let most = 1 << NextHop::INDEX_BITS;
            return Err(Error::Invalid(format!(
                "interface {}: its index {} is not below {most}, which the data plane cannot note; create it again in a \
                 new network namespace, where indexes begin anew",
                link.name, link.index
            )));
        }
        let found = self.maps.interfaces.get(&slot).doing(doing)?.unwrap_or_default();
        if found.index != 0 && found.index != link.index && self.lane(found.index).is_some() {
            return Err(Error::NoSpace { what: "interface with this index modulo the table", size: INTERFACE_SLOTS });
        }
        let mut entry = Interface { index: link.index, address: link.address, mtu: link.mtu, ..Interface::default() };
        if found.index == link.index {
            entry.why = found.why;
        } else {
            self.maps.interface_counters.clear(slot).doing(doing)?;
        }
        if entry == found { Ok(()) } else { self.maps.interfaces.set(&slot, &entry).doing(doing) }
    }

    fn entered(&self, index: u32) -> Option<Interface> {
        let found = self.maps.interfaces.get(&(index % INTERFACE_SLOTS)).ok().flatten();
        found.filter(|interface| interface.index == index)
    }

    fn why(&self, index: u32) -> Why {
        self.entered(index).map_or(Why::Unknown, |interface| Why::of_number(interface.why))
    }

    /// Keeps the reason.
    fn note(&self, index: u32, why: Why) -> Result<(), Error> {
        let Some(entry) = self.entered(index).filter(|entry| entry.why != why as u16) else { return Ok(()) };
        let entry = Interface { why: why as u16, ..entry };
        let slot = index % INTERFACE_SLOTS;
        self.maps.interfaces.set(&slot, &entry).doing(|| format!("enter interface {}", shown_name(index)))
    }

    fn leave(&self, index: u32) {
        if self.entered(index).is_some()
            && let Err(error) = self.maps.interfaces.set(&(index % INTERFACE_SLOTS), &Interface::default())
        {
            tracing::warn!("interface {index} stays in its table: {error}");
        }
    }

    /// Puts this build's program in place of another.
    fn refresh(&self, hold: &Hold) -> Result<(), Error> {
        let doing = || "replace the program of an attachment".to_owned();
        if hold.program().doing(doing)? == self.generation.entry_id(hold.hook)? {
            return Ok(());
        }
        hold.replace(self.generation.entry(hold.hook)).doing(doing)
    }

    /// Puts this build's program where another build's runs over the same maps. Attachments of another layout wait
    /// until they are attached again: our maps for them are empty and must be filled first.
    pub(crate) fn refresh_inherited(&self) -> Result<(), Error> {
        let others = load::other_generations(self.schema_directory);
        let programs: Vec<u32> = others.iter().flat_map(|place| load::entries_of(place)).collect();
        for hold in self.holds() {
            if hold.program().is_ok_and(|running| programs.contains(&running)) {
                self.refresh(&hold)?;
            }
        }
        self.tidy()
    }

    /// Puts our programs in the place of whatever runs there.
    pub(crate) fn refresh_all(&self) -> Result<(), Error> {
        self.holds().iter().try_for_each(|hold| self.refresh(hold))
    }

    /// Detaches from the interface with this name, or with the index that a vanished one had.
    pub(crate) fn detach(&self, name: &str) -> Result<(), Error> {
        let index = match Link::by_name(name) {
            Ok(link) => link.index,
            Err(error) => name.strip_prefix(NAMELESS).and_then(|index| index.parse().ok()).ok_or(error)?,
        };
        let holds: Vec<_> = self.holds().into_iter().filter(|hold| hold.index == index).collect();
        if holds.is_empty() {
            self.tidy()?;
            return Err(Error::NotAttached(name.to_owned()));
        }
        for hold in holds {
            hold.release(&self.links()).doing(|| format!("detach from {name}"))?;
        }
        self.leave(index);
        Ok(())
    }

    /// All attachments whose interface still exists.
    pub(crate) fn attachments(&self) -> Vec<Attachment> {
        let mut indices: Vec<u32> = self.holds().iter().map(|hold| hold.index).collect();
        indices.dedup();
        let attachment = |index| Some(self.attachment(shown_name(index), index, self.lane(index)?));
        indices.into_iter().filter_map(attachment).collect()
    }

    fn attachment(&self, name: String, index: u32, lane: Lane) -> Attachment {
        let counted = self.maps.interface_counters.get(index % INTERFACE_SLOTS).unwrap_or_default();
        let sum = |part: fn(&InterfaceCounters) -> u64| counted.iter().map(part).sum();
        let (checked_checksums, partial_checksums) = (sum(|it| it.checked), sum(|it| it.partial));
        Attachment { name, index, lane, why: self.why(index), checked_checksums, partial_checksums }
    }

    /// The lane of an interface; XDP sees frames first.
    pub(crate) fn lane(&self, index: u32) -> Option<Lane> {
        let on = |hook| Hold::find(&self.links(), index, hook);
        match on(Hook::Xdp) {
            Some(hold) if hold.is_generic() => Some(Lane::XdpGeneric),
            Some(_) => Some(Lane::Xdp),
            None => on(hook_of(index, Lane::Tc)).map(|_| Lane::Tc),
        }
    }

    fn links(&self) -> PathBuf {
        self.pins.links()
    }

    fn holds(&self) -> Vec<Hold> {
        Hold::all(&self.links())
    }

    /// Removes pins of vanished interfaces, and generations and layouts that nothing runs any more.
    fn tidy(&self) -> Result<(), Error> {
        let holds = self.holds();
        for name in names_in(&self.links()) {
            let index = name.split('-').next().and_then(|index| index.parse().ok());
            if index.is_some_and(|index: u32| !holds.iter().any(|hold| hold.is_pinned_at(index, &name))) {
                remove_tree(&self.links().join(name))?;
            }
        }
        if self.capturing {
            return Ok(());
        }
        let is_ours = |hold: &Hold| {
            hold.program().is_ok_and(|running| self.generation.entry_id(hold.hook).is_ok_and(|ours| running == ours))
        };
        if !holds.iter().all(is_ours) {
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

const fn hook_of(index: u32, lane: Lane) -> Hook {
    match lane {
        Lane::Xdp | Lane::XdpGeneric => Hook::Xdp,
        Lane::Tc if index == LOOPBACK => Hook::Egress,
        Lane::Tc => Hook::Ingress,
    }
}

/// Why a lane cannot be had, and whether another one can do instead.
struct Obstacle {
    error: Error,
    why: Option<Why>,
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self { error, why: None }
    }
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Self {
        obstacle.error
    }
}

/// What an interface of another network namespace is called.
const NAMELESS: &str = "if";

fn shown_name(index: u32) -> String {
    interface::name_of(index).unwrap_or_else(|| format!("{NAMELESS}{index}"))
}

fn other_layouts(pins: &Pins, ours: &Path) -> Vec<PathBuf> {
    let layouts = names_in(&pins.root).into_iter().filter(|name| is_layout(name));
    layouts.map(|name| pins.root.join(name)).filter(|path| path != ours).collect()
}

/// Detaches everything that is pinned for this interface below a directory of attachments.
pub(crate) fn detach_interface(directory: &Path, index: u32) -> Result<(), Error> {
    let mut holds = Hold::all(directory).into_iter().filter(|hold| hold.index == index);
    holds.try_for_each(|hold| hold.release(directory).doing(|| format!("detach from interface {index}")))
}

/// Detaches everything below a directory of attachments; gives the names.
pub(crate) fn detach_links(directory: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for hold in Hold::all(directory) {
        let name = stray::true_name(&hold).unwrap_or_else(|| format!("{NAMELESS}{}", hold.index));
        hold.release(directory).doing(|| format!("detach from {name}"))?;
        names.push(name);
    }
    names.dedup();
    Ok(names)
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
}

/// One line that says why the interface does not take the programs in this lane, and what to do.
fn obstacle(link: &Link, lane: Lane, error: &io::Error) -> Obstacle {
    let interface = link.name.clone();
    let driver = || interface::driver(&link.name).unwrap_or_else(|| "unknown".to_owned());
    let (reason, why) = match (error.raw_os_error(), lane) {
        (Some(libc::EBUSY | libc::EEXIST), _) => {
            let owner = Owner::of(link.index).ok().flatten().map(|owner| owner.describe());
            let owner = owner.unwrap_or_else(|| "of another owner".to_owned());
            return Error::Conflict { interface, owner }.into();
        }
        (Some(libc::EPERM), _) => ("attaching is refused; xlvs needs CAP_NET_ADMIN and CAP_BPF".to_owned(), None),
        (Some(libc::EOPNOTSUPP), Lane::Xdp) => {
            let reason = format!("its driver ({}) has no native XDP; use lane tc (or auto)", driver());
            (reason, Some(Why::NoNativeXdp))
        }
        (Some(libc::ERANGE), Lane::Xdp) => {
            let reason = format!(
                "its MTU of {} is too large for native XDP with driver {}; lower it, or use lane tc (or auto)",
                interface::mtu(&link.name).unwrap_or_default(),
                driver()
            );
            (reason, Some(Why::LargeMtu))
        }
        (Some(libc::EINVAL | libc::ENOSPC | libc::ENOMEM), Lane::Xdp) => {
            let reason = format!(
                "driver {} refuses native XDP as the interface is set up now ({error}); see the kernel log, or use lane tc",
                driver()
            );
            (reason, Some(Why::DriverRefuses))
        }
        _ => (format!("the programs cannot be attached in lane {lane}: {error}"), None),
    };
    Obstacle { error: Error::Attach { interface, reason }, why }
}
