//! The answer to `xlvs status`.

use crate::desired::{endpoint_in_maps, is_owned, obstacle};
use crate::director::{Director, refusal};
use crate::martian;
use crate::observe::Network;
use crate::plane::Plane;
use api::{InterfaceStatus, LossyWay, Refusal, Status, TrialStatus};
use model::{Dormant, ForwardingMethod, Lane, VirtualService};
use std::time::Instant;

/// Attached, it makes this host a client of its own.
const LOOPBACK: &str = "lo";
/// Most notes of one kind; the rest is a number.
const MOST_NOTES: usize = 20;

impl<P: Plane, N: Network> Director<P, N> {
    /// The daemon and its data plane.
    pub(crate) fn status(&self) -> Result<Status, Refusal> {
        let attachments = self.plane.attachments().map_err(|error| refusal(&error))?;
        let lossy: Vec<_> = self.lossy_ways(&attachments).into_iter().map(|(_, way)| way).collect();
        let interfaces = attachments.into_iter().map(|attachment| InterfaceStatus {
            recent_partial_checksums: self.interfaces.recent_partial_checksums(&attachment),
            name: attachment.name,
            index: attachment.index,
            lane: attachment.lane,
            reason: attachment.why.text().to_owned(),
            partial_checksums: attachment.partial_checksums,
        });
        let interfaces: Vec<_> = interfaces.collect();
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            generation: self.store.generation(),
            pin_directory: self.pin_directory.display().to_string(),
            notes: self.notes(&interfaces, &lossy),
            interfaces,
            lossy,
            trials: self.trial_statuses(Instant::now()),
            configuration: self.configuration_file.clone(),
            trial: self.store.trial().map(|trial| trial.left().as_secs()),
            health: self.health.statuses(),
            services: self.store.services().len(),
            servers: self.store.server_count(),
            connections: self.sweeper.status(),
            counters: self.plane.counters().into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        })
    }

    /// What waits to be confirmed; of an interface that is gone, too: it goes on with the link's return.
    fn trial_statuses(&self, now: Instant) -> Vec<TrialStatus> {
        let status = |(interface, end): (&String, &Instant)| TrialStatus {
            interface: interface.clone(),
            seconds_left: end.saturating_duration_since(now).as_secs(),
            confirm: format!("xlvs confirm {interface}"),
        };
        self.trials.iter().map(status).collect()
    }

    fn notes(&self, interfaces: &[InterfaceStatus], lossy: &[LossyWay]) -> Vec<String> {
        let mut notes: Vec<_> = self.trouble.iter().cloned().collect();
        notes.extend(self.refused.iter().map(ToString::to_string));
        notes.extend(shortened(self.store.not_done().iter().map(|what| format!("asked for and not done: {what}"))));
        if interfaces.is_empty() {
            notes.push("attached to no interface: nothing is forwarded (xlvs attach IF)".to_owned());
        }
        notes.extend(self.interfaces.notes(self.observer.links()));
        let unfinished =
            |interface: &&InterfaceStatus| interface.recent_partial_checksums > 0 && interface.lane != Lane::Tc;
        for interface in interfaces.iter().filter(unfinished) {
            notes.push(format!(
                "interface {}: the sender before it leaves checksums to hardware that is not there; \
                 xlvs attach {} --lane tc, or on the sender: ethtool -K DEV tx off",
                interface.name, interface.name
            ));
        }
        if interfaces.iter().any(|interface| interface.name == LOOPBACK) && self.has_ipv4_nat() {
            let outside = interfaces.iter().map(|interface| interface.name.as_str()).filter(|name| *name != LOOPBACK);
            notes.extend(martian::obstacles(outside));
        }
        notes.extend(lossy.iter().map(LossyWay::to_string));
        notes.extend(shortened(self.store.services().values().filter_map(|service| self.unowned(service))));
        notes.extend(shortened(self.store.services().values().flat_map(|service| self.unreachable(service))));
        notes.extend(shortened(self.store.services().values().flat_map(dormant)));
        notes.extend((!self.store.synchronization().is_empty()).then(|| Dormant::Synchronization.to_string()));
        notes
    }

    fn has_ipv4_nat(&self) -> bool {
        let servers = self.store.services().values().flat_map(|service| &service.servers);
        servers.into_iter().any(|server| server.method == ForwardingMethod::Nat && server.endpoint.is_ipv4())
    }

    fn unowned(&self, service: &VirtualService) -> Option<String> {
        let key = service.key.acting()?;
        (!is_owned(service, &self.observer)).then(|| {
            format!(
                "service {key} is not forwarded: {} is not an address of this node outside lo (ip address add, or any = true)",
                key.endpoint.ip()
            )
        })
    }

    fn unreachable(&self, service: &VirtualService) -> Vec<String> {
        let Some(key) = service.key.acting() else { return Vec::new() };
        let servers = service.servers.iter().filter_map(|server| {
            if endpoint_in_maps(service, server.endpoint).is_none() {
                let (server, port) = (server.endpoint, key.endpoint.port());
                return Some(format!(
                    "server {server} of {} gets nothing beside its port {port}: remove one",
                    service.key
                ));
            }
            let what = obstacle(service, server, &self.observer)?;
            Some(format!("server {} of {} is not in the rotation: {what}", server.endpoint, service.key))
        });
        servers.collect()
    }
}

/// What of a service and its servers is kept without effect.
fn dormant(service: &VirtualService) -> Vec<String> {
    if let Some(why) = service.key.dormant() {
        return vec![format!("service {}: {why}", service.key)];
    }
    let of_service = service.options.dormant().into_iter().map(|what| format!("service {}: {what}", service.key));
    let servers = service.servers.iter();
    let of_servers = servers.flat_map(|server| {
        let of = move |what| format!("server {} of {}: {what}", server.endpoint, service.key);
        server.dormant().into_iter().map(of)
    });
    of_service.chain(of_servers).collect()
}

fn shortened(notes: impl Iterator<Item = String>) -> Vec<String> {
    let mut notes: Vec<_> = notes.collect();
    let more = notes.len().saturating_sub(MOST_NOTES);
    if more > 0 {
        notes.truncate(MOST_NOTES);
        notes.push(format!("… and {more} more of this kind"));
    }
    notes
}
