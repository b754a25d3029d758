//! Counters, their zero points and rates, by service and server.

use super::{Director, refusal};
use crate::desired::endpoint_in_maps;
use crate::observe::Network;
use crate::plane::Plane;
use crate::store::{Record, refuse};
use crate::zero::{Subject, ZeroPoints, counters};
use api::{Refusal, RefusalKind, Request, Response};
use dataplane::Error;
use model::Key;
use std::collections::BTreeSet;

impl<P: Plane, N: Network> Director<P, N> {
    /// New zero points for one service, or for all.
    pub(crate) fn zero(&mut self, service: Option<Key>) -> Result<Response, Refusal> {
        let keys: Vec<_> = match service {
            None => self.store.services().keys().copied().collect(),
            Some(key) if self.store.services().contains_key(&key) => vec![key],
            Some(key) => return Err(refuse(RefusalKind::NoSuchService, format!("there is no service {key}"))),
        };
        let subjects: Vec<_> = keys.iter().flat_map(|key| self.subjects(key)).collect();
        self.set_zero(&subjects).map_err(|error| refusal(&error))?;
        Ok(Response::Done { generation: self.store.generation() })
    }

    /// One estimate of all rates.
    pub(crate) fn estimate(&mut self) {
        for subject in self.all_subjects() {
            let current = self.current(&subject);
            self.rates.update(subject, current);
        }
        let alive = &self.store;
        let is_alive = |(key, server): &Subject| {
            let service = alive.services().get(key);
            service.is_some_and(|service| {
                server.is_none_or(|server| service.servers.iter().any(|known| known.endpoint == server))
            })
        };
        self.rates.retain(is_alive);
        self.zero.retain(is_alive);
    }

    /// The counters of a service or server, as the data plane has them; zero for what is not in the maps.
    pub(crate) fn current(&self, (key, server): &Subject) -> api::TrafficCounters {
        let read = || {
            let acting = key.acting()?;
            let Some(server) = server else { return Some(self.plane.statistics(&acting, None)) };
            let server = endpoint_in_maps(self.store.services().get(key)?, *server)?;
            Some(self.plane.statistics(&acting, Some(&server)))
        };
        read().map_or_else(Default::default, counters)
    }

    /// Counters and rates of services and servers that a change brought begin at zero.
    pub(super) fn welcome(&mut self, touched: &BTreeSet<Key>, before: &BTreeSet<Subject>) {
        let new: Vec<_> =
            touched.iter().flat_map(|key| self.subjects(key)).filter(|subject| !before.contains(subject)).collect();
        let counted: Vec<_> =
            new.into_iter().filter(|subject| self.current(subject) != api::TrafficCounters::default()).collect();
        if let Err(error) = self.set_zero(&counted) {
            tracing::warn!(%error, "cannot keep new zero points");
        }
    }

    fn set_zero(&mut self, subjects: &[Subject]) -> Result<(), Error> {
        let mut points = ZeroPoints::default();
        for subject in subjects {
            let current = self.current(subject);
            points.set(*subject, current);
            self.rates.restart(*subject, current);
        }
        self.zero.merge(points.clone());
        if points.is_empty() {
            return Ok(());
        }
        self.journal.keep(&mut self.plane, &Record::Zero(points), &self.store, &self.zero)
    }

    fn subjects(&self, key: &Key) -> Vec<Subject> {
        let Some(service) = self.store.services().get(key) else { return Vec::new() };
        let servers = service.servers.iter().map(|server| (*key, Some(server.endpoint)));
        std::iter::once((*key, None)).chain(servers).collect()
    }

    pub(super) fn all_subjects(&self) -> Vec<Subject> {
        self.store.services().keys().flat_map(|key| self.subjects(key)).collect()
    }

    /// The subjects there are in the services that `request` names.
    pub(super) fn subjects_of(&self, request: &Request) -> BTreeSet<Subject> {
        let key = match request {
            Request::EditService { key, .. } => key,
            Request::AddServer { service, .. }
            | Request::EditServer { service, .. }
            | Request::DeleteServer { service, .. } => service,
            Request::Batch { .. } => return self.all_subjects().into_iter().collect(),
            _ => return BTreeSet::new(),
        };
        self.subjects(key).into_iter().collect()
    }
}
