//! The health of services, as `xlvs status` shows it.

use api::{CheckStatus, PassiveStatus, ServerHealthStatus, ServiceHealthStatus};

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
    let ServerHealthStatus { server, up, weight, checks, passive: met } = server;
    let state = match (checks.is_empty(), *up, met.as_ref().is_some_and(|met| met.out.is_some())) {
        (true, _, false) => "not checked",
        (_, false, _) => "DOWN",
        (_, true, _) => "up",
    };
    let part = match (*weight, *up) {
        (None, _) => "not in the table".to_owned(),
        (Some(0), false) => "weight 0: its connections go on, new ones go elsewhere".to_owned(),
        (Some(weight), _) => format!("weight {weight}"),
    };
    let mut lines = vec![format!("  {server} {state}, {part}")];
    lines.extend(checks.iter().map(check));
    lines.extend(met.as_ref().map(passive));
    lines
}

fn passive(passive: &PassiveStatus) -> String {
    let PassiveStatus { within, begun, unanswered, reset, failed_clients, clients, bursts, out, seconds_left } =
        passive;
    let seconds = std::time::Duration::from_millis(*within).as_secs_f64();
    let counts = format!(
        "{begun} begun, {unanswered} unanswered, {reset} reset, of {failed_clients} of {clients} clients in {seconds} s"
    );
    let state = match (out, seconds_left) {
        (None, _) => "in".to_owned(),
        (Some(why), Some(0) | None) => format!("OUT until its checks succeed ({why})"),
        (Some(why), Some(left)) => format!("OUT for {left} s more ({why})"),
    };
    format!("    passive {state}, {bursts} bursts, now: {counts}")
}

fn check(check: &CheckStatus) -> String {
    let CheckStatus { kind, up, made, failed, seconds, last, last_failure, next_seconds } = check;
    let state = if *up { "up" } else { "DOWN" };
    let last = last.as_deref().unwrap_or("not made yet");
    // What is said of the last one need not be said again.
    let before = last_failure.as_ref().filter(|it| it.why != last);
    let before = before.map_or_else(String::new, |it| format!("; failed {} s ago: {}", it.seconds, it.why));
    let next = next_seconds.map_or_else(String::new, |seconds| format!("; next in {seconds} s"));
    format!("    {kind:<6} {state} for {seconds} s, {failed} of {made} failed, last: {last}{before}{next}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::PastFailure;

    fn check_of(last: &str, failure: &str) -> CheckStatus {
        let last_failure = Some(PastFailure { seconds: 14, why: failure.to_owned() });
        let (kind, last) = ("http".to_owned(), Some(last.to_owned()));
        CheckStatus { kind, up: true, made: 20, failed: 3, seconds: 12, last, last_failure, next_seconds: Some(1) }
    }

    #[test]
    fn a_line_says_why_a_check_failed_also_after_it_succeeded() {
        let lines =
            "    http   up for 12 s, 3 of 20 failed, last: success; failed 14 s ago: connection refused; next in 1 s";
        assert_eq!(check(&check_of("success", "connection refused")), lines);
        assert!(!check(&check_of("connection refused", "connection refused")).contains("ago"));
    }

    #[test]
    fn a_server_says_whether_it_is_in_the_table() {
        let of = |up, weight, checks: usize| {
            let checks = vec![check_of("success", ""); checks];
            let server =
                ServerHealthStatus { server: "10.0.0.1:80".parse().unwrap(), up, weight, checks, passive: None };
            super::server(&server)[0].clone()
        };
        assert_eq!(of(true, Some(3), 1), "  10.0.0.1:80 up, weight 3");
        assert_eq!(of(true, None, 1), "  10.0.0.1:80 up, not in the table");
        assert_eq!(of(false, None, 1), "  10.0.0.1:80 DOWN, not in the table");
        assert_eq!(of(true, Some(1), 0), "  10.0.0.1:80 not checked, weight 1");
        assert!(of(false, Some(0), 1).starts_with("  10.0.0.1:80 DOWN, weight 0: its connections go on"));
    }
}
