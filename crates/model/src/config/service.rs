//! `[[service]]` and its servers.

use super::error::Fault;
use super::health::{self, Settings};
use super::table::{Keys, Table, Value};
use super::{address, method, suggest};
use crate::health::{ServerHealth, ServiceHealth};
use crate::{
    Endpoint, ForwardingMethod, LocalAddresses, LocalRange, RealServer, Scheduler, SchedulerFlags, ServiceKey,
    ServiceOptions, VirtualService, Weight,
};
use std::collections::HashMap;

const SERVICE: Keys = Keys {
    place: "[[service]]",
    known: &[
        "name",
        "listen",
        "scheduler",
        "sched_flags",
        "method",
        "tunnel",
        "any",
        "servers",
        "local_addresses",
        "check",
        "quorum",
        "hysteresis",
        "quorum_up",
        "quorum_down",
        "sorry_server",
        "sorry_server_inhibit",
        "inhibit_on_failure",
        "notify_up",
        "notify_down",
        "omega",
        "ha_suspend",
        "passive",
    ],
    planned: &[
        "allow",
        "announce_when",
        "connection_limit",
        "deny",
        "drain",
        "expire_quiescent_template",
        "fwmark",
        "netmask",
        "one_packet",
        "persistence",
        "persistence_engine",
        "pressure",
        "rate_limit",
        "reset_on_expiry",
        "reuse",
        "scale_out",
        "slow_start",
        "syn_proxy",
        "timeouts",
        "tracking",
    ],
};

const SERVER: Keys = Keys {
    place: "a server",
    known: &["address", "weight", "method", "tunnel", "check", "inhibit_on_failure", "notify_up", "notify_down"],
    planned: &["lower_threshold", "name", "upper_threshold"],
};

const SERVERS_EXAMPLE: &str = "servers = [{ address = \"10.0.0.11:80\", weight = 3 }, \"10.0.0.12:80\"]";

/// A service as it was read.
pub(super) struct Read {
    pub(super) service: VirtualService,
    /// What decides whether its servers take part, where anything does.
    pub(super) health: Option<ServiceHealth>,
    /// The place of `listen`.
    pub(super) listen: usize,
    /// The place of `name`.
    pub(super) name: Option<usize>,
}

/// Reads one service.
pub(super) fn read(value: &Value<'_>) -> Result<Read, Fault> {
    let table = value.table(&SERVICE)?;
    let Some(listen) = table.get("listen") else {
        let message = "a service needs `listen`; write listen = \"tcp 203.0.113.10:80\"";
        return Err(Fault::at(table.offset, message));
    };
    let key = address::listen(&listen)?;
    let options = read_options(&table)?;
    let method = method::read(&table, ForwardingMethod::DirectRouting)?;
    let above = Settings::under(&table, &Settings::default(), key)?;
    let (servers, checked) = match table.get("servers") {
        Some(servers) => read_servers(&servers, &key, method, &above)?,
        None => (Vec::new(), Vec::new()),
    };
    let name = table.get("name").map(|name| name.offset());
    let service = VirtualService { key: key.into(), options, servers };
    let mut health = health::read(&table, &key, method, checked)?;
    check_local(&service, health.as_ref(), &table)?;
    if let Some(health) = &mut health {
        health.follow(&service);
        if let Some(obstacle) = health::obstacle(health) {
            let place = table.get("check").map_or(table.offset, |value| value.offset());
            return Err(Fault::at(place, obstacle));
        }
        if let Some(obstacle) = health::passive_obstacle(&service, health) {
            let place = table.get("passive").map_or(table.offset, |value| value.offset());
            return Err(Fault::at(place, obstacle));
        }
    }
    Ok(Read { service, health, listen: listen.offset(), name })
}

fn read_options(table: &Table<'_>) -> Result<ServiceOptions, Fault> {
    let scheduler = match table.get("scheduler") {
        Some(value) => read_scheduler(&value)?,
        None => Scheduler::WeightedLeastConnection,
    };
    Ok(ServiceOptions {
        scheduler,
        scheduler_flags: read_flags(table, scheduler)?,
        any: table.get("any").map(|value| value.boolean()).transpose()?.unwrap_or(false),
        name: table.get("name").map(|value| read_name(&value)).transpose()?,
        local_addresses: table.get("local_addresses").map(|value| read_local(&value)).transpose()?.unwrap_or_default(),
        ..ServiceOptions::default()
    })
}

const LOCAL_EXAMPLE: &str = "local_addresses = [\"10.0.9.1-10.0.9.4:20000-29999\"]";

fn read_local(list: &Value<'_>) -> Result<LocalAddresses, Fault> {
    let mut ranges = Vec::new();
    for value in list.array(LOCAL_EXAMPLE)? {
        let range = value.string(LOCAL_EXAMPLE)?.parse::<LocalRange>();
        ranges.push(range.map_err(|wrong| value.fault(format!("{wrong}; write {LOCAL_EXAMPLE}")))?);
    }
    LocalAddresses::new(ranges).map_err(|wrong| list.fault(wrong))
}

/// FullNAT needs local addresses, of the service's family.
fn check_local(service: &VirtualService, health: Option<&ServiceHealth>, table: &Table<'_>) -> Result<(), Fault> {
    let offset = |key| table.get(key).map_or(table.offset, |value| value.offset());
    let local = &service.options.local_addresses;
    if !local.fits(service.key.is_ipv6()) {
        let message = format!("local addresses {local} are not of the family of service {}", service.key);
        return Err(Fault::at(offset("local_addresses"), message));
    }
    let sorry = health.and_then(|health| health.sorry_server.as_ref()).map(|sorry| &sorry.server);
    let full = service.servers.iter().chain(sorry).find(|server| server.method == ForwardingMethod::FullNat);
    match full {
        Some(server) if local.is_empty() => {
            let message =
                format!("server {} needs a local address, as FullNAT does; write {LOCAL_EXAMPLE}", server.endpoint);
            Err(Fault::at(offset("method"), message))
        }
        _ => Ok(()),
    }
}

fn read_name(value: &Value<'_>) -> Result<String, Fault> {
    let name = value.string("name = \"web\"")?;
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err(value.fault("a name needs letters, and no control characters; write name = \"web\""));
    }
    Ok(name.to_owned())
}

fn read_scheduler(value: &Value<'_>) -> Result<Scheduler, Fault> {
    let name = value.string("scheduler = \"wlc\"")?;
    Scheduler::usable().find(|scheduler| scheduler.name() == name).ok_or_else(|| {
        let names: Vec<_> = Scheduler::usable().map(Scheduler::name).collect();
        let list = names.join(", ");
        let shown = name.escape_debug();
        if Scheduler::by_name(name).is_some_and(|scheduler| scheduler != Scheduler::Nobody) {
            return value.fault(format!("scheduler `{shown}` is not supported yet; write one of {list}"));
        }
        let hint = suggest::meant(name, &names).map(|meant| format!(" (`{meant}`?)")).unwrap_or_default();
        value.fault(format!("unknown scheduler `{shown}`; write one of {list}{hint}"))
    })
}

fn read_flags(table: &Table<'_>, scheduler: Scheduler) -> Result<SchedulerFlags, Fault> {
    let mut flags = SchedulerFlags::default();
    let Some(list) = table.get("sched_flags") else { return Ok(flags) };
    for value in list.array("sched_flags = [\"sh-port\"]")? {
        let flag = value.string("sched_flags = [\"sh-port\"]")?;
        match (flag, scheduler) {
            ("sh-port", Scheduler::SourceHash) | ("mh-port", Scheduler::Maglev) => flags.port = true,
            ("sh-fallback", Scheduler::SourceHash) | ("mh-fallback", Scheduler::Maglev) => flags.fallback = true,
            ("sh-port" | "mh-port" | "sh-fallback" | "mh-fallback", _) => {
                let owner = flag.split('-').next().unwrap_or_default();
                let message = format!("`{flag}` is a flag of {owner}, but the scheduler is {scheduler}");
                return Err(value.fault(format!("{message}; write scheduler = \"{owner}\" or remove the flag")));
            }
            _ => {
                let shown = flag.escape_debug();
                let message = "write sh-port or sh-fallback (with sh), mh-port or mh-fallback (with mh)";
                return Err(value.fault(format!("unknown flag `{shown}`; {message}")));
            }
        }
    }
    Ok(flags)
}

fn read_servers(
    list: &Value<'_>,
    key: &ServiceKey,
    method: ForwardingMethod,
    above: &Settings,
) -> Result<(Vec<RealServer>, Vec<ServerHealth>), Fault> {
    let (mut servers, mut checked) = (Vec::new(), Vec::new());
    let mut places: HashMap<Endpoint, usize> = HashMap::new();
    for value in list.array(SERVERS_EXAMPLE)? {
        let (server, place) = read_server(&value, &SERVER, key, method)?;
        if let Some(first) = places.insert(server.endpoint, place) {
            let message = format!("server {} is in service {key} twice; remove one", server.endpoint);
            return Err(Fault::at(place, message).seen_first(first));
        }
        let settings =
            if value.is_table() { Settings::under(&value.table(&SERVER)?, above, *key)? } else { above.clone() };
        servers.push(server);
        checked.push(settings.of(server.endpoint));
        if servers.len() > forward::abi::MAX_SERVERS_PER_SERVICE as usize {
            return Err(value.fault(format!("a service can have {} servers; remove the rest", servers.len() - 1)));
        }
    }
    Ok((servers, checked))
}

/// Reads one server, given as a string or a table; with it the place of its address.
pub(super) fn read_server(
    value: &Value<'_>,
    keys: &Keys,
    key: &ServiceKey,
    method: ForwardingMethod,
) -> Result<(RealServer, usize), Fault> {
    if !value.is_table() {
        let endpoint = address::server(value, key, method)?;
        let server = RealServer::new(endpoint, method, Weight::default());
        return Ok((keeping_port(server, key, value)?, value.offset()));
    }
    let table = value.table(keys)?;
    let Some(address) = table.get("address") else {
        return Err(Fault::at(table.offset, "a server needs `address`; write { address = \"10.0.0.12:80\" }"));
    };
    let method = method::read(&table, method)?;
    let endpoint = address::server(&address, key, method)?;
    let weight = table.get("weight").map(|value| value.number(0, Weight::MAX)).transpose()?;
    let weight = weight.and_then(Weight::new).unwrap_or_default();
    Ok((keeping_port(RealServer::new(endpoint, method, weight), key, &address)?, address.offset()))
}

/// Only NAT rewrites ports: what IPVS overrides in silence is an error here.
fn keeping_port(server: RealServer, key: &ServiceKey, place: &Value<'_>) -> Result<RealServer, Fault> {
    let there = server.in_service(&(*key).into());
    if there == server {
        return Ok(server);
    }
    Err(place.fault(format!(
        "server {} has another port than its service {key}, but method {} rewrites no ports (IPVS would silently use {}); write \"{}\", or method = \"nat\"",
        server.endpoint,
        server.method,
        key.endpoint.port(),
        there.endpoint,
    )))
}
