//! Attaching to interfaces: what holds a program there is pinned by interface index, so that it outlives the daemon.

mod entry;
mod generation;
mod obstacle;

use crate::error::{Doing, Error};
use crate::hold::{Hold, Hook};
use crate::hook::Owner;
use crate::interface::{self, LOOPBACK, Link};
use crate::lane::Why;
use crate::load::Generation;
use crate::maps::Maps;
use crate::pins::{Pins, make_directory};
use crate::stray;
use crate::syscall::Attach;
use forward::abi::{INTERFACE_SLOTS, InterfaceCounters};
use model::{Lane, LaneChoice};
use obstacle::{Obstacle, is_taken, obstacle};
use std::io;
use std::path::{Path, PathBuf};

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
    pub(crate) fn leave_xdp(&self, name: &str, why: Why) -> Result<Attachment, Error> {
        let link = Link::by_name(name)?;
        self.put(&link, Lane::Tc, false)?;
        self.note(link.index, why)?;
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
        if self.is_like_one_with_partial_checksums(link) {
            self.put(link, Lane::Tc, force)?;
            return Ok((Lane::Tc, Why::PartialChecksumsElsewhere));
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

    /// True when an interface of the same driver had to leave XDP for what its frames arrive with.
    fn is_like_one_with_partial_checksums(&self, link: &Link) -> bool {
        let driver = interface::driver(&link.name);
        let had_to = |it: &Attachment| matches!(it.why, Why::PartialChecksums | Why::PartialChecksumsElsewhere);
        let is_alike = |it: &Attachment| it.index != link.index && had_to(it) && interface::driver(&it.name) == driver;
        driver.is_some() && self.attachments().iter().any(is_alike)
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
            let named = hold.named(&self.links());
            let hold = named.doing(|| format!("pin what is attached to {}", link.name)).map_err(Obstacle::from)?;
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
}

const fn hook_of(index: u32, lane: Lane) -> Hook {
    match lane {
        Lane::Xdp | Lane::XdpGeneric => Hook::Xdp,
        Lane::Tc if index == LOOPBACK => Hook::Egress,
        Lane::Tc => Hook::Ingress,
    }
}

/// What an interface of another network namespace is called.
const NAMELESS: &str = "if";

fn shown_name(index: u32) -> String {
    interface::name_of(index).unwrap_or_else(|| format!("{NAMELESS}{index}"))
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
