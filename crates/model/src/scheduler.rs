//! How a real server is chosen for a new connection.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kernel's schedulers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Scheduler {
    /// rr
    #[serde(rename = "rr")]
    RoundRobin,
    /// wrr
    #[serde(rename = "wrr")]
    WeightedRoundRobin,
    /// lc
    #[serde(rename = "lc")]
    LeastConnection,
    /// wlc: what a service has unless it says otherwise
    #[default]
    #[serde(rename = "wlc")]
    WeightedLeastConnection,
    /// lblc
    #[serde(rename = "lblc")]
    LocalityBasedLeastConnection,
    /// lblcr
    #[serde(rename = "lblcr")]
    LocalityBasedLeastConnectionWithReplication,
    /// dh
    #[serde(rename = "dh")]
    DestinationHash,
    /// sh
    #[serde(rename = "sh")]
    SourceHash,
    /// sed
    #[serde(rename = "sed")]
    ShortestExpectedDelay,
    /// nq
    #[serde(rename = "nq")]
    NeverQueue,
    /// fo
    #[serde(rename = "fo")]
    Failover,
    /// ovf
    #[serde(rename = "ovf")]
    Overflow,
    /// mh
    #[serde(rename = "mh")]
    Maglev,
    /// twos
    #[serde(rename = "twos")]
    TwoRandomChoices,
    /// none: nothing is scheduled
    #[serde(rename = "none")]
    Nobody,
}

impl Scheduler {
    /// All of them, in the order the documentation lists them.
    pub const ALL: [Self; 15] = [
        Self::RoundRobin,
        Self::WeightedRoundRobin,
        Self::LeastConnection,
        Self::WeightedLeastConnection,
        Self::LocalityBasedLeastConnection,
        Self::LocalityBasedLeastConnectionWithReplication,
        Self::DestinationHash,
        Self::SourceHash,
        Self::ShortestExpectedDelay,
        Self::NeverQueue,
        Self::Failover,
        Self::Overflow,
        Self::Maglev,
        Self::TwoRandomChoices,
        Self::Nobody,
    ];

    /// True for those that the data plane knows. A service with another one schedules nothing.
    pub const fn acts(self) -> bool {
        !matches!(
            self,
            Self::LocalityBasedLeastConnection
                | Self::LocalityBasedLeastConnectionWithReplication
                | Self::TwoRandomChoices
        )
    }

    /// Those that act and choose somebody: what a configuration file may name.
    pub fn usable() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|scheduler| scheduler.acts() && *scheduler != Self::Nobody)
    }

    /// The name that ipvsadm and keepalived use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "rr",
            Self::WeightedRoundRobin => "wrr",
            Self::LeastConnection => "lc",
            Self::WeightedLeastConnection => "wlc",
            Self::LocalityBasedLeastConnection => "lblc",
            Self::LocalityBasedLeastConnectionWithReplication => "lblcr",
            Self::DestinationHash => "dh",
            Self::SourceHash => "sh",
            Self::ShortestExpectedDelay => "sed",
            Self::NeverQueue => "nq",
            Self::Failover => "fo",
            Self::Overflow => "ovf",
            Self::Maglev => "mh",
            Self::TwoRandomChoices => "twos",
            Self::Nobody => "none",
        }
    }

    /// The scheduler of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheduler| scheduler.name() == name)
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The three flags of a scheduler (`-b`, `--sched-flags`). What they mean is the scheduler's business: sh and mh have
/// names for the first two, the others make nothing of any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SchedulerFlags {
    /// flag-1; sh-fallback, mh-fallback: another server stands in for one that cannot serve.
    #[serde(skip_serializing_if = "is_false")]
    pub fallback: bool,
    /// flag-2; sh-port, mh-port: the client's port takes part in the hash.
    pub port: bool,
    /// flag-3, which no scheduler knows.
    #[serde(skip_serializing_if = "is_false")]
    pub third: bool,
}

impl SchedulerFlags {
    /// Without any.
    pub const NONE: Self = Self { fallback: false, port: false, third: false };

    /// Those that the data plane acts upon.
    #[must_use]
    pub const fn acting(self, scheduler: Scheduler) -> Self {
        let hashes = matches!(scheduler, Scheduler::SourceHash | Scheduler::Maglev);
        Self { fallback: self.fallback && hashes, port: self.port && hashes, third: false }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
