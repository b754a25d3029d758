//! One check: its pace, its retries, and whether it succeeds.

use forward::Time;
use model::health::{Check, Probe};
use model::{Endpoint, Key};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Number of a check, for as long as its checker lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct CheckId(pub u32);

/// What is checked how. Servers with equal ones share the check.
#[derive(PartialEq, Eq, Debug)]
pub struct Task {
    /// Whom.
    pub server: Endpoint,
    /// How.
    pub check: Check,
    /// It rests while this address is not this node's.
    pub rests_without: Option<IpAddr>,
}

/// How a check ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// As it should.
    Success,
    /// As it should, and with it a number for the server's weight: a script sets it, a file adds to it.
    Weight(i64),
    /// Not as it should.
    Failure(String),
}

/// What is known of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckStatus {
    /// What is checked how.
    pub task: Arc<Task>,
    /// It counts as succeeding.
    pub up: bool,
    /// How often it was made.
    pub made: u64,
    /// How often it failed.
    pub failed: u64,
    /// When it became what it is.
    pub since: Time,
    /// How it ended last.
    pub last: Option<Outcome>,
    /// When it failed last, and how.
    pub last_failure: Option<(Time, String)>,
    /// When it is made next; none while it is being made, or rests.
    pub next: Option<Time>,
}

/// A check and its state.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) status: CheckStatus,
    /// Failures in a row while it still counts as succeeding.
    failures: u32,
    /// The page that is looked at next.
    page: usize,
    /// Successes in a row since the check failed.
    successes: u32,
    /// Successes in a row, whatever was before.
    streak: u32,
    /// Its part in the server's weight, while it has one.
    pub(super) weight: Option<i64>,
    /// Who has it: services in order, and places of servers in them.
    pub(super) users: Vec<(Key, usize)>,
}

/// What an outcome changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Effect {
    /// It counts as succeeding now, and did not, or the other way round.
    pub(super) turned: bool,
    /// The weight changed.
    pub(super) weighed: bool,
    /// It was down until its first success, and has failed instead: that is news, too.
    pub(super) stays_down: bool,
}

impl Slot {
    /// A check whose first time comes after a part of its warm-up, `share` of 0 to 1.
    pub(super) fn new(task: Arc<Task>, now: Time, share: f64) -> Self {
        let next = Some(later(now, task.check.pace.warmup.mul_f64(share)));
        let up = !task.check.starts_down;
        let status = CheckStatus { task, up, made: 0, failed: 0, since: now, last: None, last_failure: None, next };
        Self { status, failures: 0, page: 0, successes: 0, streak: 0, weight: None, users: Vec::new() }
    }

    /// Its part in the weight is instead of the configured one.
    pub(super) fn sets_weight(&self) -> bool {
        self.weight.is_some() && matches!(self.status.task.check.probe, Probe::Script { .. })
    }

    /// A server in this place of a service has it; it may have it twice.
    pub(super) fn add_user(&mut self, key: Key, place: usize) {
        let user = (key, place);
        if let Err(at) = self.users.binary_search(&user) {
            self.users.insert(at, user);
        }
    }

    /// No server of this service has it any more.
    pub(super) fn remove_user(&mut self, key: &Key) {
        let begin = self.users.partition_point(|(user, _)| user < key);
        let end = self.users.partition_point(|(user, _)| user <= key);
        self.users.drain(begin..end);
    }

    /// It succeeds, and has done so as often as it must after a failure since it had been made so often.
    pub(super) fn has_recovered(&self, made_before: u64) -> bool {
        let rise = self.status.task.check.pace.rise;
        self.status.up && self.streak >= rise && self.status.made >= made_before + u64::from(rise)
    }

    /// It comes now, unless it is being made. Returns when it would have come.
    pub(super) fn hasten(&mut self, now: Time) -> Option<Time> {
        let next = self.status.next.filter(|next| *next > now)?;
        self.status.next = Some(now);
        Some(next)
    }

    /// It is being made: the page it looks at.
    pub(super) fn begin(&mut self) -> usize {
        self.status.next = None;
        self.page
    }

    /// It has been made. The next one comes earlier by `share`, 0 to 1, of the jitter.
    pub(super) fn finish(&mut self, outcome: Outcome, now: Time, share: f64) -> Effect {
        self.status.made += 1;
        let (up_before, weight_before) = (self.status.up, self.weight);
        let is_first = self.status.made == 1 && self.status.task.check.starts_down;
        let stays_down = is_first && matches!(outcome, Outcome::Failure(_));
        let wait = match &outcome {
            Outcome::Failure(why) => {
                self.status.last_failure = Some((now, why.clone()));
                self.failed()
            }
            Outcome::Success => {
                self.weight = None;
                self.succeeded()
            }
            Outcome::Weight(weight) => {
                self.weight = Some(*weight);
                self.succeeded()
            }
        };
        self.status.last = Some(outcome);
        let pace = self.status.task.check.pace;
        let earlier = if wait == pace.interval { pace.jitter.mul_f64(share) } else { Duration::ZERO };
        self.status.next = Some(later(now, wait.saturating_sub(earlier)));
        let turned = self.status.up != up_before;
        if turned {
            self.status.since = now;
        }
        Effect { turned, weighed: self.weight != weight_before, stays_down }
    }

    /// How long to wait after a failure. Only a check that succeeded before has retries; they look at the page that failed.
    fn failed(&mut self) -> Duration {
        self.status.failed += 1;
        (self.successes, self.streak) = (0, 0);
        let pace = self.status.task.check.pace;
        if self.status.up && self.failures < pace.retries {
            self.failures += 1;
            return pace.delay_before_retry;
        }
        self.status.up = false;
        (self.page, self.failures) = (0, 0);
        pace.interval
    }

    /// How long to wait after a success. A check that failed before must succeed several times, and see all its pages.
    fn succeeded(&mut self) -> Duration {
        self.failures = 0;
        self.streak = self.streak.saturating_add(1);
        let check = &self.status.task.check;
        let (pages, fast_recovery) = match &check.probe {
            Probe::Http(probe) => (probe.pages.len(), probe.fast_recovery),
            _ => (1, false),
        };
        self.page = (self.page + 1) % pages.max(1);
        if self.status.up {
            return check.pace.interval;
        }
        self.successes = self.successes.saturating_add(1);
        let all_seen = usize::try_from(self.successes).unwrap_or(usize::MAX) >= pages;
        self.status.up = all_seen && self.successes >= check.pace.rise;
        if fast_recovery && !all_seen { Duration::ZERO } else { check.pace.interval }
    }
}

/// A time after another.
pub(super) fn later(now: Time, wait: Duration) -> Time {
    Time(now.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
}
