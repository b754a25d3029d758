//! A configuration on trial: confirmed, or rolled back.

use super::{Director, refusal};
use crate::observe::Network;
use crate::plane::Plane;
use crate::store::{Trial, refuse};
use api::{EventKind, Level, Refusal, RefusalKind, Response};
use model::LaneChoice;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

impl<P: Plane, N: Network> Director<P, N> {
    /// Why nothing is taken over now.
    pub(super) fn on_trial(&self) -> Refusal {
        let left = self.store.trial().map_or(0, |trial| trial.left().as_secs());
        let message = format!(
            "a configuration is on trial for {left} s more: first `xlvs confirm` it, or go back with `xlvs roll-back`"
        );
        refuse(RefusalKind::Conflict, message)
    }

    /// The configuration on trial stays. False when there is none.
    pub(super) fn confirm_configuration(&mut self) -> Result<bool, Refusal> {
        let Some(receipt) = self.store.confirm() else { return Ok(false) };
        if let Err(error) = self.journal.compact(&mut self.plane, &self.store, &self.zero) {
            self.store.take_back(receipt);
            return Err(refusal(&error));
        }
        let generation = self.store.generation();
        self.forget_untimely();
        let text = format!("configuration confirmed, generation {generation} stays");
        self.events.tell(Level::Info, EventKind::Confirmed { generation }, text);
        Ok(true)
    }

    /// What was before the configuration on trial is there again.
    pub(crate) fn roll_back(&mut self, why: &str, now: Instant) -> Result<Response, Refusal> {
        let subjects = self.all_subjects().into_iter().collect();
        let Some((receipt, trial)) = self.store.roll_back() else {
            return Err(refuse(RefusalKind::Conflict, "no configuration is on trial: there is nothing to go back to"));
        };
        if let Err(error) = self.journal.compact(&mut self.plane, &self.store, &self.zero) {
            self.troubled(format!("a roll-back cannot be kept: {error}"));
        }
        let touched = self.follow_store(&receipt, now);
        self.settle_lanes(now);
        // A failure is told there, and tried again by the next full comparison.
        let _ = self.reconcile(Some(&touched));
        self.welcome(&touched, &subjects);
        self.restore_trial(&trial);
        self.forget_untimely();
        let generation = self.store.generation();
        let text = format!("configuration rolled back ({why}), generation {generation}");
        self.events.tell(Level::Warn, EventKind::RolledBack { generation }, text);
        Ok(Response::RolledBack { generation })
    }

    /// Before the first plan of this process: a trial that was over before goes back at once. Its interfaces are for
    /// [`restore_trial`](Self::restore_trial), when they are known.
    pub(crate) fn end_overdue_trial(&mut self) -> Result<Option<Trial>, crate::Error> {
        if self.store.trial().is_none_or(|trial| !trial.left().is_zero()) {
            return Ok(None);
        }
        let on_trial = self.configured();
        let Some((_, trial)) = self.store.roll_back() else { return Ok(None) };
        self.brought_back = &self.configured() - &on_trial;
        self.journal.compact(&mut self.plane, &self.store, &self.zero)?;
        let generation = self.store.generation();
        let text = format!("configuration rolled back (not confirmed in time), generation {generation}");
        self.events.tell(Level::Warn, EventKind::RolledBack { generation }, text);
        Ok(Some(trial))
    }

    /// Interfaces as they were before a trial; those that were confirmed meanwhile stay attached.
    pub(crate) fn restore_trial(&mut self, trial: &Trial) {
        let on_trial = trial.interfaces.iter().filter(|name| self.trials.contains_key(*name));
        let added: Vec<String> = on_trial.cloned().collect();
        self.restore_interfaces(&trial.lanes, &added);
    }

    /// Interfaces that were moved go back to their lanes; those that were added are detached.
    pub(super) fn restore_interfaces(&mut self, lanes: &BTreeMap<String, LaneChoice>, added: &[String]) {
        for name in added {
            if self.interfaces.wanted().contains_key(name)
                && let Err(error) = self.interfaces.detach(&mut self.plane, name)
            {
                tracing::error!("{error}");
            }
            self.forget_trial(name);
        }
        for (name, lane) in lanes {
            let links = self.observer.links();
            if let Err(error) = self.interfaces.attach(&mut self.plane, links, name, Some(*lane), false) {
                tracing::error!("{error}");
            }
        }
    }

    /// Time until the configuration on trial is over.
    pub(super) fn trial_left(&self) -> Option<Duration> {
        self.store.trial().map(Trial::left)
    }
}
