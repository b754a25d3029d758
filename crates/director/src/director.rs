//! The acting half as one value: configuration, observations, maps, and the ways between them.
//!
//! Everything here is synchronous and runs on one task; [`crate::daemon`] feeds it with requests, news and time.

use crate::desired::desired;
use crate::interfaces::Interfaces;
use crate::journal::Journal;
use crate::observe::events::News;
use crate::observe::{Differences, Network, Observer};
use crate::plane::Plane;
use crate::rates::Rates;
use crate::reconciler::Reconciler;
use crate::store::{Receipt, Record, Store, refuse};
use crate::sweeper::Sweeper;
use crate::zero::{Subject, ZeroPoints, counters};
use api::{Refusal, RefusalKind, Request, Response};
use dataplane::Error;
use model::{Config, Reach, ServiceKey, VirtualService};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Instant;

/// The director.
pub(crate) struct Director<P, N> {
    pub(crate) plane: P,
    pub(crate) observer: Observer<N>,
    pub(crate) store: Store,
    pub(crate) interfaces: Interfaces,
    pub(crate) sweeper: Sweeper,
    pub(crate) rates: Rates,
    pub(crate) zero: ZeroPoints,
    pub(crate) pin_directory: PathBuf,
    reconciler: Reconciler,
    journal: Journal,
    /// The last failure of the maps that is not healed yet.
    pub(crate) trouble: Option<String>,
}

/// A change that was carried out.
pub(crate) struct Done {
    pub(crate) response: Response,
    /// Servers whose next hop was asked for the first time and has not answered yet.
    pub(crate) pending: BTreeSet<IpAddr>,
}

impl<P: Plane, N: Network> Director<P, N> {
    /// Reads back what is kept; changes nothing.
    pub(crate) fn open(mut plane: P, network: N, pin_directory: PathBuf) -> Result<Self, crate::Error> {
        let (store, zero) = match plane.journal_read()? {
            Some(lines) => crate::store::restore(&lines).map_err(crate::Error::Kept)?,
            None => Default::default(),
        };
        let reconciler = Reconciler::new(plane.actual());
        Ok(Self {
            plane,
            observer: Observer::new(network),
            store,
            interfaces: Interfaces::default(),
            sweeper: Sweeper::new(Instant::now()),
            rates: Rates::default(),
            zero,
            pin_directory,
            reconciler,
            journal: Journal::default(),
            trouble: None,
        })
    }

    /// Takes over a configuration file. Where it says what it said before, nothing happens.
    pub(crate) fn adopt(&mut self, config: &Config) -> Result<bool, Refusal> {
        let Some(receipt) = self.store.adopt(config)? else { return Ok(false) };
        if let Err(error) = self.journal.compact(&mut self.plane, &self.store, &self.zero) {
            self.store.take_back(receipt);
            return Err(refusal(&error));
        }
        Ok(true)
    }

    /// Takes over a configuration file that may have changed while running.
    pub(crate) fn reload(&mut self, config: &Config, now: Instant) -> Result<bool, Refusal> {
        let before = self.all_subjects().into_iter().collect();
        if !self.adopt(config)? {
            return Ok(false);
        }
        self.look(now);
        self.reconcile(None).map_err(|error| refusal(&error))?;
        self.welcome(&config.services.iter().map(|service| service.key).collect(), &before);
        Ok(true)
    }

    /// The first look and the first plan of this process. Neighbours that were known before count until the network
    /// says otherwise, so that a restart without changes plans nothing.
    pub(crate) fn begin(&mut self, now: Instant) -> Result<usize, crate::Error> {
        for service in self.reconciler.actual().services.values() {
            for server in &service.servers {
                if let Reach::Via(hop) = server.reach {
                    self.observer.remember(server.server.endpoint.ip(), hop, now);
                }
            }
        }
        self.observer.look(&self.servers(), now).map_err(crate::Error::Netlink)?;
        let desired = desired(&self.store, &self.observer, None);
        let changes = self.reconciler.reconcile(&mut self.plane, &desired, None)?;
        tracing::info!(generation = self.store.generation(), changes, "configuration in place");
        Ok(changes)
    }

    /// Carries out a request that changes the configuration: kept and in the maps when this returns.
    pub(crate) fn change(&mut self, request: &Request, now: Instant) -> Result<Done, Refusal> {
        let before: BTreeSet<Subject> = self.subjects_of(request);
        let receipt = self.store.change(request)?;
        let record = Record::Change(request.clone());
        if let Err(error) = self.journal.keep(&mut self.plane, &record, &self.store, &self.zero) {
            self.store.take_back(receipt);
            return Err(refusal(&error));
        }
        let touched = receipt.touched();
        let fresh: BTreeSet<_> =
            self.servers_of(&touched).into_iter().filter(|address| !self.observer.watches(*address)).collect();
        self.observer.look_at_servers(&fresh, now);
        if let Err(error) = self.reconcile(Some(&touched)) {
            self.undo(receipt);
            return Err(refusal(&error));
        }
        self.welcome(&touched, &before);
        let response = Response::Done { generation: self.store.generation() };
        let pending = fresh.into_iter().filter(|address| self.observer.is_pending(*address)).collect();
        Ok(Done { response, pending })
    }

    /// New zero points for one service, or for all.
    pub(crate) fn zero(&mut self, service: Option<ServiceKey>) -> Result<Response, Refusal> {
        let keys: Vec<_> = match service {
            None => self.store.services().keys().copied().collect(),
            Some(key) if self.store.services().contains_key(&key) => vec![key],
            Some(key) => return Err(refuse(RefusalKind::NoSuchService, format!("there is no service {key}"))),
        };
        let subjects: Vec<_> = keys.iter().flat_map(|key| self.subjects(key)).collect();
        self.set_zero(&subjects).map_err(|error| refusal(&error))?;
        Ok(Response::Done { generation: self.store.generation() })
    }

    /// The network has changed.
    pub(crate) fn hear(&mut self, news: &News, now: Instant) {
        let differences = self.observer.look_at_neighbours(&news.neighbours, now);
        self.follow(&differences);
    }

    /// Asks again for next hops that do not answer.
    pub(crate) fn ask_again(&mut self, now: Instant) {
        let differences = self.observer.ask_again(now);
        self.follow(&differences);
    }

    /// A full look at the network.
    pub(crate) fn look(&mut self, now: Instant) {
        match self.observer.look(&self.servers(), now) {
            Ok(differences) => {
                self.interfaces.heal(&mut self.plane, self.observer.links());
                self.follow(&differences);
            }
            Err(error) => tracing::warn!(%error, "cannot look at the network; what was seen last stays"),
        }
    }

    /// A full comparison with the maps.
    pub(crate) fn heal(&mut self) {
        self.reconciler.refresh(&self.plane);
        match self.reconcile(None) {
            Ok(0) => self.trouble = None,
            Ok(changes) => {
                self.trouble = None;
                tracing::warn!(changes, "the maps differed from the configuration; healed");
            }
            Err(_) => {}
        }
    }

    /// One slice of the connection tables.
    pub(crate) fn sweep(&mut self) {
        let report = self.plane.sweep();
        let now = Instant::now();
        match report {
            Ok(report) => self.sweeper.swept(report, now),
            Err(error) => {
                tracing::warn!(%error, "cannot sweep the connection tables");
                self.sweeper.failed(now);
            }
        }
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

    /// The counters of a service or server, as the data plane has them.
    pub(crate) fn current(&self, (key, server): &Subject) -> api::TrafficCounters {
        counters(self.plane.statistics(key, server.as_ref()))
    }

    /// The addresses of all servers.
    pub(crate) fn servers(&self) -> BTreeSet<IpAddr> {
        let servers = self.store.services().values().flat_map(|service| &service.servers);
        servers.map(|server| server.endpoint.ip()).collect()
    }

    fn servers_of(&self, keys: &BTreeSet<ServiceKey>) -> BTreeSet<IpAddr> {
        let services = keys.iter().filter_map(|key| self.store.services().get(key));
        services.flat_map(|service| &service.servers).map(|server| server.endpoint.ip()).collect()
    }

    /// Brings the services that `differences` touch in line.
    fn follow(&mut self, differences: &Differences) {
        if differences.is_empty() {
            return;
        }
        let concerned = |service: &&VirtualService| {
            differences.owned.contains(&service.key.endpoint.ip())
                || service.servers.iter().any(|server| differences.servers.contains(&server.endpoint.ip()))
        };
        let keys = self.store.services().values().filter(concerned).map(|service| service.key).collect();
        // A failure is logged there and tried again by the next full comparison.
        let _ = self.reconcile(Some(&keys));
    }

    fn reconcile(&mut self, scope: Option<&BTreeSet<ServiceKey>>) -> Result<usize, Error> {
        let desired = desired(&self.store, &self.observer, scope);
        self.reconciler.reconcile(&mut self.plane, &desired, scope).inspect_err(|error| {
            tracing::error!(%error, "the maps do not take a change");
            self.trouble = Some(format!("the maps do not take a change: {error}"));
        })
    }

    /// Back to what was before a change that the maps did not take.
    fn undo(&mut self, receipt: Receipt) {
        let touched = receipt.touched();
        self.store.take_back(receipt);
        if let Err(error) = self.journal.compact(&mut self.plane, &self.store, &self.zero) {
            tracing::error!(%error, "cannot take a refused change out of the journal");
        }
        if self.reconcile(Some(&touched)).is_ok() {
            self.trouble = None;
        }
    }

    /// Counters and rates of services and servers that a change brought begin at zero.
    fn welcome(&mut self, touched: &BTreeSet<ServiceKey>, before: &BTreeSet<Subject>) {
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

    fn subjects(&self, key: &ServiceKey) -> Vec<Subject> {
        let Some(service) = self.store.services().get(key) else { return Vec::new() };
        let servers = service.servers.iter().map(|server| (*key, Some(server.endpoint)));
        std::iter::once((*key, None)).chain(servers).collect()
    }

    fn all_subjects(&self) -> Vec<Subject> {
        self.store.services().keys().flat_map(|key| self.subjects(key)).collect()
    }

    /// The subjects there are in the services that `request` names.
    fn subjects_of(&self, request: &Request) -> BTreeSet<Subject> {
        let key = match request {
            Request::AddServer { service, .. } | Request::EditServer { service, .. } => service,
            Request::Batch { .. } => return self.all_subjects().into_iter().collect(),
            _ => return BTreeSet::new(),
        };
        self.subjects(key).into_iter().collect()
    }
}

/// An error of the data plane in the words of the API.
pub(crate) fn refusal(error: &Error) -> Refusal {
    let kind = match error {
        Error::NoSpace { .. } => RefusalKind::NoSpace,
        Error::NoInterface(_) | Error::NotAttached(_) | Error::Invalid(_) => RefusalKind::Invalid,
        Error::Conflict { .. } | Error::Attach { .. } | Error::Refused(_) | Error::Busy { .. } => RefusalKind::Conflict,
        Error::NoSuchService(_) => RefusalKind::NoSuchService,
        Error::NoSuchServer { .. } => RefusalKind::NoSuchServer,
        _ => RefusalKind::Internal,
    };
    refuse(kind, error.to_string())
}
