//! What clients' connections tell of a server over time, and how long it is out for that.
//!
//! A burst is enough of them that failed, of enough clients, within the service's time ([`Passive`]). Who counts as a
//! client is `forward::signal`'s to know. A server that is out by a burst returns after its time, when all its checks have
//! succeeded since, as often as they must after a failure; and at once when its service would have no quorum without it.

use super::check::{CheckId, later};
use forward::Time;
use model::health::{Passive, Told};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

/// Connections of known clients, since the sample before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sample {
    /// Begun, or failed to.
    pub begun: u32,
    /// Of those, unanswered.
    pub unanswered: u32,
    /// Of those, reset at their beginning.
    pub reset: u32,
    /// A bit for each client whose connection failed; several may share one.
    pub failed_clients: u64,
    /// The same for those whose connection was completed.
    pub served_clients: u64,
}

impl Sample {
    /// Connections that failed.
    pub const fn failed(&self) -> u32 {
        self.unanswered.saturating_add(self.reset)
    }

    /// In the words of the configuration.
    pub const fn told(&self) -> Told {
        Told {
            begun: self.begun,
            failed: self.failed(),
            failed_clients: self.failed_clients.count_ones(),
            clients: (self.failed_clients | self.served_clients).count_ones(),
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            begun: self.begun.saturating_add(other.begun),
            unanswered: self.unanswered.saturating_add(other.unanswered),
            reset: self.reset.saturating_add(other.reset),
            failed_clients: self.failed_clients | other.failed_clients,
            served_clients: self.served_clients | other.served_clients,
        }
    }
}

/// Connections of a length of time, in words: `7 of 9 connections of 4 clients unanswered in 10 s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Burst {
    /// The connections.
    pub sample: Sample,
    /// The time.
    pub within: Duration,
}

impl fmt::Display for Burst {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { begun, unanswered, reset, .. } = self.sample;
        let Told { failed, failed_clients: clients, .. } = self.sample.told();
        write!(formatter, "{failed} of {begun} connections of {clients} clients ")?;
        match (unanswered, reset) {
            (_, 0) => formatter.write_str("unanswered")?,
            (0, _) => formatter.write_str("reset")?,
            (_, _) => write!(formatter, "failed ({unanswered} unanswered, {reset} reset)")?,
        }
        write!(formatter, " in {} s", self.within.as_secs_f64())
    }
}

/// Why a server that was out by a burst is back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Return {
    /// Its time is over, and its checks have succeeded.
    Over,
    /// Its service needs it.
    Needed,
}

/// What is known of a server by its clients.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    samples: VecDeque<(Time, Sample)>,
    /// A burst is told once in its time.
    quiet: Option<Time>,
    out: Option<Out>,
    /// How many bursts there were.
    pub bursts: u64,
    /// How it came back last.
    pub returned: Option<Return>,
}

/// It is out.
#[derive(Clone, Debug)]
pub struct Out {
    /// For so long at least.
    pub until: Time,
    /// For this.
    pub burst: Burst,
    /// How often its checks had been made before.
    made: BTreeMap<CheckId, u64>,
}

impl Watch {
    /// What its clients' connections told in the time before now.
    pub fn sum(&self, within: Duration, now: Time) -> Sample {
        let samples = self.samples.iter().filter(|(then, _)| later(*then, within) > now);
        samples.fold(Sample::default(), |sum, (_, sample)| sum.plus(*sample))
    }

    /// While it is out.
    pub const fn out(&self) -> Option<&Out> {
        self.out.as_ref()
    }

    /// Hears more; says whether it is a burst.
    pub(super) fn hear(&mut self, sample: Sample, passive: &Passive, now: Time) -> Option<Burst> {
        let is_over = |then: Time| later(then, passive.within) <= now;
        while self.samples.front().is_some_and(|(then, _)| is_over(*then)) {
            self.samples.pop_front();
        }
        if sample != Sample::default() {
            self.samples.push_back((now, sample));
        }
        let sum = self.sum(passive.within, now);
        if !passive.is_burst(&sum.told()) || self.quiet.is_some_and(|then| !is_over(then)) {
            return None;
        }
        self.quiet = Some(now);
        self.bursts += 1;
        // The next one needs others.
        self.samples.clear();
        Some(Burst { sample: sum, within: passive.within })
    }

    /// It goes.
    pub(super) fn leave(&mut self, burst: Burst, until: Time, made: BTreeMap<CheckId, u64>) {
        self.out = Some(Out { until, burst, made });
        self.returned = None;
    }

    /// It is back.
    pub(super) fn come_back(&mut self, why: Return) {
        self.out = None;
        self.returned = Some(why);
    }
}

impl Out {
    /// How often this check had been made when it went.
    pub(super) fn made_before(&self, id: CheckId) -> u64 {
        self.made.get(&id).copied().unwrap_or(0)
    }
}
