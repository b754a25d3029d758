//! `check`: what is tried, where and when.

use super::{pace, probe};
use crate::ServiceKey;
use crate::config::error::Fault;
use crate::config::table::{Keys, Table, Value};
use crate::health::{Check, Connection, Probe, Way};
use std::net::IpAddr;

const CHECK: Keys = Keys {
    place: "a check",
    known: &[
        "tcp",
        "http",
        "https",
        "smtp",
        "dns",
        "udp",
        "ping",
        "grpc",
        "script",
        "file",
        "interval",
        "timeout",
        "rise",
        "fall",
        "delay_before_retry",
        "jitter",
        "warmup",
        "starts_down",
        "log_all_failures",
        "address",
        "port",
        "bind_address",
        "bind_port",
        "bind_interface",
        "mark",
        "through",
        "tls",
        "version",
        "sni",
        "fast_recovery",
    ],
    planned: &["bfd"],
};

const EXAMPLE: &str = "check = { http = \"/health\", interval = \"2s\" }, or check = \"tcp\"";

/// One check or a list of them.
pub(super) fn read_list(value: &Value<'_>, service: ServiceKey) -> Result<Vec<Check>, Fault> {
    let read = |value: &Value<'_>| read(value, service);
    if value.is_array() { value.array(EXAMPLE)?.iter().map(read).collect() } else { Ok(vec![read(value)?]) }
}

/// `"tcp"`, or `{ tcp = true, interval = "2s" }`
fn read(value: &Value<'_>, service: ServiceKey) -> Result<Check, Fault> {
    if value.is_table() {
        return read_table(&value.table(&CHECK)?, service);
    }
    let kind = value.string(EXAMPLE)?;
    let probe = probe::usual(kind).ok_or_else(|| value.fault(probe::strange_kind(kind)))?;
    let (connection, pace) = (Connection::default(), pace::read(None)?);
    Ok(Check { probe, connection, pace, starts_down: false, logs_every_failure: false })
}

fn read_table(table: &Table<'_>, service: ServiceKey) -> Result<Check, Fault> {
    let mut kinds = probe::KINDS.iter().filter_map(|kind| Some((*kind, table.get(kind)?)));
    let Some((kind, value)) = kinds.next() else {
        let message = format!("a check needs one of {}; write {EXAMPLE}", probe::KINDS.join(", "));
        return Err(Fault::at(table.offset, message));
    };
    if let Some((other, value)) = kinds.next() {
        let message = format!("a check by both {kind} and {other}; write two: check = [{{ … }}, {{ … }}]");
        return Err(value.fault(message));
    }
    let mut probe = probe::read(kind, &value)?;
    probe::read_http_settings(table, kind, &mut probe)?;
    probe::read_tls(table, kind, &mut probe)?;
    let pace = pace::read(Some(table))?;
    if let Probe::Script { timeout, .. } = &mut probe {
        *timeout = table.get("timeout").map(|_| pace.timeout);
    }
    let switch = |key| table.get(key).map_or(Ok(false), |value| value.boolean());
    let through = read_through(table, kind, &probe)?.then(|| Way::of(service));
    Ok(Check {
        pace: pace.of(&probe),
        probe,
        connection: Connection { through, ..read_connection(table)? },
        starts_down: switch("starts_down")?,
        logs_every_failure: switch("log_all_failures")?,
    })
}

fn read_connection(table: &Table<'_>) -> Result<Connection, Fault> {
    let address = |key| {
        let Some(value) = table.get(key) else { return Ok(None) };
        let text = value.string("\"10.0.0.11\"")?;
        let wrong = || value.fault(format!("`{}` is no IP address; write \"10.0.0.11\"", text.escape_debug()));
        text.parse::<IpAddr>().map(Some).map_err(|_| wrong())
    };
    let port = |key| table.get(key).map(|value| value.number(1, u16::MAX.into()).map(|port| port as u16)).transpose();
    let interface = table.get("bind_interface").map(|value| crate::config::interface_name(&value)).transpose()?;
    Ok(Connection {
        address: address("address")?,
        port: port("port")?,
        bind_address: address("bind_address")?,
        bind_interface: interface,
        bind_port: port("bind_port")?,
        mark: table.get("mark").map_or(Ok(0), |value| value.number(0, u32::MAX))?,
        through: None,
    })
}

/// `through = "service"`: as clients go. Kinds that have no connection to the service cannot.
fn read_through(table: &Table<'_>, kind: &str, probe: &Probe) -> Result<bool, Fault> {
    let Some(value) = table.get("through") else { return Ok(false) };
    match value.string("through = \"service\"")? {
        "server" => return Ok(false),
        "service" => {}
        other => {
            let shown = other.escape_debug();
            return Err(value.fault(format!("`{shown}` is no way to a server; write \"service\" or \"server\"")));
        }
    }
    if matches!(probe, Probe::Ping | Probe::Script { .. } | Probe::File { .. }) {
        return Err(value.fault(format!("a check by {kind} cannot go through the service; remove `through`")));
    }
    if matches!(probe, Probe::Udp(probe) if probe.reply.is_none()) {
        let message =
            "through the service a refusal is not seen; write `reply`, too: udp = { payload = \"00\", reply = \"XX\" }";
        return Err(value.fault(message));
    }
    let stranger = ["address", "port", "bind_port"].into_iter().find_map(|key| Some((key, table.get(key)?)));
    stranger.map_or(Ok(true), |(key, value)| {
        Err(value.fault(format!("a check through the service goes where clients go; remove `{key}`, or `through`")))
    })
}
