//! The interfaces of a data plane: attaching and detaching, for good, on trial, or without a daemon.

use crate::attach::{self, Attacher, Attachment};
use crate::error::Error;
use crate::lane::Why;
use crate::lock::Lock;
use crate::pins::Pins;
use crate::trial::{self, Trial};
use crate::{Dataplane, checking, interface, pins, privilege, stray};
use model::LaneChoice;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

impl Dataplane {
    pub(crate) fn attacher(&self) -> Attacher<'_> {
        let Self { pins, schema_directory, maps, .. } = self;
        let generation = self.capture.as_ref().map_or(&self.generation, |capture| &capture.generation);
        Attacher { pins, schema_directory, maps, generation, capturing: Arc::strong_count(&self.capture_mark) > 1 }
    }

    /// Attaches to an interface, or brings an attachment up to date: its lane (without one it stays as it is), its
    /// program, and its address in the tables. Another owner of the XDP hook is refused, or with `force` taken off.
    pub fn attach(&mut self, interface: &str, lane: Option<LaneChoice>, force: bool) -> Result<Attachment, Error> {
        self.attacher().attach(interface, lane, force)
    }

    /// Moves an interface to the tc lane because of what its frames, or those of its kind, arrive with.
    pub fn leave_xdp(&mut self, interface: &str, why: Why) -> Result<Attachment, Error> {
        self.attacher().leave_xdp(interface, why)
    }

    /// Name of an interface's driver, where it tells.
    pub fn driver(&self, interface: &str) -> Option<String> {
        interface::driver(interface)
    }

    /// Sees to it that what servers on this host answer is translated, whichever attached interface it leaves by.
    pub fn translate_answers(&mut self) -> Result<(), Error> {
        self.attacher().translate_answers()
    }

    /// Detaches from an interface.
    pub fn detach(&mut self, interface: &str) -> Result<(), Error> {
        self.attacher().detach(interface)?;
        self.end_trial(interface).map(drop)
    }

    /// Lets an attachment that is about to be made end by itself, unless [`Dataplane::end_trial`] comes first: whether
    /// this process lives or not.
    pub fn begin_trial(&mut self, interface: &str, length: Duration) -> Result<(), Error> {
        trial::begin(&self.pins, interface, length)
    }

    /// The attachments on trial.
    pub fn trials(&self) -> Vec<Trial> {
        trial::all(&self.pins)
    }

    /// The attachment stays. False when it was on no trial.
    pub fn end_trial(&mut self, interface: &str) -> Result<bool, Error> {
        match interface::Link::by_name(interface) {
            Ok(link) => trial::end(&self.pins, link.index),
            // Gone, and its links with it; the watchdog clears away the rest.
            Err(_) => Ok(false),
        }
    }

    /// Every interface with the programs attached.
    pub fn attachments(&self) -> Result<Vec<Attachment>, Error> {
        Ok(self.attacher().attachments())
    }
}

/// Detaches from every interface and removes all pins, without a daemon; gives the interfaces. Refused while a
/// director works on these pins.
pub fn detach_all(pin_directory: &Path) -> Result<Vec<String>, Error> {
    privilege::check()?;
    let pins = Pins::existing(pin_directory)?;
    if !pins.as_ref().is_some_and(Pins::are_there) {
        stray::check(pin_directory)?;
        pins::refuse_elsewhere(pin_directory)?;
    }
    let Some(pins) = pins else { return Ok(Vec::new()) };
    let lock = Lock::take(&pins.root, &pins.shown)?;
    let names = attach::detach_links(&pins.links())?;
    checking::clear_away(&pins.root);
    drop(lock);
    pins.remove()?;
    Ok(names)
}
