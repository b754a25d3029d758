//! What ipvsadm has and xlvs has not yet. Such a line is refused as a whole, after it has been found legal.

use super::failure::Failure;
use super::options::{Family, Method, Thing, Verb};
use super::typed::Typed;

/// Refuses what cannot be done yet.
pub(crate) fn check(typed: &Typed) -> Result<(), Failure> {
    let what = match typed.verb {
        Verb::StartDaemon | Verb::StopDaemon => Some("connection synchronization (--start-daemon, --stop-daemon)"),
        _ => family(typed).or_else(|| method(typed)).or_else(|| said(typed)),
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

fn method(typed: &Typed) -> Option<&'static str> {
    (typed.method == Method::Tunnel).then_some("tunneling (-i)")
}

fn said(typed: &Typed) -> Option<&'static str> {
    // A threshold of 0 means none, which is what every server has.
    let thresholds = [(Thing::UpperThreshold, typed.thresholds.0), (Thing::LowerThreshold, typed.thresholds.1)];
    let none: Vec<Thing> = thresholds.into_iter().filter(|(_, limit)| *limit == 0).map(|(thing, _)| thing).collect();
    typed.said.iter().filter(|thing| !none.contains(thing)).find_map(|thing| describe(*thing))
}

const fn describe(thing: Thing) -> Option<&'static str> {
    match thing {
        Thing::Persistent => Some("persistence (-p)"),
        Thing::Netmask => Some("a persistence mask (-M)"),
        Thing::PersistenceEngine => Some("a persistence engine (--pe)"),
        Thing::OnePacket => Some("one-packet scheduling (-o)"),
        Thing::UpperThreshold => Some("an upper threshold (-x)"),
        Thing::LowerThreshold => Some("a lower threshold (-y)"),
        Thing::Daemon => Some("connection synchronization (--daemon)"),
        Thing::Thresholds => Some("the list of thresholds (--thresholds)"),
        Thing::PersistentConnections => Some("the list of persistent connections (--persistent-conn)"),
        Thing::TunnelInfo => Some("the list of tunnels (--tun-info)"),
        _ => None,
    }
}
