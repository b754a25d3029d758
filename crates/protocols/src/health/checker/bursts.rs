//! What follows from the connections of clients: who leaves for them, and who returns.

use super::{Checker, Follows, Output, findings, tell};
use crate::health::check::CheckId;
use crate::health::passive::{Return, Sample, Watch};
use crate::health::service::Leaving;
use forward::Time;
use model::{Endpoint, Key};

impl Checker {
    /// What clients' connections tell of a server, where that counts.
    pub fn watch(&self, key: &Key, server: &Endpoint) -> Option<&Watch> {
        let supervised = self.services.get(key)?;
        supervised.watches.get(supervised.place(server)?)
    }

    /// Servers whose clients' connections count.
    pub fn watched(&self) -> impl Iterator<Item = (Key, Endpoint)> {
        self.services.iter().flat_map(|(key, supervised)| {
            supervised.watches.iter().zip(&supervised.health.servers).map(|(_, server)| (*key, server.endpoint))
        })
    }

    /// Who is out by clients' connections, and until when.
    pub(super) fn index_returns(&mut self) {
        self.overdue.clear();
        self.returns.clear();
        for (key, service) in &self.services {
            let outs = service.watches.iter().zip(&service.health.servers);
            let until = outs.filter_map(|(watch, server)| Some((watch.out()?.until, *key, server.endpoint)));
            self.returns.extend(until);
        }
    }

    /// Hears what connections of clients tell of a server.
    pub(super) fn hear(&mut self, key: Key, server: Endpoint, sample: Sample, now: Time, emit: &mut dyn FnMut(Output)) {
        let Some(supervised) = self.services.get_mut(&key) else { return };
        let Some(place) = supervised.place(&server) else { return };
        let Some((burst, leaving)) = supervised.hear(place, sample, now) else { return };
        let ids = supervised.status.servers.get(place).map_or_else(Vec::new, |status| status.checks.clone());
        match leaving {
            Leaving::Needed => emit(Output::Burst(key, server, burst, Follows::Needed)),
            Leaving::Unasked => emit(Output::Burst(key, server, burst, Follows::Checks)),
            Leaving::Until(until) => {
                let made = ids.iter().filter_map(|id| Some((*id, self.slots.get(id)?.status.made)));
                if let Some(watch) = supervised.watches.get_mut(place) {
                    watch.leave(burst, until, made.collect());
                }
                self.returns.insert((until, key, server));
                let turn = supervised.look([place].into_iter(), findings(&self.slots, &self.looks));
                tell(key, supervised, &turn, emit);
            }
        }
        for id in ids {
            let hastened = self.slots.get_mut(&id).and_then(|slot| slot.hasten(now));
            if let Some(next) = hastened {
                self.deadlines.remove(&(next, id));
                self.deadlines.insert((now, id));
            }
        }
    }

    /// Servers that are out by clients' connections return when their time is over and their checks have succeeded.
    pub(super) fn bring_back(&mut self, now: Time, emit: &mut dyn FnMut(Output)) {
        while let Some(due) = self.returns.first().copied().filter(|(until, ..)| *until <= now) {
            self.returns.remove(&due);
            self.overdue.insert((due.1, due.2));
        }
        let waiting = std::mem::take(&mut self.overdue);
        self.overdue =
            waiting.into_iter().filter(|(key, server)| !self.try_bring_back(*key, *server, now, emit)).collect();
    }

    /// True when the server need not wait any longer.
    fn try_bring_back(&mut self, key: Key, server: Endpoint, now: Time, emit: &mut dyn FnMut(Output)) -> bool {
        let Some(supervised) = self.services.get_mut(&key) else { return true };
        let Some(place) = supervised.place(&server) else { return true };
        let checks = supervised.status.servers.get(place).map_or(&[][..], |status| &status.checks);
        let Some(watch) = supervised.watches.get_mut(place) else { return true };
        let Some(out) = watch.out().filter(|out| out.until <= now) else { return true };
        let recovered = |id: &CheckId| self.slots.get(id).is_none_or(|slot| slot.has_recovered(out.made_before(*id)));
        if !checks.iter().all(recovered) {
            return false;
        }
        watch.come_back(Return::Over);
        let turn = supervised.look([place].into_iter(), findings(&self.slots, &self.looks));
        tell(key, supervised, &turn, emit);
        true
    }
}
