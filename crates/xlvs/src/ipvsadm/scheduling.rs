//! Flags of schedulers by the names ipvsadm has for them.

use super::failure::Failure;
use model::SchedulerFlags;

/// Reads `-b` for a service whose scheduler was typed as `scheduler`.
pub(crate) fn flags(text: &str, scheduler: &str) -> Result<SchedulerFlags, Failure> {
    let mut flags = SchedulerFlags::NONE;
    for name in text.split(',').filter(|name| !name.is_empty()) {
        let (owner, flag) = match name {
            "sh-fallback" => (Some("sh"), &mut flags.fallback),
            "sh-port" => (Some("sh"), &mut flags.port),
            "mh-fallback" => (Some("mh"), &mut flags.fallback),
            "mh-port" => (Some("mh"), &mut flags.port),
            "flag-1" => (None, &mut flags.fallback),
            "flag-2" => (None, &mut flags.port),
            "flag-3" => (None, &mut flags.third),
            _ => return Err(Failure::usage(format!("invalid scheduler flag `{name}'"))),
        };
        if owner.is_some_and(|owner| owner != scheduler) {
            return Err(Failure::usage(format!("incompatible scheduler flag `{name}'")));
        }
        *flag = true;
    }
    Ok(flags)
}
