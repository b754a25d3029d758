//! Schedulers and their flags by the names ipvsadm has for them.

use super::failure::Failure;
use model::{Scheduler, SchedulerFlags};

/// What `ipvsadm -A` without `-s` means.
const DEFAULT: Scheduler = Scheduler::WeightedLeastConnection;

/// Schedulers of IPVS that are not built yet.
const NOT_YET: [&str; 8] = ["lblc", "lblcr", "dh", "sed", "nq", "fo", "ovf", "twos"];

/// Flags as typed, by the number IPVS has for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags {
    bits: u8,
}

impl Flags {
    /// Reads `-b` for a service whose scheduler was typed as `scheduler`.
    pub(crate) fn parse(text: &str, scheduler: &str) -> Result<Self, Failure> {
        let mut flags = Self::default();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            let (owner, number) = match name {
                "sh-fallback" => (Some("sh"), 1),
                "sh-port" => (Some("sh"), 2),
                "mh-fallback" => (Some("mh"), 1),
                "mh-port" => (Some("mh"), 2),
                "flag-1" => (None, 1),
                "flag-2" => (None, 2),
                "flag-3" => (None, 3),
                _ => return Err(Failure::usage(format!("invalid scheduler flag `{name}'"))),
            };
            if owner.is_some_and(|owner| owner != scheduler) {
                return Err(Failure::usage(format!("incompatible scheduler flag `{name}'")));
            }
            flags.bits |= 1 << number;
        }
        Ok(flags)
    }

    /// The flags as the model has them.
    pub(crate) fn for_scheduler(self, scheduler: Scheduler) -> Result<SchedulerFlags, Failure> {
        const PORT: u8 = 1 << 2;
        match scheduler {
            _ if self.bits == 0 => Ok(SchedulerFlags { port: false }),
            Scheduler::SourceHash | Scheduler::Maglev if self.bits == PORT => Ok(SchedulerFlags { port: true }),
            _ => Err(Failure::unsupported("a scheduler flag other than sh-port and mh-port")),
        }
    }
}

/// The scheduler of that name.
pub(crate) fn scheduler(name: &str) -> Result<Scheduler, Failure> {
    if name.is_empty() {
        return Ok(DEFAULT);
    }
    if NOT_YET.contains(&name) {
        return Err(Failure::unsupported(&format!("the scheduler {name}")));
    }
    Scheduler::by_name(name).ok_or_else(|| Failure::refused("Scheduler or persistence engine not found"))
}
