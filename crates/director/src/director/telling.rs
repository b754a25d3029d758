//! What operators are told of files and of refusals, beyond what was asked.

use super::Director;
use crate::observe::Network;
use crate::plane::Plane;
use api::{EventKind, Level, Refusal, RefusalKind, Request};

impl<P: Plane, N: Network> Director<P, N> {
    /// The configuration file was read and is in force; whether it brought anything was told.
    pub(crate) fn accept_file(&mut self, is_news: bool) {
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
        let text = format!("the configuration file is not taken over: {why}");
        self.events.tell(Level::Error, EventKind::Refused, &text);
        self.refused = Some(text);
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
