//! What operators are told of files and of refusals, beyond what was asked.

use super::Director;
use crate::observe::Network;
use crate::plane::Plane;
use api::{EventKind, Level, Refusal, RefusalKind, Request};
use model::Config;
use std::fmt;
use std::time::{Duration, Instant};

/// Why the configuration file is not in force.
#[derive(Debug)]
pub(crate) struct NotTaken {
    text: String,
    /// What has to happen first.
    remedy: &'static str,
}

/// What to do with a file that is wrong.
const MEND: &str = "mend the file, then";
/// What to do with one that comes too early.
const END_THE_TRIAL: &str = "first `xlvs confirm` or `xlvs roll-back`, then";

impl fmt::Display for NotTaken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, remedy } = self;
        write!(formatter, "{text} (what was in force goes on; {remedy} kill -HUP {})", std::process::id())
    }
}

impl<P: Plane, N: Network> Director<P, N> {
    /// The configuration file was read again.
    pub(crate) fn follow_file(&mut self, config: &Config, now: Instant) {
        let is_on_trial = self.store.trial().is_some();
        match self.reload(config, now) {
            Ok(is_news) => self.accept_file(is_news),
            Err(_) if is_on_trial => self.not_taken("a configuration is on trial", END_THE_TRIAL),
            Err(refusal) => self.refuse_file(&refusal.to_string()),
        }
    }

    /// The configuration file was read and is in force; whether it brought anything was told.
    fn accept_file(&mut self, is_news: bool) {
        let was_refused = self.refused.take().is_some();
        match (is_news, was_refused) {
            (true, _) => {}
            (false, true) => self.tell_applied(None),
            (false, false) => tracing::info!("the configuration file says what it said before"),
        }
    }

    /// The configuration file is not taken over: told now, and by `xlvs status` until it is.
    pub(crate) fn refuse_file(&mut self, why: &str) {
        let why = why.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        self.not_taken(&why, MEND);
    }

    /// The configuration file does not come.
    pub(crate) fn await_file(&mut self, patience: Duration) {
        let why = format!("reading it takes more than {} s already", patience.as_secs());
        self.not_taken(&why, "when it can be read,");
    }

    fn not_taken(&mut self, why: &str, remedy: &'static str) {
        let text = format!("the configuration file is not taken over: {why}");
        self.events.tell(Level::Error, EventKind::Refused, &text);
        self.refused = Some(NotTaken { text, remedy });
    }

    /// No configuration is on trial any more: what was refused for it alone is no longer.
    pub(super) fn forget_untimely(&mut self) {
        if self.refused.take_if(|refused| refused.remedy == END_THE_TRIAL).is_some() {
            tracing::warn!("the configuration file was not taken over while another one was on trial; SIGHUP reads it");
        }
    }

    /// A file that was emptied by mistake looks the same as one that was emptied on purpose.
    pub(super) fn warn_of_emptied(&self, services_named: usize, before: usize) {
        let gone = before.saturating_sub(self.store.services().len());
        if services_named == 0 && gone > 0 {
            tracing::warn!(
                "the configuration file names no service any more: the {gone} that it had brought are removed"
            );
        }
    }

    /// A server that exists but is in no listing, because its checks have taken it out, is no riddle.
    pub(super) fn explained(&self, request: &Request, refusal: Refusal) -> Refusal {
        let refused = match (request, refusal.request) {
            (Request::Batch { requests }, Some(place)) => requests.get(place),
            (request, _) => Some(request),
        };
        let Some(Request::AddServer { service, server }) =
            refused.filter(|_| refusal.kind == RefusalKind::ServerExists)
        else {
            return refusal;
        };
        let there = self.store.services().get(service).map(|service| self.health.effective(service));
        let endpoint = server.in_service(service).endpoint;
        if there.is_none_or(|it| it.servers.iter().any(|server| server.endpoint == endpoint)) {
            return refusal;
        }
        let message = format!(
            "server {endpoint} of {service} is configured and was taken out by its checks; it is back when they succeed \
             (xlvs status shows why they fail)"
        );
        Refusal { kind: RefusalKind::ServerIsOut, message, ..refusal }
    }
}
