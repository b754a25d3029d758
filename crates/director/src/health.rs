//! Health: the checker decides, a thread of its own makes the checks, and services are what their health leaves of them.

mod driver;
pub(crate) mod passive;
mod probe;
mod view;

use crate::events::Events;
use api::{EventKind, Level};
use dataplane::Passages;
use driver::Driver;
use forward::Time;
use model::health::{Check, ServiceHealth};
use model::{Endpoint, ForwardingMethod, Key, RealServer, VirtualService, Weight};
use protocols::Machine;
use protocols::health::{CheckId, Checker, Input, Outcome, Output, Standing};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Results of checks on their way to the director.
pub(crate) type Results = mpsc::UnboundedReceiver<(CheckId, Outcome)>;

/// The health of all services.
pub(crate) struct Health {
    checker: Checker,
    /// As the configuration file has it.
    plans: Arc<BTreeMap<Key, ServiceHealth>>,
    /// In one of them clients' connections count: whoever waits for what is next asks that each time.
    watches_any: bool,
    /// Services of which it says something else than when they were supervised last.
    replanned: BTreeSet<Key>,
    /// Servers that take part, in the order in which they came: who returns comes last, as in IPVS.
    present: BTreeMap<Key, Vec<Endpoint>>,
    /// Servers of the file that were deleted by hand while they were down: added again, they are.
    deleted_down: BTreeSet<(Key, Endpoint)>,
    begin: Instant,
    driver: Option<Driver>,
    /// Checks and scripts that were due before there was somebody to make them.
    early: Vec<Output>,
    /// What clients' connections had told when they were heard last.
    counts: passive::Counts,
    events: Events,
}

impl Health {
    /// Without services.
    pub(crate) fn new(events: Events) -> Self {
        let seed = u64::from(std::process::id()) << 32
            | u64::from(std::time::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_nanos());
        Self {
            checker: Checker::new(seed),
            plans: Arc::default(),
            watches_any: false,
            replanned: BTreeSet::new(),
            present: BTreeMap::new(),
            deleted_down: BTreeSet::new(),
            begin: Instant::now(),
            driver: None,
            early: Vec::new(),
            counts: passive::Counts::default(),
            events,
        }
    }

    /// What the configuration file says from now on. [`supervise`](Self::supervise) makes it so.
    pub(crate) fn plan(&mut self, plans: Arc<BTreeMap<Key, ServiceHealth>>) {
        if Arc::ptr_eq(&self.plans, &plans) {
            return;
        }
        let before = std::mem::replace(&mut self.plans, plans);
        self.watches_any = self.plans.values().any(|plan| plan.passive.is_some());
        let gone = before.keys().filter(|key| !self.plans.contains_key(key));
        let other = self.plans.iter().filter(|(key, plan)| before.get(key) != Some(plan)).map(|(key, _)| key);
        self.replanned.extend(gone.chain(other));
    }

    /// Begins to make checks, some of them by passages of the data plane; their results come out here.
    pub(crate) fn begin(&mut self, passages: Option<Passages>) -> std::io::Result<Results> {
        let (sender, results) = mpsc::unbounded_channel();
        self.driver = Some(Driver::start(sender, passages)?);
        std::mem::take(&mut self.early).into_iter().for_each(|output| self.drive(output));
        Ok(results)
    }

    /// Checks and scripts go to the thread that makes them.
    fn drive(&mut self, output: Output) {
        let Some(driver) = &self.driver else { return self.early.push(output) };
        match output {
            Output::Probe(id, task, page) => driver.probe(id, &task, page),
            Output::Run(script) => driver.run(script),
            _ => {}
        }
    }

    /// These are the services there are, and those that are others than before. Returns those whose servers are others
    /// now.
    pub(crate) fn supervise(
        &mut self,
        services: &BTreeMap<Key, VirtualService>,
        touched: &BTreeSet<Key>,
    ) -> BTreeSet<Key> {
        let mut concerned = std::mem::take(&mut self.replanned);
        if self.plans.is_empty() && self.checker.services().next().is_none() {
            return BTreeSet::new();
        }
        concerned.extend(touched);
        let (mut planned, mut gone) = (Vec::new(), BTreeSet::new());
        for key in &concerned {
            match (self.plans.get(key), services.get(key)) {
                (Some(plan), Some(service)) => planned.push(aligned(plan, service)),
                _ => drop(gone.insert(*key)),
            }
        }
        self.remember_deleted(&concerned, &planned);
        self.handle(Input::Amend(planned, gone))
    }

    /// Of these services: what is known of servers that the file has, and that are not there for now, is kept for when
    /// they are again.
    fn remember_deleted(&mut self, concerned: &BTreeSet<Key>, planned: &[(VirtualService, ServiceHealth)]) {
        let statuses = concerned.iter().filter_map(|key| Some((*key, self.checker.service(key)?)));
        let down: BTreeSet<_> = statuses
            .flat_map(|(key, status)| {
                let down = status.servers.iter().filter(|server| !server.up);
                down.map(move |server| (key, server.server))
            })
            .collect();
        if down.is_empty() && self.deleted_down.is_empty() {
            return;
        }
        let there: BTreeSet<_> = planned.iter().flat_map(|(service, health)| places(service.key, health)).collect();
        self.deleted_down.extend(down.difference(&there));
        let plans = concerned.iter().filter_map(|key| Some((*key, self.plans.get(key)?)));
        let in_file: BTreeSet<_> = plans.flat_map(|(key, plan)| places(key, plan)).collect();
        self.deleted_down.retain(|place| !concerned.contains(&place.0) || in_file.contains(place));
        let back: BTreeSet<_> = self.deleted_down.intersection(&there).copied().collect();
        if !back.is_empty() {
            self.deleted_down.retain(|place| !back.contains(place));
            self.checker.presume_down(back);
        }
    }

    /// Checks have been made. Returns services whose servers are others now.
    pub(crate) fn finished(&mut self, results: impl IntoIterator<Item = (CheckId, Outcome)>) -> BTreeSet<Key> {
        self.handle_all(results.into_iter().map(|(id, outcome)| Input::Finished(id, outcome)))
    }

    /// Time has gone by.
    pub(crate) fn tick(&mut self) -> BTreeSet<Key> {
        self.handle(Input::Tick)
    }

    /// True where checks rest while an address is elsewhere.
    pub(crate) fn may_rest(&self) -> bool {
        self.plans.values().any(|plan| plan.suspended_without_address)
    }

    /// Services whose address is not this node's.
    pub(crate) fn absent(&mut self, keys: BTreeSet<Key>) -> BTreeSet<Key> {
        self.handle(Input::Absent(keys))
    }

    /// The daemon ends.
    pub(crate) fn end(&mut self) {
        self.handle(Input::End);
        self.driver = None;
    }

    /// When to [`tick`](Self::tick) next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.driver.as_ref().and_then(|_| self.checker.next_deadline())?;
        Some(self.begin + Duration::from_nanos(deadline.0))
    }

    /// Servers of these services that are checked on the way of clients, where that needs programs.
    pub(crate) fn servers_through(&self, services: &BTreeMap<Key, VirtualService>) -> BTreeSet<IpAddr> {
        let through = |check: &Check| check.connection.through.is_some();
        let plans = self.plans.iter().filter_map(|(key, plan)| Some((services.get(key)?, plan)));
        let servers = plans.flat_map(|(service, plan)| {
            let checked = plan.servers.iter().filter(move |health| health.checks.iter().any(through));
            checked.filter_map(|health| service.servers.iter().find(|server| server.endpoint == health.endpoint))
        });
        let by_programs = servers
            .filter(|server| matches!(server.method, ForwardingMethod::DirectRouting | ForwardingMethod::Tunnel(_)));
        by_programs.map(|server| server.endpoint.ip()).collect()
    }

    /// Servers that take over from others: they must be reachable, too.
    pub(crate) fn sorry_servers(&self) -> impl Iterator<Item = IpAddr> {
        self.plans.values().filter_map(|plan| Some(plan.sorry_server.as_ref()?.server.endpoint.ip()))
    }

    /// What its health leaves of a service.
    pub(crate) fn effective<'s>(&self, service: &'s VirtualService) -> Cow<'s, VirtualService> {
        let Some(status) = self.checker.service(&service.key) else { return Cow::Borrowed(service) };
        let known: BTreeMap<_, _> = status.servers.iter().map(|it| (it.server, it.standing)).collect();
        let standing =
            |server: &RealServer| known.get(&server.endpoint).copied().unwrap_or(Standing::In(server.weight));
        let sorry = self.plans.get(&service.key).and_then(|plan| plan.sorry_server.as_ref());
        let sorry = sorry.zip(status.sorry).and_then(|(sorry, standing)| standing_server(&sorry.server, standing));
        // A sorry server may be one of the servers: it is in the table once.
        let others = service.servers.iter().filter(|server| sorry.is_none_or(|it| it.endpoint != server.endpoint));
        let others = others.filter_map(|server| standing_server(server, standing(server)));
        let mut servers: Vec<_> = others.chain(sorry).collect();
        let order = self.present.get(&service.key).map_or(&[][..], Vec::as_slice);
        let order: BTreeMap<_, _> = order.iter().zip(0_usize..).collect();
        let place = |server: &RealServer| order.get(&server.endpoint).copied().unwrap_or(usize::MAX);
        servers.sort_by_cached_key(place);
        Cow::Owned(VirtualService { servers, ..service.clone() })
    }

    /// The servers of a service that were in the maps when this daemon began, in the order in which they had come.
    pub(crate) fn remember_order(&mut self, key: Key, servers: Vec<Endpoint>) {
        self.present.insert(key, servers);
    }

    /// Servers that were not in the maps when this daemon began.
    pub(crate) fn presume_down(&mut self, servers: BTreeSet<(Key, Endpoint)>) {
        self.checker.presume_down(servers);
    }

    /// True of the sorry server of a service, while it serves.
    pub(crate) fn is_sorry(&self, key: &Key, server: Endpoint) -> bool {
        let serves = |standing| matches!(standing, Some(Standing::In(_)));
        let planned = self.plans.get(key).and_then(|plan| plan.sorry_server.as_ref());
        planned.is_some_and(|sorry| sorry.server.endpoint == server)
            && self.checker.service(key).is_some_and(|status| serves(status.sorry))
    }

    /// Why a server gets no new connections, where that is a matter of health.
    pub(crate) fn objection(&self, key: &Key, server: &RealServer) -> Option<String> {
        let status = self.checker.server(key, &server.endpoint)?;
        match status.standing {
            _ if !status.up => {
                let passive = self.verdict_of_clients(key, &server.endpoint).is_some();
                let by = if passive { "what its clients meet" } else { "its checks" };
                Some(format!("taken out by {by}: {}", self.failure(key, &server.endpoint)))
            }
            Standing::In(weight) if weight.get() == 0 && server.weight.get() != 0 => {
                Some("has weight 0 by its checks".to_owned())
            }
            Standing::In(_) => None,
            Standing::Quiesced | Standing::Out => {
                Some("the sorry server stands for it while the quorum is lost".to_owned())
            }
        }
    }

    /// Who takes part in a service now, those first that did before.
    fn order(&mut self, key: &Key) {
        let Some(status) = self.checker.service(key) else {
            self.present.remove(key);
            return;
        };
        let present = status.servers.iter().filter(|server| server.standing != Standing::Out);
        let sorry = self.plans.get(key).and_then(|plan| plan.sorry_server.as_ref());
        let sorry = sorry.filter(|_| status.sorry.is_some_and(|standing| standing != Standing::Out));
        let sorry = sorry.map(|sorry| sorry.server.endpoint);
        let present: Vec<Endpoint> = present.map(|server| server.server).chain(sorry).collect();
        let order = self.present.entry(*key).or_default();
        let now: BTreeSet<Endpoint> = present.iter().copied().collect();
        order.retain(|server| now.contains(server));
        let before: BTreeSet<Endpoint> = order.iter().copied().collect();
        order.extend(present.into_iter().filter(|server| !before.contains(server)));
    }

    fn now(&self) -> Time {
        Time(u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn handle(&mut self, input: Input) -> BTreeSet<Key> {
        self.handle_all([input])
    }

    /// Who takes part is put in order once for all of them.
    fn handle_all(&mut self, inputs: impl IntoIterator<Item = Input>) -> BTreeSet<Key> {
        let mut changed = BTreeSet::new();
        for input in inputs {
            let mut outputs = Vec::new();
            let now = self.now();
            self.checker.handle(input, now, &mut |output| outputs.push(output));
            for output in outputs {
                match output {
                    Output::Changed(key) => drop(changed.insert(key)),
                    Output::Probe(..) | Output::Run(_) => self.drive(output),
                    other => self.tell(&other),
                }
            }
        }
        changed.iter().for_each(|key| self.order(key));
        changed
    }

    /// One event for each transition.
    fn tell(&self, output: &Output) {
        match output {
            Output::Server(service, server, true) => {
                let why = self.reason_to_return(service, server);
                let text = format!("server {server} of {service} is up: {why}");
                self.events.tell(Level::Info, EventKind::ServerUp { service: *service, server: *server }, text);
            }
            Output::Server(service, server, false) => {
                let why = self.failure(service, server);
                let text = format!("server {server} of {service} is down: {why}");
                self.events.tell(Level::Warn, EventKind::ServerDown { service: *service, server: *server }, text);
            }
            Output::Quorum(service, reached) => {
                let status = self.checker.service(service);
                let alive = status.map_or(0, |status| status.alive);
                let needed = self.plans.get(service).map_or(0, |plan| plan.quorum);
                let what = if *reached { "reached" } else { "lost" };
                let text = format!("quorum of {service} {what}: weight {alive} of {needed} is alive");
                let level = if *reached { Level::Info } else { Level::Error };
                self.events.tell(level, EventKind::Quorum { service: *service, reached: *reached }, text);
            }
            Output::Failed(id) => {
                if let Some(check) = self.checker.check(*id) {
                    let server = check.task.server;
                    tracing::warn!("a check of {server} failed: {}", view::outcome(check.last.as_ref()));
                }
            }
            Output::Burst(service, server, burst, follows) => {
                let text = passive::told(service, server, burst, *follows);
                self.events.tell(Level::Warn, EventKind::Burst { service: *service, server: *server }, text);
            }
            Output::Probe(..) | Output::Run(_) | Output::Changed(_) => {}
        }
    }

    /// The last failure of a server's checks, and of its clients' connections.
    fn failure(&self, service: &Key, server: &Endpoint) -> String {
        let status = self.checker.server(service, server);
        let checks = status.iter().flat_map(|status| &status.checks).filter_map(|id| self.checker.check(*id));
        let failed = checks.filter(|check| !check.up).map(|check| view::outcome(check.last.as_ref()));
        self.verdict_of_clients(service, server).into_iter().chain(failed).collect::<Vec<_>>().join("; ")
    }
}

/// A server as its standing has it.
fn standing_server(server: &RealServer, standing: Standing) -> Option<RealServer> {
    let weight = match standing {
        Standing::In(weight) => weight,
        Standing::Quiesced => Weight::new(0)?,
        Standing::Out => return None,
    };
    Some(RealServer { weight, ..*server })
}

/// A service and a plan for the servers it has now: those that were added at run time are not in the plan, and come last.
fn aligned(plan: &ServiceHealth, service: &VirtualService) -> (VirtualService, ServiceHealth) {
    let plans: BTreeMap<Endpoint, _> = plan.servers.iter().map(|it| (it.endpoint, it)).collect();
    let of = |server: &RealServer| {
        plans.get(&server.endpoint).or_else(|| plans.get(&portless(server.endpoint, service)?)).copied()
    };
    let (known, by_hand): (Vec<_>, Vec<_>) = service.servers.iter().partition(|server| of(server).is_some());
    let servers = known.iter().filter_map(|server| of(server).cloned()).collect();
    let mut aligned = ServiceHealth { servers, ..plan.clone() };
    aligned.follow(service);
    let servers = known.into_iter().chain(by_hand).collect();
    (VirtualService { servers, ..service.clone() }, aligned)
}

/// The servers of a service.
fn places(key: Key, health: &ServiceHealth) -> impl Iterator<Item = (Key, Endpoint)> {
    health.servers.iter().map(move |server| (key, server.endpoint))
}

/// Where ports are the service's, the file may have named none.
fn portless(server: Endpoint, service: &VirtualService) -> Option<Endpoint> {
    let is_its_own = service.key.endpoint().is_some_and(|key| key.port() == server.port());
    is_its_own.then(|| Endpoint::new(server.ip(), 0))
}
