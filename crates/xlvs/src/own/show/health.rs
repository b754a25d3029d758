//! The health of services, as `xlvs status` shows it.

use api::{CheckStatus, ServerHealthStatus, ServiceHealthStatus};

/// A service, its servers and their checks, a line each.
pub(super) fn lines(service: &ServiceHealthStatus) -> Vec<String> {
    let ServiceHealthStatus { service: key, quorum, alive, needed, sorry, servers } = service;
    let quorum = if *quorum { "quorum reached" } else { "QUORUM LOST" };
    let sorry = if *sorry { ", the sorry server serves" } else { "" };
    let mut lines = vec![format!("health       {key}: {quorum}, weight {alive} of {needed} is alive{sorry}")];
    lines.extend(servers.iter().flat_map(server));
    lines
}

fn server(server: &ServerHealthStatus) -> Vec<String> {
    let state = match (server.checks.is_empty(), server.up) {
        (true, _) => "not checked",
        (false, true) => "up",
        (false, false) => "DOWN",
    };
    let mut lines = vec![format!("  {} {state}", server.server)];
    lines.extend(server.checks.iter().map(check));
    lines
}

fn check(check: &CheckStatus) -> String {
    let CheckStatus { kind, up, made, failed, seconds, last } = check;
    let state = if *up { "up" } else { "DOWN" };
    let last = last.as_deref().unwrap_or("not made yet");
    format!("    {kind:<6} {state} for {seconds} s, {failed} of {made} failed, last: {last}")
}
