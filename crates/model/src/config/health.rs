//! What a `[[service]]` says about the health of its servers: checks, quorum, and the server for when nobody is left.

mod check;
mod pace;
mod page;
mod passive;
mod probe;
mod script;
#[cfg(test)]
mod tests;

use super::error::Fault;
use super::service;
use super::table::{Keys, Table};
use crate::health::{Check, Script, ServerHealth, ServiceHealth, SorryServer};
use crate::{Endpoint, ForwardingMethod, ServiceKey};

/// Keys of a service and of a server that only its health has to do with.
const KEYS: [&str; 13] = [
    "check",
    "ha_suspend",
    "hysteresis",
    "inhibit_on_failure",
    "notify_down",
    "notify_up",
    "omega",
    "passive",
    "quorum",
    "quorum_down",
    "quorum_up",
    "sorry_server",
    "sorry_server_inhibit",
];

/// What a server has of itself, or else of its service.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    checks: Vec<Check>,
    inhibit_on_failure: bool,
    notify_up: Option<Script>,
    notify_down: Option<Script>,
}

impl Settings {
    /// Those of a table: what it does not name is as it is above.
    pub(super) fn under(table: &Table<'_>, above: &Self, service: ServiceKey) -> Result<Self, Fault> {
        let mut settings = above.clone();
        if let Some(checks) = table.get("check") {
            settings.checks = check::read_list(&checks, service)?;
        }
        if let Some(inhibit) = table.get("inhibit_on_failure") {
            settings.inhibit_on_failure = inhibit.boolean()?;
        }
        for (key, script) in [("notify_up", &mut settings.notify_up), ("notify_down", &mut settings.notify_down)] {
            if let Some(value) = table.get(key) {
                *script = Some(script::read(&value)?);
            }
        }
        Ok(settings)
    }

    /// The health of this server.
    pub(super) fn of(self, endpoint: Endpoint) -> ServerHealth {
        let Self { checks, inhibit_on_failure, notify_up, notify_down } = self;
        ServerHealth { endpoint, checks, inhibit_on_failure, notify_up, notify_down }
    }
}

/// A check cannot take every way.
pub(super) fn obstacle(health: &ServiceHealth) -> Option<String> {
    let ways = health.servers.iter().flat_map(|server| server.checks.iter().map(|check| (check, server.endpoint)));
    ways.filter_map(|(check, server)| check.connection.through.as_ref()?.obstacle(server)).next()
}

pub(super) use passive::obstacle as passive_obstacle;

/// The health of a service whose servers have this one, if the file says anything about it.
pub(super) fn read(
    table: &Table<'_>,
    key: &ServiceKey,
    method: ForwardingMethod,
    servers: Vec<ServerHealth>,
) -> Result<Option<ServiceHealth>, Fault> {
    let plain = |server: &ServerHealth| *server == Settings::default().of(server.endpoint);
    if KEYS.iter().all(|key| table.get(key).is_none()) && servers.iter().all(plain) {
        return Ok(None);
    }
    let (quorum, hysteresis) = read_quorum(table)?;
    let script = |key| table.get(key).map(|value| script::read(&value)).transpose();
    let switch = |key| table.get(key).map_or(Ok(false), |value| value.boolean());
    Ok(Some(ServiceHealth {
        quorum,
        hysteresis,
        quorum_up: script("quorum_up")?,
        quorum_down: script("quorum_down")?,
        sorry_server: read_sorry(table, key, method)?,
        omega: switch("omega")?,
        suspended_without_address: switch("ha_suspend")?,
        passive: passive::read(table)?,
        servers,
    }))
}

fn read_quorum(table: &Table<'_>) -> Result<(u32, u32), Fault> {
    let quorum = table.get("quorum").map_or(Ok(1), |value| value.number(1, u32::MAX))?;
    let Some(value) = table.get("hysteresis") else { return Ok((quorum, 0)) };
    let hysteresis = value.number(0, u32::MAX)?;
    if hysteresis >= quorum && hysteresis != 0 {
        let message = format!("hysteresis {hysteresis} is not below the quorum {quorum}; lower it, or raise `quorum`");
        return Err(value.fault(message));
    }
    Ok((quorum, hysteresis))
}

fn read_sorry(table: &Table<'_>, key: &ServiceKey, method: ForwardingMethod) -> Result<Option<SorryServer>, Fault> {
    let inhibited = table.get("sorry_server_inhibit");
    let Some(value) = table.get("sorry_server") else {
        let message =
            "`sorry_server_inhibit` without a sorry server; write sorry_server = \"10.0.0.99:80\", or remove it";
        return inhibited.map_or(Ok(None), |value| Err(value.fault(message)));
    };
    const SORRY: Keys =
        Keys { place: "`sorry_server`", known: &["address", "weight", "method", "tunnel"], planned: &[] };
    let (server, _) = service::read_server(&value, &SORRY, key, method)?;
    let inhibited = inhibited.map_or(Ok(false), |value| value.boolean())?;
    Ok(Some(SorryServer { server, inhibited }))
}
