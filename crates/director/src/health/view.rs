//! Health as `xlvs status` shows it.

use super::Health;
use api::{CheckStatus, PassiveStatus, PastFailure, ServerHealthStatus, ServiceHealthStatus};
use forward::Time;
use model::health::{Check, Probe};
use model::{Endpoint, Key};
use protocols::health::{CheckId, Outcome, ServerStatus, Standing};
use std::time::Duration;

impl Health {
    /// All services that have checks.
    pub(crate) fn statuses(&self) -> Vec<ServiceHealthStatus> {
        let status = self.checker.services().map(|(key, status)| ServiceHealthStatus {
            service: *key,
            quorum: status.quorum,
            alive: status.alive,
            needed: self.plans.get(key).map_or(0, |plan| plan.quorum),
            sorry: status.sorry.is_some_and(|standing| matches!(standing, Standing::In(_))),
            servers: status.servers.iter().map(|server| self.server_status(key, server)).collect(),
        });
        status.collect()
    }

    fn server_status(&self, service: &Key, server: &ServerStatus) -> ServerHealthStatus {
        ServerHealthStatus {
            server: server.server,
            up: server.up,
            weight: match server.standing {
                Standing::In(weight) => Some(weight.get()),
                Standing::Quiesced => Some(0),
                Standing::Out => None,
            },
            checks: server.checks.iter().filter_map(|id| self.check_status(*id)).collect(),
            passive: self.passive_status(service, &server.server),
        }
    }

    fn passive_status(&self, service: &Key, server: &Endpoint) -> Option<PassiveStatus> {
        let passive = self.plans.get(service)?.passive?;
        let watch = self.checker.watch(service, server)?;
        let sum = watch.sum(passive.within, self.now());
        let left = |until: Time| Duration::from_nanos(until.0.saturating_sub(self.now().0)).as_secs();
        Some(PassiveStatus {
            within: u64::try_from(passive.within.as_millis()).unwrap_or(u64::MAX),
            begun: sum.begun,
            unanswered: sum.unanswered,
            reset: sum.reset,
            failed_clients: sum.told().failed_clients,
            clients: sum.told().clients,
            bursts: watch.bursts,
            out: watch.out().map(|out| out.burst.to_string()),
            seconds_left: watch.out().map(|out| left(out.until)),
        })
    }

    fn check_status(&self, id: CheckId) -> Option<CheckStatus> {
        let check = self.checker.check(id)?;
        let now = self.now();
        let seconds = |from: Time, to: Time| Duration::from_nanos(to.0.saturating_sub(from.0)).as_secs();
        let failure = |(when, why): &(Time, String)| PastFailure { seconds: seconds(*when, now), why: why.clone() };
        Some(CheckStatus {
            kind: shown(&check.task.check),
            up: check.up,
            made: check.made,
            failed: check.failed,
            seconds: seconds(check.since, now),
            last: check.last.as_ref().map(|last| outcome(Some(last))),
            last_failure: check.last_failure.as_ref().map(failure),
            next_seconds: check.next.map(|next| seconds(now, next)),
        })
    }
}

/// How a check ended, in words.
pub(super) fn outcome(outcome: Option<&Outcome>) -> String {
    match outcome {
        None => "not made yet".to_owned(),
        Some(Outcome::Success) => "success".to_owned(),
        Some(Outcome::Weight(weight)) => format!("success, weight {weight:+}"),
        Some(Outcome::Failure(why)) => why.clone(),
    }
}

/// What is checked, and which way.
fn shown(check: &Check) -> String {
    let through = if check.connection.through.is_some() { " through the service" } else { "" };
    format!("{}{through}", kind(&check.probe))
}

fn kind(probe: &Probe) -> &'static str {
    match probe {
        Probe::Tcp => "tcp",
        Probe::Http(probe) if probe.tls => "https",
        Probe::Http(_) => "http",
        Probe::Smtp { .. } => "smtp",
        Probe::Dns { .. } => "dns",
        Probe::Udp(_) => "udp",
        Probe::Ping => "ping",
        Probe::Grpc(_) => "grpc",
        Probe::Script { .. } => "script",
        Probe::File { .. } => "file",
        Probe::Bfd { .. } => "bfd",
    }
}
