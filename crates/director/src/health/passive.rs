//! What the connections of clients tell of servers: heard from the data plane, which only counts.

use super::Health;
use dataplane::Signals;
use model::{Endpoint, Key};
use protocols::health::{Burst, Follows, Input, Return, Sample};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between two looks at the counts, while there is somebody whose count.
pub(crate) const PERIOD: Duration = Duration::from_millis(500);

/// A server of a service.
type Server = (Key, Endpoint);

/// What the counts stood at.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<Server, Signals>);

impl Counts {
    /// What was counted since the last look at all these: nothing at the first one.
    fn since(&mut self, now: BTreeMap<Server, Signals>) -> Vec<(Key, Endpoint, Sample)> {
        let sample = |(server, now): (&Server, &Signals)| {
            let then = self.0.get(server)?;
            Some((server.0, server.1, difference(now, then)))
        };
        let samples = now.iter().filter_map(sample).collect();
        self.0 = now;
        samples
    }
}

/// Counts wrap.
const fn difference(now: &Signals, then: &Signals) -> Sample {
    Sample {
        begun: now.begun.wrapping_sub(then.begun),
        unanswered: now.unanswered.wrapping_sub(then.unanswered),
        reset: now.reset.wrapping_sub(then.reset),
        failed_clients: now.failed,
        served_clients: now.served,
    }
}

impl Health {
    /// True for services whose clients' connections count.
    pub(crate) fn watches(&self, service: &Key) -> bool {
        self.plans.get(service).is_some_and(|plan| plan.passive.is_some())
    }

    /// True where there is one.
    pub(crate) fn watches_any(&self) -> bool {
        self.watches_any
    }

    /// The servers of all of them that are in.
    pub(crate) fn watched(&self) -> Vec<Server> {
        self.checker.watched().collect()
    }

    /// These are the counts now. Returns services whose servers are others.
    pub(crate) fn hear(&mut self, counts: BTreeMap<Server, Signals>) -> BTreeSet<Key> {
        let samples = self.counts.since(counts);
        self.handle(Input::Signals(samples))
    }

    /// Why a server is out by its clients' connections.
    pub(super) fn verdict_of_clients(&self, service: &Key, server: &Endpoint) -> Option<String> {
        let out = self.checker.watch(service, server)?.out()?;
        Some(format!("passive: {}", out.burst))
    }

    /// Why a server is back.
    pub(super) fn reason_to_return(&self, service: &Key, server: &Endpoint) -> &'static str {
        let watch = self.checker.watch(service, server);
        let is_checked = || self.checker.server(service, server).is_some_and(|status| !status.checks.is_empty());
        match watch.and_then(|watch| watch.returned) {
            Some(Return::Needed) => "passive: its service has no quorum without it",
            Some(Return::Over) if !is_checked() => "passive: its time out is over",
            Some(Return::Over) | None => "its checks succeed",
        }
    }
}

/// A burst whose server stays, in words.
pub(super) fn told(service: &Key, server: &Endpoint, burst: &Burst, follows: Follows) -> String {
    let what = match follows {
        Follows::Checks => "its checks come at once",
        Follows::Needed => "it stays, since its service has no quorum without it; its checks come at once",
    };
    format!("server {server} of {service}: passive: {burst}; {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        let endpoint = "192.0.2.1:80".parse().unwrap();
        (model::ServiceKey { protocol: model::Protocol::Tcp, endpoint }.into(), "10.0.0.1:80".parse().unwrap())
    }

    fn look(counts: &mut Counts, begun: u32, unanswered: u32) -> Vec<Sample> {
        let signals = Signals { begun, unanswered, reset: 0, failed: 5, served: 6 };
        counts.since([(server(), signals)].into()).into_iter().map(|(_, _, sample)| sample).collect()
    }

    #[test]
    fn counts_of_before_are_no_news_and_wrap() {
        let mut counts = Counts::default();
        assert_eq!(look(&mut counts, u32::MAX, 7), []);
        let sample = Sample { begun: 3, unanswered: 1, reset: 0, failed_clients: 5, served_clients: 6 };
        assert_eq!(look(&mut counts, 2, 8), [sample]);
        counts.since(BTreeMap::new());
        assert_eq!(look(&mut counts, 100, 100), [], "it was away");
    }
}
