//! What the director needs of a data plane. The production path is [`dataplane::Dataplane`], one to one; tests put a
//! plane of memory in its place.

use dataplane::{
    Attachment, Capture, CaptureLoader, CaptureMissed, ConnectionsCursor, ConnectionsSlice, Dataplane, Error, Passages,
    Rehearsed, Signals, SweepReport, Trial, Why,
};
use forward::abi::Statistics;
use forward::capture::{Record, Wanted};
use model::{Change, Endpoint, LaneChoice, ServiceKey, State};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The only writer of maps.
pub(crate) trait Plane {
    fn actual(&self) -> Result<State, Error>;
    fn apply(&mut self, change: &Change) -> Result<(), Error>;
    fn attach(&mut self, interface: &str, lane: Option<LaneChoice>, force: bool) -> Result<Attachment, Error>;
    fn leave_xdp(&mut self, interface: &str, why: Why) -> Result<Attachment, Error>;
    fn driver(&self, interface: &str) -> Option<String>;
    fn translate_answers(&mut self) -> Result<(), Error>;
    fn check_by(&mut self, interfaces: &BTreeSet<u32>) -> Result<(), Error>;
    fn passages(&self) -> Result<Option<Passages>, Error>;
    fn detach(&mut self, interface: &str) -> Result<(), Error>;
    fn begin_trial(&mut self, interface: &str, length: Duration) -> Result<(), Error>;
    fn trials(&self) -> Vec<Trial>;
    fn end_trial(&mut self, interface: &str) -> Result<bool, Error>;
    fn attachments(&self) -> Result<Vec<Attachment>, Error>;
    fn load(&self, service: &ServiceKey, server: &Endpoint) -> Option<(u32, u32)>;
    fn statistics(&self, service: &ServiceKey, server: Option<&Endpoint>) -> Statistics;
    fn signals(&self, service: &ServiceKey, server: &Endpoint) -> Option<Signals>;
    fn counters(&self) -> BTreeMap<&'static str, u64>;
    fn sweep(&mut self) -> Result<SweepReport, Error>;
    fn connections(&self, cursor: ConnectionsCursor) -> Result<ConnectionsSlice, Error>;
    fn explain(&self, frame: &[u8], interface: u32) -> Result<Rehearsed, Error>;
    fn prepare_capture(&self, wanted: &Wanted) -> Result<CaptureLoader, Error>;
    fn begin_capture(&mut self, capture: Capture) -> Result<(), Error>;
    fn captured(&mut self, each: &mut dyn FnMut(&Record, &[u8]) -> bool) -> Result<CaptureMissed, Error>;
    fn end_capture(&mut self) -> Result<(), Error>;
    fn check_pins(&self) -> Result<(), Error>;
    fn journal_read(&mut self) -> Result<Option<Vec<String>>, Error>;
    fn journal_append(&mut self, line: &str) -> Result<(), Error>;
    fn journal_replace(&mut self, lines: Vec<String>) -> Result<(), Error>;
}

impl Plane for Dataplane {
    fn actual(&self) -> Result<State, Error> {
        Self::actual(self)
    }
    fn apply(&mut self, change: &Change) -> Result<(), Error> {
        Self::apply(self, change)
    }
    fn attach(&mut self, interface: &str, lane: Option<LaneChoice>, force: bool) -> Result<Attachment, Error> {
        Self::attach(self, interface, lane, force)
    }
    fn leave_xdp(&mut self, interface: &str, why: Why) -> Result<Attachment, Error> {
        Self::leave_xdp(self, interface, why)
    }
    fn driver(&self, interface: &str) -> Option<String> {
        Self::driver(self, interface)
    }
    fn translate_answers(&mut self) -> Result<(), Error> {
        Self::translate_answers(self)
    }
    fn check_by(&mut self, interfaces: &BTreeSet<u32>) -> Result<(), Error> {
        Self::check_by(self, interfaces)
    }
    fn passages(&self) -> Result<Option<Passages>, Error> {
        Self::passages(self).map(Some)
    }
    fn detach(&mut self, interface: &str) -> Result<(), Error> {
        Self::detach(self, interface)
    }
    fn begin_trial(&mut self, interface: &str, length: Duration) -> Result<(), Error> {
        Self::begin_trial(self, interface, length)
    }
    fn trials(&self) -> Vec<Trial> {
        Self::trials(self)
    }
    fn end_trial(&mut self, interface: &str) -> Result<bool, Error> {
        Self::end_trial(self, interface)
    }
    fn attachments(&self) -> Result<Vec<Attachment>, Error> {
        Self::attachments(self)
    }
    fn load(&self, service: &ServiceKey, server: &Endpoint) -> Option<(u32, u32)> {
        Self::load(self, service, server)
    }
    fn statistics(&self, service: &ServiceKey, server: Option<&Endpoint>) -> Statistics {
        Self::statistics(self, service, server)
    }
    fn signals(&self, service: &ServiceKey, server: &Endpoint) -> Option<Signals> {
        Self::signals(self, service, server)
    }
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        Self::counters(self)
    }
    fn sweep(&mut self) -> Result<SweepReport, Error> {
        Self::sweep(self)
    }
    fn connections(&self, cursor: ConnectionsCursor) -> Result<ConnectionsSlice, Error> {
        Self::connections(self, cursor)
    }
    fn explain(&self, frame: &[u8], interface: u32) -> Result<Rehearsed, Error> {
        Self::explain(self, frame, interface)
    }
    fn prepare_capture(&self, wanted: &Wanted) -> Result<CaptureLoader, Error> {
        Self::prepare_capture(self, wanted)
    }
    fn begin_capture(&mut self, capture: Capture) -> Result<(), Error> {
        Self::begin_capture(self, capture)
    }
    fn captured(&mut self, each: &mut dyn FnMut(&Record, &[u8]) -> bool) -> Result<CaptureMissed, Error> {
        Self::captured(self, each)
    }
    fn end_capture(&mut self) -> Result<(), Error> {
        Self::end_capture(self)
    }
    fn check_pins(&self) -> Result<(), Error> {
        Self::check_pins(self)
    }
    fn journal_read(&mut self) -> Result<Option<Vec<String>>, Error> {
        self.journal().read()
    }
    fn journal_append(&mut self, line: &str) -> Result<(), Error> {
        self.journal().append(line)
    }
    fn journal_replace(&mut self, lines: Vec<String>) -> Result<(), Error> {
        self.journal().replace(lines)
    }
}
