//! A service: which of its servers take part, and whether they are enough.

use super::check::{CheckId, later};
use super::passive::{Burst, Return, Sample, Watch};
use forward::Time;
use model::health::{Script, ServiceHealth};
use model::{Endpoint, VirtualService, Weight};
use std::collections::BTreeMap;
use std::ops::Range;

/// What a server's health makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It takes part with this weight.
    In(Weight),
    /// It keeps its connections and gets no new ones.
    Quiesced,
    /// It is not in the table.
    Out,
}

/// What is known of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerStatus {
    /// Which server.
    pub server: Endpoint,
    /// Its checks.
    pub checks: Vec<CheckId>,
    /// All of them succeed, and it is not out by what its clients' connections tell.
    pub up: bool,
    /// What follows.
    pub standing: Standing,
}

/// What is known of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceStatus {
    /// Its servers, in the order of the configuration; those that its health does not know come last.
    pub servers: Vec<ServerStatus>,
    /// Enough weight takes part.
    pub quorum: bool,
    /// Sum of the weights of known servers that are up.
    pub alive: u64,
    /// What the sorry server does; none where there is none.
    pub sorry: Option<Standing>,
}

/// A service under supervision.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) service: VirtualService,
    pub(super) health: ServiceHealth,
    pub(super) status: ServiceStatus,
    /// The weight that each server has while it is up.
    weights: Vec<Weight>,
    /// What clients tell of each, where that counts.
    pub(super) watches: Vec<Watch>,
}

/// What follows from a burst for its server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leaving {
    /// It leaves, at least until then.
    Until(Time),
    /// It would, but its service needs it.
    Needed,
    /// It stays as it is: the service does not say so, or it is out already.
    Unasked,
}

/// What is known of a server's checks together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Findings {
    pub(super) up: bool,
    /// What they add to the weight, and what they set it to.
    pub(super) weight: i64,
    /// How many set it: each of them does so instead of the configured one.
    pub(super) setters: i64,
}

/// What a look at a service changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Turn {
    /// Places of servers that came.
    pub(super) came: Vec<usize>,
    /// Places of servers that went.
    pub(super) went: Vec<usize>,
    /// The quorum was reached, or lost.
    pub(super) quorum: Option<bool>,
    /// Something in the table is to be changed.
    pub(super) other_table: bool,
}

impl Supervised {
    /// A service that is looked at for the first time: nothing turns by that.
    pub(super) fn new(
        service: VirtualService,
        health: ServiceHealth,
        checks: Vec<Vec<CheckId>>,
        watches: impl Fn(Endpoint) -> Option<Watch>,
        findings: impl Fn(&[CheckId]) -> Findings,
    ) -> Self {
        let mut checks = checks.into_iter();
        let servers = service.servers.iter().map(|server| ServerStatus {
            server: server.endpoint,
            checks: checks.next().unwrap_or_default(),
            up: false,
            standing: Standing::Out,
        });
        let status = ServiceStatus { servers: servers.collect(), quorum: false, alive: 0, sorry: None };
        let weights = vec![Weight::default(); status.servers.len()];
        let watches = match health.passive {
            Some(_) => health.servers.iter().map(|server| watches(server.endpoint).unwrap_or_default()).collect(),
            None => Vec::new(),
        };
        let mut this = Self { service, health, status, weights, watches };
        this.look(this.places(), findings);
        this
    }

    /// The place of a server that its health knows.
    pub(super) fn place(&self, server: &Endpoint) -> Option<usize> {
        self.health.servers.iter().position(|known| known.endpoint == *server)
    }

    /// The places of all its servers.
    pub(super) fn places(&self) -> Range<usize> {
        0..self.status.servers.len()
    }

    /// Looks anew at the servers in these places. The others are looked at only where the sorry server comes or goes.
    pub(super) fn look(
        &mut self,
        places: impl Iterator<Item = usize> + Clone,
        findings: impl Fn(&[CheckId]) -> Findings,
    ) -> Turn {
        let mut turn = Turn::default();
        let replaced = self.is_replaced();
        for place in places.clone() {
            match self.weigh(place, &findings) {
                Some(true) => turn.came.push(place),
                Some(false) => turn.went.push(place),
                None => {}
            }
        }
        let came_back = self.admit_for_quorum(&findings);
        let everybody = !came_back.is_empty();
        turn.came.extend(came_back);
        let quorum = self.reaches_quorum();
        if quorum != self.status.quorum {
            self.status.quorum = quorum;
            turn.quorum = Some(quorum);
        }
        let few = !everybody && self.is_replaced() == replaced;
        let servers = if few { self.stand(places) } else { self.stand(self.places()) };
        turn.other_table = self.stand_sorry() | servers;
        turn
    }

    /// Places of servers that were there before, and are up (first) or down now and were not.
    pub(super) fn turned_since(&self, before: &ServiceStatus) -> (Vec<usize>, Vec<usize>) {
        let before: BTreeMap<Endpoint, bool> = before.servers.iter().map(|server| (server.server, server.up)).collect();
        let turned =
            |(_, server): &(usize, &ServerStatus)| before.get(&server.server).is_some_and(|up| *up != server.up);
        let turned = self.status.servers.iter().enumerate().filter(turned);
        let (came, went): (Vec<_>, Vec<_>) = turned.partition(|(_, server)| server.up);
        let places = |servers: Vec<(usize, &ServerStatus)>| servers.into_iter().map(|(place, _)| place).collect();
        (places(came), places(went))
    }

    /// Scripts that tell that a server is down.
    pub(super) fn down_scripts(&self, of: impl Fn(&ServerStatus) -> bool) -> impl Iterator<Item = &Script> {
        let servers = self.status.servers.iter().zip(&self.health.servers);
        servers.filter(move |(status, _)| of(status)).filter_map(|(_, health)| health.notify_down.as_ref())
    }

    /// The script that tells that the server in this place is down.
    pub(super) fn down_script(&self, place: usize) -> Option<&Script> {
        self.health.servers.get(place)?.notify_down.as_ref()
    }

    /// What is run when the service begins: it tells a quorum that is there, and that the sorry server has taken over.
    pub(super) fn first_script(&self) -> Option<&Script> {
        match (self.status.quorum, &self.health.sorry_server) {
            (true, _) => self.health.quorum_up.as_ref(),
            (false, Some(_)) => self.health.quorum_down.as_ref(),
            (false, None) => None,
        }
    }

    /// What a server's checks make of it; says whether it came (true) or went.
    fn weigh(&mut self, place: usize, findings: impl Fn(&[CheckId]) -> Findings) -> Option<bool> {
        let is_known = self.is_known(place);
        let status = self.status.servers.get_mut(place)?;
        let (server, slot) = (self.service.servers.get(place)?, self.weights.get_mut(place)?);
        if !is_known {
            (*slot, status.up) = (server.weight, true);
            return None;
        }
        let mut found = findings(&status.checks);
        found.up &= self.watches.get(place).is_none_or(|watch| watch.out().is_none());
        let (before, after) = (*slot, weight(server.weight, found));
        let counted = |up: bool, weight: Weight| if up { u64::from(weight.get()) } else { 0 };
        self.status.alive = self.status.alive - counted(status.up, before) + counted(found.up, after);
        *slot = after;
        let turned = found.up != status.up;
        status.up = found.up;
        turned.then_some(found.up)
    }

    /// Servers that are out by what clients tell come back where the service has no quorum without them. Returns their
    /// places.
    fn admit_for_quorum(&mut self, findings: impl Fn(&[CheckId]) -> Findings) -> Vec<usize> {
        let mut came = Vec::new();
        for place in 0..self.watches.len() {
            if self.status.alive >= u64::from(self.health.quorum) {
                break;
            }
            let Some(watch) = self.watches.get_mut(place).filter(|watch| watch.out().is_some()) else { continue };
            watch.come_back(Return::Needed);
            if self.weigh(place, &findings) == Some(true) {
                came.push(place);
            }
        }
        came
    }

    /// Hears what clients tell of a server; says whether that is a burst, and until when it leaves for it: not at all where the
    /// service says nothing of that, or has no quorum without it.
    pub(super) fn hear(&mut self, place: usize, sample: Sample, now: Time) -> Option<(Burst, Leaving)> {
        let passive = self.health.passive?;
        let burst = self.watches.get_mut(place)?.hear(sample, &passive, now)?;
        let status = self.status.servers.get(place)?;
        let weight = self.weights.get(place).map_or(0, |weight| u64::from(weight.get()));
        let leaving = match passive.out_for {
            Some(_) if !status.up => Leaving::Unasked,
            Some(_) if self.status.alive < weight + u64::from(self.health.quorum) => Leaving::Needed,
            Some(time) => Leaving::Until(later(now, time)),
            None => Leaving::Unasked,
        };
        Some((burst, leaving))
    }

    /// False of a server that the service's health does not know: it was added by hand.
    fn is_known(&self, place: usize) -> bool {
        place < self.health.servers.len()
    }

    /// True while the sorry server stands for all that are known.
    fn is_replaced(&self) -> bool {
        !self.status.quorum && self.health.sorry_server.is_some()
    }

    /// Above the quorum by the hysteresis it is reached, below it by the hysteresis lost; between, it stays.
    fn reaches_quorum(&self) -> bool {
        let (quorum, hysteresis) = (u64::from(self.health.quorum), u64::from(self.health.hysteresis));
        if self.status.quorum {
            self.status.alive != 0 && self.status.alive >= quorum.saturating_sub(hysteresis)
        } else {
            self.status.alive >= quorum + hysteresis
        }
    }

    /// What follows for the servers in these places; says whether that is other than before.
    fn stand(&mut self, places: impl Iterator<Item = usize>) -> bool {
        let replaced = self.is_replaced();
        let mut other = false;
        for place in places {
            let is_known = self.is_known(place);
            let Some(status) = self.status.servers.get_mut(place) else { continue };
            let weight = self.weights.get(place).copied().unwrap_or_default();
            let inhibits = self.health.servers.get(place).is_some_and(|health| health.inhibit_on_failure);
            let standing = match (status.up && !(replaced && is_known), inhibits) {
                (true, _) => Standing::In(weight),
                (false, true) => Standing::Quiesced,
                (false, false) => Standing::Out,
            };
            other |= standing != status.standing;
            status.standing = standing;
        }
        other
    }

    /// What follows for the sorry server; says whether that is other than before.
    fn stand_sorry(&mut self) -> bool {
        let replaced = self.is_replaced();
        let sorry = self.health.sorry_server.as_ref().map(|sorry| match (replaced, sorry.inhibited) {
            (true, _) => Standing::In(sorry.server.weight),
            (false, true) => Standing::Quiesced,
            (false, false) => Standing::Out,
        });
        let other = sorry != self.status.sorry;
        self.status.sorry = sorry;
        other
    }
}

/// A weight with what checks make of it.
fn weight(configured: Weight, findings: Findings) -> Weight {
    let base = i64::from(configured.get()).saturating_mul(1 - findings.setters);
    let sum = base.saturating_add(findings.weight).clamp(0, i64::from(Weight::MAX));
    u32::try_from(sum).ok().and_then(Weight::new).unwrap_or_default()
}
