//! Two looks at the counters, and what happened between them. Pure.

use api::{ConnectionTableStatus, Listing, ReachView, ServerView, ServiceView, Status, TrafficCounters};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// One look.
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) listing: Listing,
    pub(super) status: Status,
}

/// What happened between two looks; rates are of a second.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    pub(super) version: String,
    pub(super) generation: u64,
    /// Time between the looks.
    pub(super) seconds: f64,
    pub(super) total: Traffic,
    pub(super) services: Vec<Service>,
    /// Drops and what else has a reason, those that ever happened.
    pub(super) reasons: Vec<Reason>,
    pub(super) tables: Vec<ConnectionTableStatus>,
    pub(super) lanes: Vec<Lane>,
    pub(super) notes: Vec<String>,
}

/// Rates.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq)]
pub(super) struct Traffic {
    pub(super) connections: f64,
    pub(super) in_packets: f64,
    pub(super) out_packets: f64,
    pub(super) in_bytes: f64,
    pub(super) out_bytes: f64,
}

/// One service.
#[derive(Debug, Serialize)]
pub(super) struct Service {
    pub(super) service: String,
    pub(super) name: Option<String>,
    pub(super) scheduler: String,
    pub(super) owned: bool,
    pub(super) active: u64,
    pub(super) inactive: u64,
    pub(super) traffic: Traffic,
    pub(super) servers: Vec<Server>,
}

/// One server of it.
#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) server: String,
    pub(super) method: String,
    pub(super) weight: u32,
    pub(super) reached: bool,
    pub(super) active: u64,
    pub(super) inactive: u64,
    pub(super) traffic: Traffic,
}

/// A counter of the forwarding path.
#[derive(Debug, Serialize)]
pub(super) struct Reason {
    pub(super) reason: String,
    pub(super) total: u64,
    pub(super) rate: f64,
}

/// An interface.
#[derive(Debug, Serialize)]
pub(super) struct Lane {
    pub(super) interface: String,
    pub(super) lane: String,
}

impl Traffic {
    fn between(before: &TrafficCounters, after: &TrafficCounters, seconds: f64) -> Self {
        // A counter that is less than before began anew (-Z).
        let rate = |before: u64, after: u64| after.checked_sub(before).unwrap_or(after) as f64 / seconds;
        Self {
            connections: rate(before.connections, after.connections),
            in_packets: rate(before.in_packets, after.in_packets),
            out_packets: rate(before.out_packets, after.out_packets),
            in_bytes: rate(before.in_bytes, after.in_bytes),
            out_bytes: rate(before.out_bytes, after.out_bytes),
        }
    }

    fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.in_packets += other.in_packets;
        self.out_packets += other.out_packets;
        self.in_bytes += other.in_bytes;
        self.out_bytes += other.out_bytes;
    }

    pub(super) fn packets(&self) -> f64 {
        self.in_packets + self.out_packets
    }

    pub(super) fn bytes(&self) -> f64 {
        self.in_bytes + self.out_bytes
    }
}

impl Snapshot {
    pub(super) fn between(before: &Sample, after: &Sample) -> Self {
        let seconds = after.at.saturating_duration_since(before.at).as_secs_f64().max(0.001);
        let known: BTreeMap<String, &ServiceView> =
            before.listing.services.iter().map(|view| (key(view), view)).collect();
        let services: Vec<_> =
            after.listing.services.iter().map(|view| service(known.get(&key(view)).copied(), view, seconds)).collect();
        let mut total = Traffic::default();
        services.iter().for_each(|service| total.add(&service.traffic));
        let reason = |(reason, count): (&String, &u64)| {
            let earlier = before.status.counters.get(reason).copied().unwrap_or_default();
            let rate = count.saturating_sub(earlier) as f64 / seconds;
            (*count > 0).then(|| Reason { reason: reason.clone(), total: *count, rate })
        };
        let interfaces = after.status.interfaces.iter();
        Self {
            version: after.status.version.clone(),
            generation: after.status.generation,
            seconds,
            total,
            services,
            reasons: after.status.counters.iter().filter_map(reason).collect(),
            tables: after.status.connections.clone(),
            lanes: interfaces.map(|it| Lane { interface: it.name.clone(), lane: it.lane.to_string() }).collect(),
            notes: after.status.notes.clone(),
        }
    }
}

fn key(view: &ServiceView) -> String {
    view.service.key.to_string()
}

fn service(before: Option<&ServiceView>, after: &ServiceView, seconds: f64) -> Service {
    let known = |server: &ServerView| {
        let earlier = before.iter().flat_map(|view| &view.servers);
        earlier.into_iter().find(|earlier| earlier.server.endpoint == server.server.endpoint)
    };
    let servers: Vec<_> = after.servers.iter().map(|server| self::server(known(server), server, seconds)).collect();
    let earlier = before.map_or(after.counters, |before| before.counters);
    Service {
        service: key(after),
        name: after.service.options.name.clone(),
        scheduler: after.service.options.scheduler.to_string(),
        owned: after.owned,
        active: servers.iter().map(|server| server.active).sum(),
        inactive: servers.iter().map(|server| server.inactive).sum(),
        traffic: Traffic::between(&earlier, &after.counters, seconds),
        servers,
    }
}

fn server(before: Option<&ServerView>, after: &ServerView, seconds: f64) -> Server {
    // One that was not there before has done nothing yet that can be told.
    let earlier = before.map_or(after.counters, |before| before.counters);
    Server {
        server: after.server.endpoint.to_string(),
        method: after.server.method.to_string(),
        weight: after.server.weight.get(),
        reached: after.reach != ReachView::Unresolved,
        active: after.active.into(),
        inactive: after.inactive.into(),
        traffic: Traffic::between(&earlier, &after.counters, seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_a_second_and_a_new_zero_point_is_no_flood() {
        let at = |connections, in_bytes| TrafficCounters { connections, in_bytes, ..TrafficCounters::default() };
        let rates = Traffic::between(&at(10, 1000), &at(30, 400), 2.0);
        assert_eq!((rates.connections, rates.in_bytes, rates.out_bytes), (10.0, 200.0, 0.0));
    }
}
