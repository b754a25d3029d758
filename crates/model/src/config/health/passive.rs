//! `passive`: what the traffic of clients tells.

use crate::config::error::Fault;
use crate::config::table::{Keys, Table};
use crate::health::{Passive, ServiceHealth};
use crate::{Protocol, VirtualService};
use std::time::Duration;

const PASSIVE: Keys =
    Keys { place: "`passive`", known: &["failures", "within", "clients", "share", "out_for"], planned: &[] };

/// Longest time that a server is out for: 31 days.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);
/// Longest time that failures are counted over.
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// `passive = true`, or `{ failures = 5, within = "10s", … }`
pub(super) fn read(table: &Table<'_>) -> Result<Option<Passive>, Fault> {
    let usual = Passive::default();
    let Some(value) = table.get("passive") else { return Ok(None) };
    if value.is_boolean() {
        return Ok(value.boolean()?.then_some(usual));
    }
    let table = value.table(&PASSIVE)?;
    let number = |key, usual, least, most| table.get(key).map_or(Ok(usual), |value| value.number(least, most));
    Ok(Some(Passive {
        failures: number("failures", usual.failures, 2, 1_000_000)?,
        within: table.get("within").map_or(Ok(usual.within), |value| value.duration(SECOND, HOUR))?,
        clients: number("clients", usual.clients, 2, Passive::MOST_CLIENTS)?,
        share: number("share", usual.share, 1, 100)?,
        out_for: table.get("out_for").map(|value| value.duration(SECOND, LONGEST)).transpose()?,
    }))
}

/// Why the traffic of this service tells nothing, or nothing follows from what it tells.
pub(in crate::config) fn obstacle(service: &VirtualService, health: &ServiceHealth) -> Option<String> {
    let passive = health.passive?;
    if service.key.acting()?.protocol != Protocol::Tcp {
        return Some("`passive` goes by the connections of TCP; remove it".to_owned());
    }
    if let Some(server) = service.servers.iter().find(|server| !server.method.replies_here()) {
        let (endpoint, method) = (server.endpoint, server.method);
        return Some(format!(
            "`passive` needs answers that pass this node, and those of server {endpoint} (method {method}) do not; write method = \"nat\" or \"fullnat\", or remove `passive`"
        ));
    }
    let unchecked = health.servers.iter().find(|server| server.checks.is_empty() && passive.out_for.is_none())?;
    let endpoint = unchecked.endpoint;
    Some(format!(
        "nothing follows from `passive` for server {endpoint}, which has no check; write `out_for`, too, or a check"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    /// A service with these lines, which begin at line 4.
    fn parse(lines: &str) -> Result<Option<Passive>, String> {
        let text = format!("[[service]]\nlisten = \"tcp 203.0.113.10:80\"\nmethod = \"nat\"\n{lines}\n");
        let config = Config::parse_toml(&text, "").map_err(|error| error.to_string())?;
        Ok(config.health.values().next().and_then(|health| health.passive))
    }

    fn passive(value: &str) -> Result<Option<Passive>, String> {
        parse(&format!("check = \"tcp\"\npassive = {value}\nservers = [\"10.0.0.1:80\"]"))
    }

    #[test]
    fn what_is_not_said_is_usual() {
        let usual = Passive { failures: 5, within: 10 * SECOND, clients: 3, share: 50, out_for: None };
        for text in ["true", "{}", "{ failures = 5, within = \"10s\", clients = 3, share = 50 }"] {
            assert_eq!(passive(text), Ok(Some(usual)), "{text}");
        }
        assert_eq!(passive("false"), Ok(None));
        assert_eq!(parse("check = \"tcp\"\nservers = [\"10.0.0.1:80\"]"), Ok(None), "off unless said");
        let said = Passive { failures: 20, within: 60 * SECOND, clients: 8, share: 80, out_for: Some(30 * SECOND) };
        let text = "{ failures = 20, within = \"1m\", clients = 8, share = 80, out_for = \"30s\" }";
        assert_eq!(passive(text), Ok(Some(said)));
        let unchecked = parse("passive = { out_for = \"30s\" }\nservers = [\"10.0.0.1:80\"]");
        assert_eq!(unchecked, Ok(Some(Passive { out_for: Some(30 * SECOND), ..usual })));
    }

    /// Lines, and how the refusal begins.
    const FAULTS: &[(&str, &str)] = &[
        ("passive = \"on\"", ":4:11: `passive` takes a table, not a string; "),
        ("passive = { clients = 1 }", ":4:23: `clients` is 1; write a whole number from 2 to 32"),
        ("passive = { failures = 1 }", ":4:24: `failures` is 1; write a whole number from 2 to 1000000"),
        ("passive = { share = 0 }", ":4:21: `share` is 0; write a whole number from 1 to 100"),
        ("passive = { within = \"500ms\" }", ":4:22: `500ms` is not a length of time from 1s to 0 days; "),
        ("passive = { fail = 3 }", ":4:13: unknown key `fail` in `passive`; "),
        (
            "passive = true\nservers = [\"10.0.0.1:80\"]",
            ":4:11: nothing follows from `passive` for server 10.0.0.1:80, which has no check; write `out_for`, too, or a check",
        ),
        (
            "passive = true\ncheck = \"tcp\"\nservers = [\"10.0.0.1:80\", { address = \"10.0.0.2:80\", method = \"dr\" }]",
            ":4:11: `passive` needs answers that pass this node, and those of server 10.0.0.2:80 (method dr) do not; write method = \"nat\" or \"fullnat\", or remove `passive`",
        ),
    ];

    #[test]
    fn faults_name_their_place_and_what_is_right() {
        for (lines, wanted) in FAULTS {
            let found = parse(lines).unwrap_err();
            assert!(found.starts_with(wanted), "{lines}\n found {found}\nwanted {wanted}");
        }
        let text = "[[service]]\nlisten = \"udp 203.0.113.10:53\"\nmethod = \"nat\"\npassive = { out_for = \"30s\" }\n";
        let found = Config::parse_toml(text, "").unwrap_err().to_string();
        assert!(found.starts_with(":4:11: `passive` goes by the connections of TCP; remove it"), "{found}");
    }
}
