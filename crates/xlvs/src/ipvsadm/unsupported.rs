//! What ipvsadm has and xlvs has not yet. Such a line is refused as a whole, after it has been found legal.

use super::failure::Failure;
use super::options::{Family, Thing, Verb};
use super::typed::Typed;

/// Refuses what cannot be done yet.
pub(crate) fn check(typed: &Typed) -> Result<(), Failure> {
    let what = match typed.verb {
        Verb::StartDaemon | Verb::StopDaemon => Some("connection synchronization (--start-daemon, --stop-daemon)"),
        _ => family(typed).or_else(|| said(typed)),
    };
    what.map_or(Ok(()), |what| Err(Failure::unsupported(what)))
}

fn family(typed: &Typed) -> Option<&'static str> {
    match typed.family? {
        Family::Tcp | Family::Udp => None,
        Family::Sctp => Some("SCTP (--sctp-service)"),
        Family::Mark => Some("a service by firewall mark (-f)"),
    }
}

fn said(typed: &Typed) -> Option<&'static str> {
    typed.says(Thing::Daemon).then_some("connection synchronization (--daemon)")
}
