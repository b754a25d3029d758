//! The machine: all checks of all services.

mod bursts;

use super::check::{CheckId, CheckStatus, Outcome, Slot, Task};
use super::passive::{Burst, Sample};
use super::service::{Findings, ServerStatus, ServiceStatus, Supervised, Turn};
use crate::Machine;
use forward::Time;
use model::health::{Check, Script, ServiceHealth};
use model::{Dice, Endpoint, Key, VirtualService};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What can happen to checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// These are all services with checks from now on. What is as it was goes on as it was. Servers beyond those that a
    /// service's health has always take part, and count for no quorum.
    Configure(Vec<(VirtualService, ServiceHealth)>),
    /// The same of these services only, and those named have no checks any more: the work grows with what is otherwise.
    Amend(Vec<(VirtualService, ServiceHealth)>, BTreeSet<Key>),
    /// A check has been made.
    Finished(CheckId, Outcome),
    /// Services whose virtual address is not this node's: checks that only such ones need, and that may, rest.
    Absent(BTreeSet<Key>),
    /// What the connections of clients have told of servers since the last time.
    Signals(Vec<(Key, Endpoint, Sample)>),
    /// Time has gone by.
    Tick,
    /// The daemon ends: what services ask for at the end is said.
    End,
}

/// What shall be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Make this check; a check of pages looks at this one.
    Probe(CheckId, Arc<Task>, usize),
    /// The service's table is other than before: [`Checker::service`] says how.
    Changed(Key),
    /// A server came (true) or went.
    Server(Key, Endpoint, bool),
    /// The quorum was reached (true) or lost.
    Quorum(Key, bool),
    /// A check failed, and its server still counts as up, or was down before; only where that is asked for.
    Failed(CheckId),
    /// Many connections of clients have failed; a server that leaves for that is told of as one that went.
    Burst(Key, Endpoint, Burst, Follows),
    /// Run this.
    Run(Script),
}

/// What follows from a burst whose server stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follows {
    /// Its checks come at once.
    Checks,
    /// That, and its service needs it.
    Needed,
}

/// All checks of all services.
#[derive(Debug)]
pub struct Checker {
    slots: BTreeMap<CheckId, Slot>,
    /// The checks of each server.
    by_server: BTreeMap<Endpoint, Vec<CheckId>>,
    services: BTreeMap<Key, Supervised>,
    absent: BTreeSet<Key>,
    /// Servers that were down before this checker, each in its service.
    left_out: BTreeSet<(Key, Endpoint)>,
    deadlines: BTreeSet<(Time, CheckId)>,
    /// When servers that are out by their clients' connections may return.
    returns: BTreeSet<(Time, Key, Endpoint)>,
    /// Those that may, and wait for their checks.
    overdue: BTreeSet<(Key, Endpoint)>,
    next_id: u32,
    dice: Dice,
    looks: Cell<u64>,
}

impl Checker {
    /// Without services. `seed` scatters the first checks.
    pub fn new(seed: u64) -> Self {
        Self {
            slots: BTreeMap::new(),
            by_server: BTreeMap::new(),
            services: BTreeMap::new(),
            absent: BTreeSet::new(),
            left_out: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            returns: BTreeSet::new(),
            overdue: BTreeSet::new(),
            next_id: 0,
            dice: Dice::new(seed),
            looks: Cell::new(0),
        }
    }

    /// Servers that were not in the tables of whoever was here before: they have to succeed first, by each check that no
    /// service shares in whose table they were.
    pub fn presume_down(&mut self, servers: BTreeSet<(Key, Endpoint)>) {
        self.left_out = servers;
    }

    /// What is known of a service.
    pub fn service(&self, key: &Key) -> Option<&ServiceStatus> {
        self.services.get(key).map(|supervised| &supervised.status)
    }

    /// What is known of a server of a service.
    pub fn server(&self, key: &Key, server: &Endpoint) -> Option<&ServerStatus> {
        self.service(key)?.servers.iter().find(|status| status.server == *server)
    }

    /// Services under supervision.
    pub fn services(&self) -> impl Iterator<Item = (&Key, &ServiceStatus)> {
        self.services.iter().map(|(key, supervised)| (key, &supervised.status))
    }

    /// What is known of a check.
    pub fn check(&self, id: CheckId) -> Option<&CheckStatus> {
        self.slots.get(&id).map(|slot| &slot.status)
    }

    /// How many different checks there are.
    pub fn check_count(&self) -> usize {
        self.slots.len()
    }

    /// How many times a server was looked at so far: what the work of a checker grows with.
    pub fn looks(&self) -> u64 {
        self.looks.get()
    }

    /// Whoever is not among these services is gone.
    fn configure(&mut self, services: Vec<(VirtualService, ServiceHealth)>, now: Time, emit: &mut dyn FnMut(Output)) {
        let named: BTreeSet<Key> = services.iter().map(|(service, _)| service.key).collect();
        let gone = self.services.keys().filter(|key| !named.contains(key)).copied().collect();
        self.amend(services, &gone, now, emit);
    }

    fn amend(
        &mut self,
        services: Vec<(VirtualService, ServiceHealth)>,
        gone: &BTreeSet<Key>,
        now: Time,
        emit: &mut dyn FnMut(Output),
    ) {
        let checks: Vec<_> = services.iter().map(|(service, health)| self.enlist_all(service, health, now)).collect();
        self.begin_as_before(&services, &checks);
        let mut before = BTreeMap::new();
        for key in services.iter().map(|(service, _)| &service.key).chain(gone) {
            before.extend(self.services.remove(key).map(|old| (*key, old)));
        }
        let mut unused = self.without_users(&before);
        unused.extend(checks.iter().flatten().flatten());
        for ((service, health), checks) in services.into_iter().zip(checks) {
            let key = service.key;
            let old = before.remove(&key);
            let same = old.as_ref().filter(|old| old.health.passive == health.passive);
            let watches = |server| same.and_then(|old| old.watches.get(old.place(&server)?).cloned());
            let found = findings(&self.slots, &self.looks);
            let supervised = Supervised::new(service, health, checks, watches, found);
            self.replace(key, old, supervised, emit);
        }
        for (key, gone) in before {
            run(gone.down_scripts(|server| server.up), emit);
            run(gone.health.quorum_down.iter().filter(|_| gone.status.quorum), emit);
            emit(Output::Changed(key));
        }
        unused.retain(|id| self.slots.get(id).is_some_and(|slot| slot.users.is_empty()));
        unused.into_iter().for_each(|id| self.forget(id));
        self.index_returns();
        self.absent.retain(|key| self.services.contains_key(key));
    }

    /// A service takes the place of what it was, if it was there.
    fn replace(&mut self, key: Key, old: Option<Supervised>, mut supervised: Supervised, emit: &mut dyn FnMut(Output)) {
        let changed = match old {
            // A quorum between its two bounds stays what it was.
            Some(old) => {
                supervised.status.quorum = old.status.quorum;
                let kept: BTreeSet<Endpoint> = supervised.status.servers.iter().map(|it| it.server).collect();
                run(old.down_scripts(|server| server.up && !kept.contains(&server.server)), emit);
                let mut turn = supervised.look(supervised.places(), findings(&self.slots, &self.looks));
                // Another check may know already what the one before did not.
                (turn.came, turn.went) = supervised.turned_since(&old.status);
                tell(key, &supervised, &turn, emit);
                let watched = supervised.health.passive.is_some() != old.health.passive.is_some();
                watched || supervised.status != old.status || supervised.service != old.service
            }
            None => {
                run(supervised.first_script(), emit);
                true
            }
        };
        for (place, server) in supervised.status.servers.iter().enumerate() {
            for id in &server.checks {
                self.slots.entry(*id).and_modify(|slot| slot.add_user(key, place));
            }
        }
        self.services.insert(key, supervised);
        if changed {
            emit(Output::Changed(key));
        }
    }

    /// The numbers of the checks of each server.
    fn enlist_all(&mut self, service: &VirtualService, health: &ServiceHealth, now: Time) -> Vec<Vec<CheckId>> {
        // What such a service knows is what it was while it had its address: it shares with nobody who goes on.
        let own_address = service.key.endpoint().map(|endpoint| endpoint.ip());
        let rests_without = own_address.filter(|_| health.suspended_without_address);
        let servers = health.servers.iter().map(|server| {
            let task = |check: &Check| Task { server: server.endpoint, check: check.clone(), rests_without };
            server.checks.iter().map(|check| self.enlist(task(check), now)).collect()
        });
        servers.collect()
    }

    /// A new check of a server that was down in its service fails at first, unless the server was up for who shares it:
    /// another service's check of the same server says nothing.
    fn begin_as_before(&mut self, services: &[(VirtualService, ServiceHealth)], checks: &[Vec<Vec<CheckId>>]) {
        let left_out = std::mem::take(&mut self.left_out);
        let (mut failing, mut succeeding) = (BTreeSet::new(), BTreeSet::new());
        for ((service, health), checks) in services.iter().zip(checks) {
            let before = self.services.get(&service.key).map_or(&[][..], |old| &old.status.servers);
            let before: BTreeMap<Endpoint, bool> = before.iter().map(|server| (server.server, server.up)).collect();
            for (server, ids) in health.servers.iter().zip(checks) {
                let known = before.get(&server.endpoint).copied();
                let is_left_out = left_out.contains(&(service.key, server.endpoint));
                let was_up = known.or_else(|| (!left_out.is_empty()).then_some(!is_left_out));
                if let Some(was_up) = was_up {
                    if was_up { &mut succeeding } else { &mut failing }.extend(ids);
                }
            }
        }
        for id in failing.difference(&succeeding) {
            // Who has one already knows better.
            self.slots.entry(*id).and_modify(|slot| slot.status.up &= !slot.users.is_empty());
        }
    }

    /// The number of a check that is there already, or of a new one.
    fn enlist(&mut self, task: Task, now: Time) -> CheckId {
        let known = self.by_server.entry(task.server).or_default();
        let is_same = |id: &&CheckId| self.slots.get(id).is_some_and(|slot| *slot.status.task == task);
        if let Some(id) = known.iter().find(is_same) {
            return *id;
        }
        let id = CheckId(self.next_id);
        self.next_id += 1;
        known.push(id);
        let slot = Slot::new(Arc::new(task), now, self.dice.share());
        self.deadlines.extend(slot.status.next.map(|next| (next, id)));
        self.slots.insert(id, slot);
        id
    }

    /// Takes services from their checks; the checks that nobody may have now.
    fn without_users(&mut self, services: &BTreeMap<Key, Supervised>) -> BTreeSet<CheckId> {
        let mut unused = BTreeSet::new();
        for (key, service) in services {
            for id in service.status.servers.iter().flat_map(|server| &server.checks) {
                if let Some(slot) = self.slots.get_mut(id) {
                    slot.remove_user(key);
                    unused.extend(slot.users.is_empty().then_some(*id));
                }
            }
        }
        unused
    }

    /// A check is gone.
    fn forget(&mut self, id: CheckId) {
        let Some(slot) = self.slots.remove(&id) else { return };
        slot.status.next.map(|next| self.deadlines.remove(&(next, id)));
        let server = slot.status.task.server;
        if let Some(known) = self.by_server.get_mut(&server) {
            known.retain(|it| *it != id);
            if known.is_empty() {
                self.by_server.remove(&server);
            }
        }
    }

    fn finished(&mut self, id: CheckId, outcome: Outcome, now: Time, emit: &mut dyn FnMut(Output)) {
        let share = self.dice.share();
        // A check that has been taken away meanwhile, or that nobody began.
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.status.next.is_none()) else { return };
        let failed = matches!(outcome, Outcome::Failure(_));
        let effect = slot.finish(outcome, now, share);
        self.deadlines.extend(slot.status.next.map(|next| (next, id)));
        if failed && !effect.turned && slot.status.task.check.logs_every_failure {
            emit(Output::Failed(id));
        }
        if effect.stays_down {
            self.users(id).for_each(|(_, service, place)| run(service.down_script(place), emit));
        }
        if effect.turned || effect.weighed {
            self.look_at(id, emit);
        }
    }

    /// Services that have this check, and the places of servers in them.
    fn users(&self, id: CheckId) -> impl Iterator<Item = (&Key, &Supervised, usize)> {
        let users = self.slots.get(&id).map_or(&[][..], |slot| &slot.users);
        users.iter().filter_map(|(key, place)| {
            self.looks.update(|looks| looks + 1);
            self.services.get(key).map(|service| (key, service, *place))
        })
    }

    /// Looks at all servers that have this check.
    fn look_at(&mut self, id: CheckId, emit: &mut dyn FnMut(Output)) {
        let users = self.slots.get(&id).map_or(&[][..], |slot| &slot.users);
        for of_one in users.chunk_by(|(one, _), (other, _)| one == other) {
            let Some(key) = of_one.first().map(|(key, _)| *key) else { continue };
            let Some(supervised) = self.services.get_mut(&key) else { continue };
            let places = of_one.iter().map(|(_, place)| *place);
            let turn = supervised.look(places, findings(&self.slots, &self.looks));
            tell(key, supervised, &turn, emit);
        }
    }

    fn tick(&mut self, now: Time, emit: &mut dyn FnMut(Output)) {
        while let Some((deadline, id)) = self.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.remove(&(deadline, id));
            let rests = self.rests(id);
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            if rests {
                let next = super::check::later(now, slot.status.task.check.pace.interval);
                slot.status.next = Some(next);
                self.deadlines.insert((next, id));
            } else {
                let page = slot.begin();
                emit(Output::Probe(id, Arc::clone(&slot.status.task), page));
            }
        }
    }

    /// True where every service that has the check may rest and has no address here.
    fn rests(&self, id: CheckId) -> bool {
        if self.absent.is_empty() {
            return false;
        }
        self.users(id).all(|(key, service, _)| service.health.suspended_without_address && self.absent.contains(key))
    }

    fn end(&mut self, emit: &mut dyn FnMut(Output)) {
        for supervised in self.services.values().filter(|supervised| supervised.health.omega) {
            run(supervised.down_scripts(|server| server.up), emit);
            // Also where it is lost already.
            run(&supervised.health.quorum_down, emit);
        }
    }
}

impl Machine for Checker {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, input: Input, now: Time, emit: &mut dyn FnMut(Output)) {
        match input {
            Input::Configure(services) => self.configure(services, now, emit),
            Input::Amend(services, gone) => self.amend(services, &gone, now, emit),
            Input::Finished(id, outcome) => self.finished(id, outcome, now, emit),
            Input::Absent(absent) => self.absent = absent,
            Input::Signals(signals) => {
                for (key, server, sample) in signals {
                    self.hear(key, server, sample, now, emit);
                }
            }
            Input::Tick => {}
            Input::End => self.end(emit),
        }
        self.bring_back(now, emit);
        self.tick(now, emit);
    }

    fn next_deadline(&self) -> Option<Time> {
        let check = self.deadlines.first().map(|(deadline, _)| *deadline);
        let back = self.returns.first().map(|(until, ..)| *until);
        check.into_iter().chain(back).min()
    }
}

/// Scripts are run.
fn run<'s>(scripts: impl IntoIterator<Item = &'s Script>, emit: &mut dyn FnMut(Output)) {
    scripts.into_iter().for_each(|script| emit(Output::Run(script.clone())));
}

/// What a turn of a service means for others.
fn tell(key: Key, supervised: &Supervised, turn: &Turn, emit: &mut dyn FnMut(Output)) {
    for (places, came) in [(&turn.went, false), (&turn.came, true)] {
        for place in places {
            let Some(health) = supervised.health.servers.get(*place) else { continue };
            emit(Output::Server(key, health.endpoint, came));
            run(if came { &health.notify_up } else { &health.notify_down }, emit);
        }
    }
    if let Some(reached) = turn.quorum {
        emit(Output::Quorum(key, reached));
        run(if reached { &supervised.health.quorum_up } else { &supervised.health.quorum_down }, emit);
    }
    if turn.other_table {
        emit(Output::Changed(key));
    }
}

/// What is known of the checks of a server that is looked at.
fn findings(slots: &BTreeMap<CheckId, Slot>, looks: &Cell<u64>) -> impl Fn(&[CheckId]) -> Findings {
    move |ids| {
        looks.update(|looks| looks + 1);
        let found = ids.iter().filter_map(|id| slots.get(id));
        found.fold(Findings { up: true, weight: 0, setters: 0 }, |sum, slot| Findings {
            up: sum.up && slot.status.up,
            weight: sum.weight.saturating_add(slot.weight.unwrap_or(0)),
            setters: sum.setters + i64::from(slot.sets_weight()),
        })
    }
}
