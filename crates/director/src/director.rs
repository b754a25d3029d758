//! The acting half as one value: configuration, observations, maps, and the ways between them.
//!
//! Everything here is synchronous and runs on one task; [`crate::daemon`] feeds it with requests, news and time.

mod addresses;
mod applying;
mod attaching;
mod counting;
mod lanes;
mod paving;
mod telling;
mod trying;
mod watching;

pub(crate) use applying::Manner;
pub(crate) use telling::NotTaken;

use crate::capture::Session;
use crate::desired::{desired, endpoint_in_maps, has_local_nat, obstacle};
use crate::events::Events;
use crate::health::Health;
use crate::interfaces::{Interfaces, Trials};
use crate::journal::Journal;
use crate::observe::{Network, Observer};
use crate::plane::Plane;
use crate::pressure::Pressure;
use crate::rates::Rates;
use crate::reconciler::{Reconciler, Words};
use crate::store::{Receipt, Record, Store, refuse};
use crate::sweeper::Sweeper;
use crate::zero::{Subject, ZeroPoints};
use api::{EventKind, Level, Obstacle, Refusal, RefusalKind, Request, Response};
use dataplane::Error;
use model::{Endpoint, Key, Reach, ServiceKey, ServiceState, State, VirtualService};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The director.
pub(crate) struct Director<P, N> {
    pub(crate) plane: P,
    pub(crate) observer: Observer<N>,
    pub(crate) store: Store,
    pub(crate) health: Health,
    pub(crate) interfaces: Interfaces,
    pub(crate) sweeper: Sweeper,
    pressure: Pressure,
    pub(crate) rates: Rates,
    pub(crate) zero: ZeroPoints,
    pub(crate) pin_directory: PathBuf,
    /// Entries that each connection table was asked to have at the start.
    pub(crate) connections: u32,
    reconciler: Reconciler,
    journal: Journal,
    /// Servers on this host are reached by NAT, or were.
    local_nat: bool,
    /// Interfaces by which checks take the way of clients.
    paved: BTreeSet<u32>,
    /// The last failure of the maps that is not healed yet.
    pub(crate) trouble: Option<String>,
    /// Why the configuration file was not taken over when it was read last.
    pub(crate) refused: Option<NotTaken>,
    pub(crate) events: Events,
    pub(crate) trials: Trials,
    /// Servers that are not in the maps by a trial that ended before the first plan, and not by their checks.
    brought_back: BTreeSet<(Key, Endpoint)>,
    pub(crate) capture: Option<Session>,
    /// Held by whoever captures, or is about to.
    pub(crate) capturing: Arc<()>,
    /// The file that the daemon was started with.
    pub(crate) configuration_file: Option<String>,
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
        let events = Events::default();
        let reconciler = Reconciler::new(plane.actual()?, events.clone());
        Ok(Self {
            plane,
            observer: Observer::new(network),
            store,
            health: Health::new(events.clone()),
            interfaces: Interfaces::new(events.clone()),
            sweeper: Sweeper::new(Instant::now()),
            pressure: Pressure::default(),
            rates: Rates::default(),
            zero,
            pin_directory,
            connections: forward::abi::DEFAULT_CONNECTIONS,
            reconciler,
            journal: Journal::default(),
            local_nat: false,
            paved: BTreeSet::new(),
            trouble: None,
            refused: None,
            events,
            trials: Trials::new(),
            brought_back: BTreeSet::new(),
            capture: None,
            capturing: Arc::default(),
            configuration_file: None,
        })
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
        self.health.plan(Arc::clone(self.store.health()));
        self.observer.look(&self.servers(), now).map_err(crate::Error::Netlink)?;
        self.health.presume_down(self.left_out());
        self.remember_orders();
        self.supervise(&BTreeSet::new());
        let desired = desired(&self.store, &self.health, &self.observer, None);
        self.local_nat = has_local_nat(&desired);
        self.translate_answers();
        let changes = self.carry_out(&desired, None)?;
        tracing::info!(generation = self.store.generation(), changes, "configuration in place");
        Ok(changes)
    }

    /// Servers that the daemon before this one had taken out of services with checks which it left in the maps, and the
    /// same ones in services of which the maps do not tell.
    fn left_out(&self) -> BTreeSet<(Key, Endpoint)> {
        let (mut left_out, mut untold) = (BTreeSet::new(), BTreeSet::new());
        for (service, there) in self.checked_services() {
            for server in &service.servers {
                let place = (service.key, server.endpoint);
                let endpoint = endpoint_in_maps(service, server.endpoint);
                match there.map(|there| there.servers.iter().any(|it| Some(it.server.endpoint) == endpoint)) {
                    Some(true) => false,
                    Some(false) if !self.brought_back.contains(&place) => left_out.insert(place),
                    _ => untold.insert(place),
                };
            }
        }
        let down: BTreeSet<Endpoint> = left_out.iter().map(|(_, server)| *server).collect();
        left_out.extend(untold.into_iter().filter(|(_, server)| down.contains(server)));
        left_out
    }

    /// Servers of checked services go on in the order in which they are in the maps, and not in that of the file.
    fn remember_orders(&mut self) {
        let mut orders = Vec::new();
        for (service, there) in self.checked_services() {
            let Some(there) = there else { continue };
            let configured: BTreeMap<_, _> =
                service.servers.iter().map(|it| (endpoint_in_maps(service, it.endpoint), it.endpoint)).collect();
            let servers = there.servers.iter().filter_map(|it| configured.get(&Some(it.server.endpoint)).copied());
            orders.push((service.key, servers.collect()));
        }
        orders.into_iter().for_each(|(key, servers)| self.health.remember_order(key, servers));
    }

    /// Services with checks, and what the maps have of each.
    fn checked_services(&self) -> impl Iterator<Item = (&VirtualService, Option<&ServiceState>)> {
        let checked = self.store.services().values().filter(|service| self.store.health().contains_key(&service.key));
        checked
            .map(|service| (service, service.key.acting().and_then(|key| self.reconciler.actual().services.get(&key))))
    }

    /// All servers that are configured, each with its service.
    fn configured(&self) -> BTreeSet<(Key, Endpoint)> {
        let services = self.store.services().values();
        services.flat_map(|service| service.servers.iter().map(|server| (service.key, server.endpoint))).collect()
    }

    /// Carries out a request that changes the configuration: kept and in the maps when this returns.
    pub(crate) fn change(&mut self, request: &Request, now: Instant) -> Result<Done, Refusal> {
        self.check_addresses(request)?;
        let measured = self.measured(request)?;
        let request = measured.as_ref().unwrap_or(request);
        let before: BTreeSet<Subject> = self.subjects_of(request);
        let receipt = self.store.change(request).map_err(|refusal| self.explained(request, refusal))?;
        let record = Record::Change(request.clone());
        if let Err(error) = self.journal.keep(&mut self.plane, &record, &self.store, &self.zero) {
            self.store.take_back(receipt);
            return Err(refusal(&error));
        }
        let mut touched = receipt.touched();
        touched.extend(self.supervise(&touched));
        let fresh: BTreeSet<_> =
            self.servers_of(&touched).into_iter().filter(|address| !self.observer.watches(*address)).collect();
        self.observer.look_at_servers(&fresh, now);
        if !fresh.is_empty() {
            self.settle_lanes(now);
        }
        if let Err(error) = self.reconcile(Some(&touched)) {
            self.undo(receipt);
            return Err(refusal(&error));
        }
        self.welcome(&touched, &before);
        let response = Response::Done { generation: self.store.generation() };
        let pending = fresh.into_iter().filter(|address| self.observer.is_pending(*address)).collect();
        Ok(Done { response, pending })
    }

    /// A synchronization daemon with what follows from its interface: kept so, it is the same after a restart. None for
    /// all other requests.
    fn measured(&self, request: &Request) -> Result<Option<Request>, Refusal> {
        match request {
            Request::StartSync { role, daemon } => {
                let mut links = self.observer.links().values();
                let link = links.find(|link| link.name == daemon.interface).ok_or_else(|| {
                    let message = format!("there is no interface {} in this network namespace", daemon.interface);
                    refuse(RefusalKind::NoSuchInterface, message)
                })?;
                let daemon = daemon.clone().starting_on(*role, link.mtu);
                Ok(Some(Request::StartSync { role: *role, daemon }))
            }
            Request::Batch { requests } if requests.iter().any(|it| matches!(it, Request::StartSync { .. })) => {
                let measured = requests.iter().enumerate().map(|(index, request)| {
                    let measured = self.measured(request).map_err(|it| Refusal { request: Some(index), ..it })?;
                    Ok(measured.unwrap_or_else(|| request.clone()))
                });
                Ok(Some(Request::Batch { requests: measured.collect::<Result<_, _>>()? }))
            }
            _ => Ok(None),
        }
    }

    /// One slice of the connection tables.
    pub(crate) fn sweep(&mut self) {
        let report = self.plane.sweep();
        let now = Instant::now();
        match report {
            Ok(report) => {
                self.sweeper.swept(report, now);
                self.pressure.tell(&self.sweeper.status(), &self.events);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot sweep the connection tables");
                self.sweeper.failed(now);
            }
        }
    }

    /// What servers on this host answer is translated, whichever attached interface it leaves by.
    pub(crate) fn translate_answers(&mut self) {
        if self.local_nat
            && let Err(error) = self.plane.translate_answers()
        {
            tracing::warn!(%error, "what servers on this host answer is not translated");
        }
    }

    /// The addresses of all servers that packets are sent to.
    pub(crate) fn servers(&self) -> BTreeSet<IpAddr> {
        self.store.services().values().flat_map(reached).chain(self.health.sorry_servers()).collect()
    }

    fn servers_of(&self, keys: &BTreeSet<Key>) -> BTreeSet<IpAddr> {
        let services = keys.iter().filter_map(|key| self.store.services().get(key));
        services.flat_map(reached).collect()
    }

    fn reconcile(&mut self, scope: Option<&BTreeSet<Key>>) -> Result<usize, Error> {
        let desired = desired(&self.store, &self.health, &self.observer, scope);
        if has_local_nat(&desired) {
            self.local_nat = true;
            self.translate_answers();
        }
        let scope = scope.map(|keys| keys.iter().filter_map(Key::acting).collect());
        let done = self.carry_out(&desired, scope.as_ref());
        done.inspect_err(|error| self.troubled(format!("the maps do not take a change: {error}")))
    }

    /// The maps become as `desired` has them, and events tell it.
    fn carry_out(&mut self, desired: &State, scope: Option<&BTreeSet<ServiceKey>>) -> Result<usize, Error> {
        let why = |service: &ServiceKey, server: &Endpoint| why(&self.store, &self.observer, service, server);
        let name = |index| self.observer.links().get(&index).map(|link| link.name.clone());
        let words = Words { why: &why, name: &name };
        self.reconciler.reconcile(&mut self.plane, desired, scope, &words)
    }

    /// Back to what was before a change that the maps did not take.
    fn undo(&mut self, receipt: Receipt) {
        let mut touched = receipt.touched();
        self.store.take_back(receipt);
        self.health.plan(Arc::clone(self.store.health()));
        touched.extend(self.supervise(&touched));
        if let Err(error) = self.journal.compact(&mut self.plane, &self.store, &self.zero) {
            tracing::error!(%error, "cannot take a refused change out of the journal");
        }
        if self.reconcile(Some(&touched)).is_ok() {
            self.relieved();
        }
    }
    /// Something is wrong until it is healed; told once.
    pub(crate) fn troubled(&mut self, what: String) {
        if self.trouble.as_ref() != Some(&what) {
            self.events.tell(Level::Error, EventKind::Trouble, &what);
        }
        self.trouble = Some(what);
    }

    /// The maps are as they shall be.
    fn relieved(&mut self) {
        if self.trouble.take().is_some() {
            self.events.tell(Level::Info, EventKind::TroubleOver, "the maps take changes again");
        }
    }
}

/// Why a server, by its endpoint in the maps, is not in the rotation.
fn why<N: Network>(store: &Store, observer: &Observer<N>, key: &ServiceKey, endpoint: &Endpoint) -> Option<Obstacle> {
    let service = store.services().get(&Key::from(*key))?;
    let server = service.servers.iter().find(|it| endpoint_in_maps(service, it.endpoint) == Some(*endpoint))?;
    obstacle(service, server, observer)
}

/// The servers of a service that packets are sent to.
fn reached(service: &VirtualService) -> impl Iterator<Item = IpAddr> {
    let acting = service.servers.iter().filter(|_| service.key.acting().is_some());
    acting.map(|server| server.endpoint.ip())
}

/// An error of the data plane in the words of the API.
pub(crate) fn refusal(error: &Error) -> Refusal {
    let kind = match error {
        Error::NoSpace { .. } => RefusalKind::NoSpace,
        Error::NoInterface(_) | Error::NotAttached(_) | Error::Invalid(_) => RefusalKind::Invalid,
        Error::Conflict { .. } | Error::Attach { .. } | Error::Refused(_) | Error::Busy { .. } => RefusalKind::Conflict,
        Error::PinsGone { .. } => RefusalKind::Conflict,
        Error::NoSuchService(_) => RefusalKind::NoSuchService,
        Error::NoSuchServer { .. } => RefusalKind::NoSuchServer,
        _ => RefusalKind::Internal,
    };
    refuse(kind, error.to_string())
}
