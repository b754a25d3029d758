//! The interfaces the programs shall be attached to, and how they stay attached when links come and go.

use crate::events::Events;
use crate::observe::links::{Link, Links};
use crate::observe::outlet::Outlet;
use crate::offload::{Seen, Suspicion, is_near};
use crate::plane::Plane;
use api::{EventKind, Level};
use dataplane::{Attachment, Error, Why};
use model::{DirectorSettings, Lane, LaneChoice};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use wire::MacAddress;

/// What the programs were told about an interface: index, address, MTU.
type Known = (u32, Option<MacAddress>, u32);
/// Interfaces that are detached then, unless somebody confirms them.
pub(crate) type Trials = BTreeMap<String, Instant>;

/// Interfaces by name.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    wanted: BTreeMap<String, LaneChoice>,
    /// What each was attached with.
    attached: BTreeMap<String, Known>,
    /// Failures that were already reported.
    failing: BTreeMap<String, String>,
    events: Events,
    offload: BTreeMap<u32, Suspicion>,
}

impl Interfaces {
    /// None yet.
    pub(crate) fn new(events: Events) -> Self {
        Self { events, ..Self::default() }
    }

    /// Takes over what is attached already (pinned links of an earlier daemon).
    pub(crate) fn adopt<P: Plane>(&mut self, plane: &P) -> Result<(), Error> {
        let attachments = plane.attachments()?;
        self.wanted.extend(attachments.into_iter().map(|attachment| (attachment.name.clone(), choice(&attachment))));
        Ok(())
    }

    /// Attaches to `name` and keeps it so.
    pub(crate) fn attach<P: Plane>(
        &mut self,
        plane: &mut P,
        links: &Links,
        name: &str,
        lane: Option<LaneChoice>,
        force: bool,
    ) -> Result<Attachment, Error> {
        let attachment = plane.attach(name, lane, force)?;
        let link = links.get(&attachment.index);
        let (mac, mtu) = (link.and_then(|link| link.mac), link.map_or(0, |link| link.mtu));
        let (lane, why) = (attachment.lane, attachment.why.text());
        let kind = EventKind::InterfaceAttached { interface: name.to_owned(), lane: lane.to_string() };
        self.events.tell(Level::Info, kind, format!("interface {name}: attached ({lane}: {why})"));
        self.wanted.insert(name.to_owned(), choice(&attachment));
        self.attached.insert(name.to_owned(), (attachment.index, mac, mtu));
        self.failing.remove(name);
        Ok(attachment)
    }

    /// The first of `names` that is neither there nor wanted already.
    pub(crate) fn missing<'a>(&self, links: &Links, names: &'a [String]) -> Option<&'a String> {
        let known = |name: &String| self.wanted.contains_key(name) || links.values().any(|link| link.name == *name);
        names.iter().find(|name| !known(name))
    }

    /// The lane that each interface shall be in.
    pub(crate) fn wanted(&self) -> &BTreeMap<String, LaneChoice> {
        &self.wanted
    }

    /// Those named that are not wanted yet, or not in this lane.
    pub(crate) fn news(&self, named: &DirectorSettings) -> Vec<(String, Option<LaneChoice>)> {
        let lanes = named.interfaces.iter().map(|name| (name.clone(), named.lane_of(name)));
        let as_it_is = |(name, lane): &(String, Option<LaneChoice>)| {
            self.wanted.get(name).is_some_and(|wanted| lane.is_none_or(|lane| lane == *wanted))
        };
        lanes.filter(|named| !as_it_is(named)).collect()
    }

    /// Detaches from `name`, for good. One that is gone, or that could not be attached to, is no longer wanted: it is left
    /// alone when it comes.
    pub(crate) fn detach<P: Plane>(&mut self, plane: &mut P, name: &str) -> Result<(), Error> {
        match plane.detach(name) {
            Err(Error::NoInterface(_) | Error::NotAttached(_)) if self.wanted.contains_key(name) => {}
            other => other?,
        }
        let kind = EventKind::InterfaceDetached { interface: name.to_owned() };
        self.events.tell(Level::Info, kind, format!("interface {name}: detached"));
        self.wanted.remove(name);
        self.attached.remove(name);
        self.failing.remove(name);
        Ok(())
    }

    /// Detaches from every interface, for good; goes on after a failure. Gives the names.
    pub(crate) fn detach_all<P: Plane>(&mut self, plane: &mut P) -> Result<Vec<String>, Error> {
        self.wanted.clear();
        let names = plane.attachments()?.into_iter().map(|attachment| attachment.name);
        let results: Vec<_> = names.map(|name| self.detach(plane, &name).map(|()| name)).collect();
        results.into_iter().collect()
    }

    /// Attaches again where a link was created anew or has another address or MTU; what is on trial goes on with what
    /// `trials` leave it of its time, kept for the new link as it was for the old one.
    pub(crate) fn heal<P: Plane>(&mut self, plane: &mut P, links: &Links, trials: &Trials, now: Instant) {
        for (name, lane) in self.wanted.clone() {
            let Some((index, link)) = links.iter().find(|(_, link)| link.name == name) else { continue };
            if self.attached.get(&name) == Some(&(*index, link.mac, link.mtu)) {
                continue;
            }
            let kept =
                trials.get(&name).map_or(Ok(()), |end| keep_trial(plane, &name, end.saturating_duration_since(now)));
            let attached = kept.and_then(|()| self.attach(plane, links, &name, Some(lane), false));
            if let Err(error) = attached {
                self.report(name, error.to_string());
            }
        }
    }

    /// What an operator should know.
    pub(crate) fn notes(&self, links: &Links) -> Vec<String> {
        let missing = |name: &&String| !links.values().any(|link| link.name == **name);
        let missing = self.wanted.keys().filter(missing);
        let missing = missing.map(|name| format!("interface {name} is missing; it is attached as soon as it is back"));
        let failing = self.failing.values().map(|error| format!("cannot attach: {error}"));
        missing.chain(failing).collect()
    }

    /// Moves interfaces to tc whose frames XDP cannot send on, and with them those alike, unless the operator chose XDP
    /// by name: what one veth's peer leaves undone, the next one's does, too, and each would cost connections until it
    /// has shown that by itself. Gives those that stay in XDP without having been told to.
    pub(crate) fn avoid_unfinished_checksums<P: Plane>(
        &mut self,
        plane: &mut P,
        now: Instant,
    ) -> Result<Vec<Attachment>, Error> {
        let attachments = plane.attachments()?;
        let guilty: BTreeSet<u32> =
            attachments.iter().filter(|it| self.is_guilty(plane, it, now)).map(|it| it.index).collect();
        let movable: Vec<Attachment> = attachments.into_iter().filter(is_movable).collect();
        let drivers: BTreeSet<String> =
            movable.iter().filter(|it| guilty.contains(&it.index)).filter_map(|it| plane.driver(&it.name)).collect();
        if drivers.is_empty() {
            return Ok(movable);
        }
        // Whoever leaves it undone is on this host: so may be the senders before all interfaces of such kinds.
        let near = drivers.iter().any(|driver| is_near(driver));
        let is_alike = |driver: String| drivers.contains(&driver) || near && is_near(&driver);
        let mut staying = Vec::new();
        for attachment in movable {
            if guilty.contains(&attachment.index) {
                self.leave_xdp(plane, &attachment.name, Why::PartialChecksums, "")?;
            } else if plane.driver(&attachment.name).is_some_and(is_alike) {
                self.leave_xdp(plane, &attachment.name, Why::PartialChecksumsElsewhere, "")?;
            } else {
                staying.push(attachment);
            }
        }
        Ok(staying)
    }

    /// Moves those of `staying` to tc whose frames may be lost on one of `ways` out, or where they go back.
    pub(crate) fn avoid_lossy_ways<P: Plane>(
        &self,
        plane: &mut P,
        links: &Links,
        ways: &BTreeSet<u32>,
        staying: &[Attachment],
    ) -> Result<(), Error> {
        for attachment in staying {
            if let Some(way) = doubtful_way(links, ways, attachment.index) {
                self.leave_xdp(plane, &attachment.name, Why::LossyWay, &format!(" ({way})"))?;
            }
        }
        Ok(())
    }

    /// True when an interface's frames have shown that their checksums are left undone.
    fn is_guilty<P: Plane>(&mut self, plane: &P, attachment: &Attachment, now: Instant) -> bool {
        let seen = seen(attachment);
        let suspicion = self.offload.entry(attachment.index).or_insert_with(|| Suspicion::new(seen, now));
        let is_near = || plane.driver(&attachment.name).is_some_and(|driver| is_near(&driver));
        suspicion.is_confirmed(seen, now) || seen.is_early() && is_near()
    }

    fn leave_xdp<P: Plane>(&self, plane: &mut P, name: &str, why: Why, more: &str) -> Result<(), Error> {
        let moved = plane.leave_xdp(name, why)?;
        let (lane, why) = (moved.lane, moved.why.text());
        let text = format!("interface {}: moved to lane {lane}: {why}{more}", moved.name);
        let kind = EventKind::InterfaceAttached { interface: moved.name, lane: lane.to_string() };
        self.events.tell(Level::Warn, kind, text);
        Ok(())
    }

    /// Frames of the last minute whose checksums were left undone, beyond chance.
    pub(crate) fn recent_partial_checksums(&self, attachment: &Attachment) -> u64 {
        self.offload.get(&attachment.index).map_or(0, |suspicion| suspicion.recent(seen(attachment)))
    }

    fn report(&mut self, name: String, error: String) {
        if self.failing.get(&name) != Some(&error) {
            self.events.tell(Level::Warn, EventKind::InterfaceFailed { interface: name.clone() }, &error);
            self.failing.insert(name, error);
        }
    }
}

/// Keeps a trial for the link that is there now, unless it is kept already.
fn keep_trial<P: Plane>(plane: &mut P, name: &str, left: Duration) -> Result<(), Error> {
    let is_kept = plane.trials().iter().any(|trial| trial.interface == name);
    if is_kept { Ok(()) } else { plane.begin_trial(name, left) }
}

/// True for an interface that is in XDP without having been told to.
fn is_movable(attachment: &Attachment) -> bool {
    attachment.lane != Lane::Tc && attachment.why.is_automatic()
}

/// The name of a way out where frames that come in by `interface` may be lost: one of `ways`, or where they go back.
pub(crate) fn doubtful_way<'a>(links: &'a Links, ways: &BTreeSet<u32>, interface: u32) -> Option<&'a str> {
    let ways = ways.iter().chain([&interface]).filter_map(|index| Some((*index, links.get(index)?)));
    let mut outside = ways.filter(|(_, link)| !link.loopback);
    let is_doubtful = |(index, link): &(u32, &Link)| Outlet::of(link).is_doubtful(*index != interface);
    outside.find(is_doubtful).map(|(_, link)| link.name.as_str())
}

const fn seen(attachment: &Attachment) -> Seen {
    Seen { checked: attachment.checked_checksums, partial: attachment.partial_checksums }
}

/// What was chosen, as an attachment tells it.
fn choice(attachment: &Attachment) -> LaneChoice {
    if attachment.why.is_automatic() { LaneChoice::Auto } else { LaneChoice::exactly(attachment.lane) }
}
