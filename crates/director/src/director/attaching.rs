//! Attaching, for good or on trial.

use super::{Director, refusal};
use crate::observe::Network;
use crate::plane::Plane;
use crate::store::refuse;
use api::{EventKind, Level, Refusal, RefusalKind, Response};
use model::LaneChoice;
use std::time::{Duration, Instant};

impl<P: Plane, N: Network> Director<P, N> {
    /// Attaches to an interface and keeps it so; with a number of seconds, only as long unless it is confirmed.
    pub(crate) fn attach(
        &mut self,
        interface: &str,
        lane: Option<LaneChoice>,
        force: bool,
        confirm_within: Option<u32>,
    ) -> Result<Response, Refusal> {
        let now = Instant::now();
        // The interface may be newer than the last look.
        self.look(now);
        let attachments = self.plane.attachments().map_err(|error| refusal(&error))?;
        let before = attachments.iter().find(|attachment| attachment.name == interface).map(|it| it.lane);
        if before.is_some() && (confirm_within.is_some() || self.trials.contains_key(interface)) {
            return Err(self.no_second_trial(interface));
        }
        if let Some(seconds) = confirm_within {
            let length = Duration::from_secs(seconds.into());
            // Kept first: whatever ends this process from here on, the interface is detached.
            self.plane.begin_trial(interface, length).map_err(|error| refusal(&error))?;
            self.trials.insert(interface.to_owned(), now + length);
        }
        let attached = self.interfaces.attach(&mut self.plane, self.observer.links(), interface, lane, force);
        let attachment = attached.map_err(|error| {
            if confirm_within.is_some() {
                self.forget_trial(interface);
            }
            refusal(&error)
        })?;
        self.translate_answers();
        self.settle_lanes(now);
        let settled = self.plane.attachments().map_err(|error| refusal(&error))?;
        let attachment = settled.into_iter().find(|it| it.index == attachment.index).unwrap_or(attachment);
        let (lane, reason) = (attachment.lane, attachment.why.text().to_owned());
        Ok(Response::Attached { interface: interface.to_owned(), lane, reason, before, confirm_within })
    }

    fn no_second_trial(&self, interface: &str) -> Refusal {
        let message = if self.trials.contains_key(interface) {
            format!("{interface} is attached on trial; `xlvs confirm {interface}` keeps it")
        } else {
            format!("{interface} is attached already, for good; detach it first to attach it on trial")
        };
        refuse(RefusalKind::Conflict, message)
    }

    /// What was attached on trial stays.
    pub(crate) fn confirm(&mut self, interface: Option<&str>) -> Result<Response, Refusal> {
        let names: Vec<String> = match interface {
            Some(name) => self.trials.contains_key(name).then(|| name.to_owned()).into_iter().collect(),
            None => self.trials.keys().cloned().collect(),
        };
        let configuration = interface.is_none() && self.confirm_configuration()?;
        if names.is_empty() && !configuration {
            let what = interface.unwrap_or("nothing");
            let message = match interface {
                Some(_) => format!("{what} is not on trial: it stays as it is, or its time was up (xlvs status)"),
                None => "neither a configuration nor an attachment waits to be confirmed".to_owned(),
            };
            return Err(refuse(RefusalKind::Conflict, message));
        }
        for name in &names {
            self.plane.end_trial(name).map_err(|error| refusal(&error))?;
            self.trials.remove(name);
            let kind = EventKind::AttachmentConfirmed { interface: name.clone() };
            self.events.tell(Level::Info, kind, format!("interface {name}: confirmed, it stays attached"));
        }
        Ok(Response::Confirmed { interfaces: names, configuration })
    }

    /// Goes on with the trials of an earlier daemon.
    pub(crate) fn adopt_trials(&mut self, now: Instant) {
        self.trials = self.plane.trials().into_iter().map(|trial| (trial.interface, now + trial.left)).collect();
    }

    /// When the next trial is over.
    pub(crate) fn next_trial(&self) -> Option<Instant> {
        let configuration = self.trial_left().map(|left| Instant::now() + left);
        self.trials.values().copied().chain(configuration).min()
    }

    /// Detaches, and rolls back, where nobody has confirmed in time.
    pub(crate) fn end_trials(&mut self, now: Instant) {
        let over: Vec<String> =
            self.trials.iter().filter(|(_, end)| now >= **end).map(|(name, _)| name.clone()).collect();
        for name in over {
            let kind = EventKind::AttachmentExpired { interface: name.clone() };
            self.events.tell(Level::Warn, kind, format!("interface {name}: not confirmed in time"));
            if let Err(error) = self.interfaces.detach(&mut self.plane, &name) {
                tracing::error!("{error}");
            }
            self.forget_trial(&name);
        }
        if self.trial_left().is_some_and(|left| left.is_zero()) {
            // There is one.
            let _ = self.roll_back("not confirmed in time", now);
        }
    }

    /// The trial is over, one way or another.
    pub(crate) fn forget_trial(&mut self, interface: &str) {
        self.trials.remove(interface);
        if let Err(error) = self.plane.end_trial(interface) {
            tracing::error!("{error}");
        }
    }
}
