//! Configurations as a whole: what one would change, and the one way in which it is taken over, whole or not at all.

use super::{Director, Done, refusal};
use crate::observe::Network;
use crate::plane::Plane;
use crate::store::{Receipt, Store, refuse};
use api::{EventKind, Level, Plan, Refusal, RefusalKind, Response};
use dataplane::Error;
use model::{Config, DirectorSettings, Key, LaneChoice};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An interface and the lane that it is named with.
type Named = (String, Option<LaneChoice>);

/// How a configuration is taken over.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner {
    /// What was edited at run time since it was taken over last goes, too.
    pub(crate) again: bool,
    /// What was before comes back after so many seconds unless it is confirmed.
    pub(crate) confirm_within: Option<u32>,
}

/// A configuration that was taken over.
pub(crate) struct TakenOver {
    /// Something is otherwise than before, be it only which services are the file's.
    pub(crate) differs: bool,
    pending: BTreeSet<IpAddr>,
}

impl<P: Plane, N: Network> Director<P, N> {
    /// Takes over a configuration file before anything is planned. Where it says what it said before, nothing happens.
    pub(crate) fn adopt(&mut self, config: &Config) -> Result<bool, Refusal> {
        let before = self.store.services().len();
        let Some(receipt) = self.store.adopt(config, false)? else { return Ok(false) };
        self.keep_whole(receipt)?;
        self.warn_of_emptied(config.services.len(), before);
        Ok(true)
    }

    /// What [`apply`](Self::apply) would change.
    pub(crate) fn plan(&mut self, config: &Config, now: Instant) -> Result<Plan, Refusal> {
        self.look_around(now);
        self.check_interfaces(config)?;
        let mut store = self.store.clone();
        store.adopt(config, true)?;
        let changes = model::differences(&self.running(), &self.with_interfaces(&store, &config.director));
        let mut notes = self.notes_on(config);
        if self.store.trial().is_some() {
            notes.push(self.on_trial().message);
        }
        Ok(Plan { generation: self.store.generation(), changes, notes })
    }

    /// Takes over a configuration, if `generation` is the present one.
    pub(crate) fn apply(
        &mut self,
        config: &Config,
        manner: Manner,
        generation: Option<u64>,
        now: Instant,
    ) -> Result<Done, Refusal> {
        let present = self.store.generation();
        if let Some(expected) = generation.filter(|generation| *generation != present) {
            let message = format!("the configuration is generation {present}, not {expected}: look at a new plan");
            return Err(refuse(RefusalKind::Conflict, message));
        }
        let before = self.running();
        let TakenOver { differs, pending } = self.take_over(config, manner, now)?;
        let changes = model::differences(&before, &self.running());
        let plan = Plan { generation: self.store.generation(), changes, notes: self.notes_on(config) };
        let confirm_within = manner.confirm_within.filter(|_| self.store.trial().is_some());
        self.refused = None;
        if differs {
            self.tell_applied(confirm_within);
        }
        Ok(Done { response: Response::Applied { plan, confirm_within }, pending })
    }

    /// Takes over a configuration file that may have changed while running.
    pub(crate) fn reload(&mut self, config: &Config, now: Instant) -> Result<bool, Refusal> {
        let taken = self.take_over(config, Manner::default(), now)?;
        self.notes_on(config).iter().for_each(|note| tracing::warn!("{note}"));
        if taken.differs {
            self.tell_applied(None);
        }
        Ok(taken.differs)
    }

    pub(super) fn tell_applied(&self, confirm_within: Option<u32>) {
        let generation = self.store.generation();
        let end = confirm_within.map(|seconds| format!(", on trial for {seconds} s")).unwrap_or_default();
        let text = format!("configuration file taken over, generation {generation}{end}");
        self.events.tell(Level::Info, EventKind::Applied { generation }, text);
    }

    /// The one way of a configuration into the maps: kept first, then interfaces, then maps. What fails leaves no trace.
    /// Interfaces that it does not name stay attached: that is for `xlvs detach` to say.
    fn take_over(&mut self, config: &Config, manner: Manner, now: Instant) -> Result<TakenOver, Refusal> {
        if self.store.trial().is_some() {
            return Err(self.on_trial());
        }
        self.look_around(now);
        self.check_interfaces(config)?;
        let subjects = self.all_subjects().into_iter().collect();
        let count = self.store.services().len();
        let news = self.interfaces.news(&config.director);
        let adopted = self.store.adopt(config, manner.again)?;
        let differs = adopted.is_some() || !news.is_empty();
        let mut pending = BTreeSet::new();
        if differs {
            let receipt = adopted.unwrap_or_else(|| self.store.receipt());
            let touched = self.carry_over(config, receipt, &news, manner, now)?;
            self.welcome(&touched, &subjects);
            self.warn_of_emptied(config.services.len(), count);
            pending = self.servers_of(&touched).into_iter().filter(|it| self.observer.is_pending(*it)).collect();
        }
        Ok(TakenOver { differs, pending })
    }

    /// What was adopted with `receipt` reaches interfaces and maps, or is taken back. Returns services that are others.
    fn carry_over(
        &mut self,
        config: &Config,
        receipt: Receipt,
        news: &[Named],
        manner: Manner,
        now: Instant,
    ) -> Result<BTreeSet<Key>, Refusal> {
        let (lanes, added) = self.interfaces_before(news);
        if let Some(seconds) = manner.confirm_within {
            let length = Duration::from_secs(seconds.into());
            self.store.try_for(length, config, &receipt, lanes.clone(), added.clone());
        }
        let receipt = self.keep_whole(receipt)?;
        let reached = self.attach_news(news, manner.confirm_within, now).and_then(|()| {
            let touched = self.follow_store(&receipt, now);
            // The ways of new servers are known before packets take them.
            self.settle_lanes(now);
            self.reconcile(Some(&touched)).map(|_| touched)
        });
        reached.map_err(|error| {
            self.undo(receipt);
            self.restore_interfaces(&lanes, &added);
            refusal(&error)
        })
    }

    /// Keeps the store as it is, or takes the receipt back.
    fn keep_whole(&mut self, receipt: Receipt) -> Result<Receipt, Refusal> {
        match self.journal.compact(&mut self.plane, &self.store, &self.zero) {
            Ok(()) => Ok(receipt),
            Err(error) => {
                self.store.take_back(receipt);
                Err(refusal(&error))
            }
        }
    }

    /// Health and the eyes for the network follow a store that has changed. Returns services whose servers are others.
    pub(super) fn follow_store(&mut self, receipt: &Receipt, now: Instant) -> BTreeSet<Key> {
        self.health.plan(Arc::clone(self.store.health()));
        let mut touched = receipt.touched();
        touched.extend(self.supervise(&touched));
        let sorry: BTreeSet<IpAddr> = self.health.sorry_servers().collect();
        let servers = self.servers_of(&touched).into_iter().chain(sorry);
        let fresh = servers.filter(|address| !self.observer.watches(*address)).collect();
        self.observer.look_at_servers(&fresh, now);
        touched
    }

    /// Attaches to interfaces that are named anew, on trial where the configuration is.
    fn attach_news(&mut self, news: &[Named], confirm_within: Option<u32>, now: Instant) -> Result<(), Error> {
        for (name, lane) in news {
            let is_new = !self.interfaces.wanted().contains_key(name);
            if let Some(seconds) = confirm_within.filter(|_| is_new) {
                let length = Duration::from_secs(seconds.into());
                self.plane.begin_trial(name, length)?;
                self.trials.insert(name.clone(), now + length);
            }
            self.interfaces.attach(&mut self.plane, self.observer.links(), name, *lane, false)?;
        }
        self.translate_answers();
        Ok(())
    }

    /// The lanes of those that will move, and the names of those that will be added.
    fn interfaces_before(&self, news: &[Named]) -> (BTreeMap<String, LaneChoice>, Vec<String>) {
        let wanted = self.interfaces.wanted();
        let lane = |(name, _): &Named| Some((name.clone(), *wanted.get(name)?));
        let is_added = |(name, _): &&Named| !wanted.contains_key(name);
        (news.iter().filter_map(lane).collect(), news.iter().filter(is_added).map(|(name, _)| name.clone()).collect())
    }

    fn check_interfaces(&self, config: &Config) -> Result<(), Refusal> {
        let missing = self.interfaces.missing(self.observer.links(), &config.director.interfaces);
        missing.map_or(Ok(()), |name| Err(refusal(&Error::NoInterface(name.clone()))))
    }

    /// What is configured now, with the interfaces.
    fn running(&self) -> Config {
        self.with_interfaces(&self.store, &DirectorSettings::default())
    }

    /// What `store` has configured, with the interfaces there are and those that `named` has.
    fn with_interfaces(&self, store: &Store, named: &DirectorSettings) -> Config {
        let mut config = store.configuration();
        let mut lanes = self.interfaces.wanted().clone();
        for (name, lane) in self.interfaces.news(named) {
            lanes.insert(name, lane.unwrap_or(LaneChoice::Auto));
        }
        config.director.interfaces = lanes.keys().cloned().collect();
        config.director.attach_each = lanes;
        config
    }

    /// What a configuration asks for that does not come while the daemon runs.
    fn notes_on(&self, config: &Config) -> Vec<String> {
        let (wanted, size) = (config.director.connections, self.connections);
        let note = format!(
            "connections = {wanted}: the tables keep room for {size} until `xlvs stop` and a new start, which forget the \
             connections"
        );
        if wanted == size { Vec::new() } else { vec![note] }
    }
}
