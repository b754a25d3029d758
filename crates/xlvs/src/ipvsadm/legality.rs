//! Which options go with which command, and with each other.

use super::failure::Failure;
use super::options::{Family, Method, Thing, Verb};
use super::typed::{Tunnel, Typed};
use std::net::IpAddr;

/// What a command makes of options.
struct Rule {
    /// Its name in error texts.
    name: &'static str,
    /// Must be there.
    required: &'static [Thing],
    /// May be there.
    allowed: &'static [Thing],
    /// Of these at most one.
    exclusive: &'static [Thing],
}

const TUNNEL: [Thing; 5] =
    [Thing::TunnelType, Thing::TunnelPort, Thing::TunnelNoChecksum, Thing::TunnelChecksum, Thing::TunnelRemoteChecksum];
const SERVICE: &[Thing] = &[
    Thing::Scheduler,
    Thing::Persistent,
    Thing::Netmask,
    Thing::OnePacket,
    Thing::PersistenceEngine,
    Thing::SchedulerFlags,
    Thing::LocalAddress,
];
const SERVER: &[Thing] = &[
    Thing::Forwarding,
    Thing::Weight,
    Thing::UpperThreshold,
    Thing::LowerThreshold,
    Thing::TunnelType,
    Thing::TunnelPort,
    Thing::TunnelNoChecksum,
    Thing::TunnelChecksum,
    Thing::TunnelRemoteChecksum,
];
const LIST: &[Thing] = &[
    Thing::Numeric,
    Thing::Stats,
    Thing::Rate,
    Thing::Thresholds,
    Thing::PersistentConnections,
    Thing::NoSort,
    Thing::SyncId,
    Thing::Exact,
    Thing::TunnelInfo,
];
const DAEMON: &[Thing] = &[
    Thing::MulticastInterface,
    Thing::SyncId,
    Thing::SyncMaximumLength,
    Thing::MulticastGroup,
    Thing::MulticastPort,
    Thing::MulticastTtl,
];

const fn rule(name: &'static str, required: &'static [Thing], allowed: &'static [Thing]) -> Rule {
    Rule { name, required, allowed, exclusive: &[] }
}

const fn rule_of(verb: Verb) -> Rule {
    const BOTH: &[Thing] = &[Thing::Service, Thing::RealServer];
    match verb {
        Verb::AddService => rule("add-service", &[Thing::Service], SERVICE),
        Verb::EditService => rule("edit-service", &[Thing::Service], SERVICE),
        Verb::DeleteService => rule("delete-service", &[Thing::Service], &[]),
        Verb::AddServer => rule("add-server", BOTH, SERVER),
        Verb::EditServer => rule("edit-server", BOTH, SERVER),
        Verb::DeleteServer => rule("delete-server", BOTH, &[]),
        Verb::List => {
            let exclusive = &[Thing::Connection, Thing::Service, Thing::Timeout, Thing::Daemon];
            Rule { exclusive, ..rule("list", &[], LIST) }
        }
        Verb::Flush => rule("flush", &[], &[]),
        Verb::Zero => rule("zero", &[], &[Thing::Service]),
        Verb::SetTimeouts => rule("set", &[], &[]),
        Verb::StartDaemon => rule("start-daemon", &[], DAEMON),
        Verb::StopDaemon => rule("stop-daemon", &[], &[Thing::SyncId]),
        Verb::Restore => rule("restore", &[], &[Thing::Atomic]),
        Verb::Save => rule("save", &[], &[Thing::Numeric]),
        Verb::Help => rule("help", &[], &[]),
        Verb::Version => rule("version", &[], &[]),
    }
}

/// Everything that is checked once the whole line has been read.
pub(crate) fn check(typed: &Typed) -> Result<(), Failure> {
    check_combination(typed)?;
    match typed.verb {
        Verb::AddService | Verb::EditService => check_service(typed),
        Verb::AddServer | Verb::EditServer => check_server(typed),
        Verb::List => check_list(typed),
        _ => Ok(()),
    }
}

fn check_combination(typed: &Typed) -> Result<(), Failure> {
    let rule = rule_of(typed.verb);
    let mut things: Vec<Thing> = typed.said.iter().chain(rule.required).copied().collect();
    things.sort_unstable();
    things.dedup();
    let mut exclusive = None;
    for thing in things {
        let (thing_name, rule_name) = (thing.name(), rule.name);
        if !typed.says(thing) {
            let text = format!("You need to supply the '{thing_name}' option for the '{rule_name}' command");
            return Err(Failure::usage(text));
        }
        if rule.exclusive.contains(&thing) {
            if let Some(earlier) = exclusive.replace(thing_name) {
                let text = format!(
                    "The option '{thing_name}' conflicts with the '{earlier}' option in the '{rule_name}' command"
                );
                return Err(Failure::usage(text));
            }
        } else if !rule.required.contains(&thing) && !rule.allowed.contains(&thing) {
            return Err(Failure::usage(format!("Illegal '{thing_name}' option with the '{rule_name}' command")));
        }
    }
    Ok(())
}

fn check_service(typed: &Typed) -> Result<(), Failure> {
    let mark = typed.family == Some(Family::Mark);
    if !mark && typed.port == 0 && !typed.says(Thing::Persistent) {
        return Err(Failure::usage("Zero port specified for non-persistent service"));
    }
    if typed.says(Thing::OnePacket) && !mark && typed.family != Some(Family::Udp) {
        return Err(Failure::usage("One-Packet Scheduling is only for UDP virtual services"));
    }
    Ok(())
}

fn check_server(typed: &Typed) -> Result<(), Failure> {
    let service_is_ipv6 = typed.mark_is_ipv6 || matches!(typed.address, Some(IpAddr::V6(_)));
    let server_is_ipv6 = typed.server.is_some_and(|(address, _)| address.is_ipv6());
    if service_is_ipv6 != server_is_ipv6 && typed.method != Method::Tunnel {
        return Err(Failure::usage("Different address family is allowed only for tunneling servers"));
    }
    let tunnel: Vec<Thing> = TUNNEL.into_iter().filter(|thing| typed.says(*thing)).collect();
    if typed.method != Method::Tunnel {
        let text = "Tunnel options conflict with forward method";
        return if tunnel.is_empty() { Ok(()) } else { Err(Failure::usage(text)) };
    }
    check_tunnel(typed.tunnel, &tunnel)
}

fn check_tunnel(kind: Tunnel, said: &[Thing]) -> Result<(), Failure> {
    let (name, allowed): (_, &[Thing]) = match kind {
        Tunnel::Ipip => ("ipip", &[]),
        Tunnel::Gue => ("gue", &TUNNEL),
        Tunnel::Gre => ("gre", &[Thing::TunnelNoChecksum, Thing::TunnelChecksum]),
    };
    if kind == Tunnel::Gue && !said.contains(&Thing::TunnelPort) {
        let text = format!("You need to supply the 'tun-port' option for the '{name}' tunnel type");
        return Err(Failure::usage(text));
    }
    let mut earlier: Option<Thing> = None;
    for thing in said.iter().copied().filter(|thing| *thing != Thing::TunnelType) {
        if !allowed.contains(&thing) {
            return Err(Failure::usage(format!("Illegal '{}' option with the '{name}' tunnel type", thing.name())));
        }
        if thing == Thing::TunnelPort {
            continue;
        }
        if let Some(earlier) = earlier.replace(thing) {
            let (one, other) = (thing.name(), earlier.name());
            let text = format!("The option '{one}' conflicts with the '{other}' option in the '{name}' tunnel type");
            return Err(Failure::usage(text));
        }
    }
    Ok(())
}

fn check_list(typed: &Typed) -> Result<(), Failure> {
    let any = |things: &[Thing]| things.iter().any(|thing| typed.says(*thing));
    let other_table = any(&[Thing::Connection, Thing::Timeout, Thing::Daemon]);
    let columns = any(&[Thing::Stats, Thing::Rate, Thing::Thresholds]);
    let not_connections = any(&[Thing::Timeout, Thing::Daemon]);
    if (other_table && columns) || (not_connections && typed.says(Thing::PersistentConnections)) {
        return Err(Failure::usage("options conflicts in the list command"));
    }
    Ok(())
}
