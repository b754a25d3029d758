//! The one path to the maps: desired state → plan → apply, one change after the other.

use crate::events::Events;
use crate::plane::Plane;
use api::{EventKind, Level, Obstacle};
use dataplane::Error;
use model::{Change, Endpoint, Reach, ServerState, ServiceKey, State};
use std::collections::BTreeSet;

/// What the reconciler does not know and its events tell.
pub(crate) struct Words<'a> {
    /// What keeps a server that is not reached.
    pub(crate) why: &'a dyn Fn(&ServiceKey, &Endpoint) -> Option<Obstacle>,
    /// An interface by its index.
    pub(crate) name: &'a dyn Fn(u32) -> Option<String>,
}

/// Changes of one plan that are told one by one; of a longer plan only the number is.
const MOST_TOLD: usize = 64;

/// What the maps hold, as far as is known: read at the start and at every full comparison, advanced by every change.
pub(crate) struct Reconciler {
    actual: State,
    events: Events,
}

impl Reconciler {
    /// Begins at what the maps hold.
    pub(crate) fn new(actual: State, events: Events) -> Self {
        Self { actual, events }
    }

    /// What the maps hold.
    pub(crate) fn actual(&self) -> &State {
        &self.actual
    }

    /// Compares with the maps themselves from now on: drift becomes part of the next plan. Maps that cannot be read
    /// now are believed to be as they were.
    pub(crate) fn refresh<P: Plane>(&mut self, plane: &P) {
        match plane.actual() {
            Ok(actual) => self.actual = actual,
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Brings the services of `scope` (all without it) to `desired`. Gives the number of changes.
    pub(crate) fn reconcile<P: Plane>(
        &mut self,
        plane: &mut P,
        desired: &State,
        scope: Option<&BTreeSet<ServiceKey>>,
        words: &Words<'_>,
    ) -> Result<usize, Error> {
        let plan = match scope {
            None => model::plan(desired, &self.actual),
            Some(keys) => model::plan(desired, &restrict(&self.actual, keys)),
        };
        let changes = plan.len();
        for change in plan {
            if let Err(error) = plane.apply(&change) {
                self.refresh(plane);
                return Err(error);
            }
            self.tell(&change, changes <= MOST_TOLD, words);
            self.actual.apply(&change);
        }
        if changes > MOST_TOLD {
            self.events.tell(Level::Info, EventKind::Changes { count: changes }, format!("{changes} changes"));
        }
        Ok(changes)
    }

    /// One event for a change that is carried out; a loss is told however many changes there are.
    fn tell(&self, change: &Change, one_by_one: bool, words: &Words<'_>) {
        let kind = self.kind(change);
        let is_loss = matches!(kind, EventKind::NeighbourLost { .. });
        if !is_loss && !one_by_one {
            return tracing::debug!(target: "xlvs::event", "{change}");
        }
        let obstacle = match change {
            Change::AddServer { service, server } | Change::EditServer { service, server }
                if server.reach == Reach::Unresolved =>
            {
                (words.why)(service, &server.server.endpoint)
            }
            _ => None,
        };
        let because = obstacle.map(|obstacle| format!(": {obstacle}")).unwrap_or_default();
        let level = if is_loss { Level::Warn } else { Level::Info };
        self.events.tell(level, kind, change.text(words.name) + &because);
    }

    fn kind(&self, change: &Change) -> EventKind {
        match change {
            Change::AddService { service, .. } => EventKind::ServiceAdded { service: *service },
            Change::EditService { service, owned, .. } => {
                EventKind::ServiceChanged { service: *service, owned: *owned }
            }
            Change::RemoveService { service } => EventKind::ServiceRemoved { service: *service },
            Change::AddServer { service, server } => {
                EventKind::ServerAdded { service: *service, server: server.server.endpoint }
            }
            Change::EditServer { service, server } => self.kind_of_edit(*service, server),
            Change::RemoveServer { service, server } => EventKind::ServerRemoved { service: *service, server: *server },
            Change::SetTimeouts(_) => EventKind::TimeoutsChanged,
            Change::SetSysctls(_) => EventKind::SysctlsChanged,
        }
    }

    fn kind_of_edit(&self, service: ServiceKey, after: &ServerState) -> EventKind {
        let server = after.server.endpoint;
        let before = self.actual.services.get(&service).map(|state| &state.servers);
        let before = before.into_iter().flatten().find(|state| state.server.endpoint == server);
        let reached = |state: &ServerState| !matches!(state.reach, Reach::Unresolved);
        match (before.is_some_and(reached), reached(after)) {
            (true, false) => EventKind::NeighbourLost { service, server },
            (false, true) => EventKind::NeighbourResolved { service, server },
            _ => EventKind::ServerChanged { service, server },
        }
    }
}

fn restrict(state: &State, keys: &BTreeSet<ServiceKey>) -> State {
    let services = keys.iter().filter_map(|key| state.services.get(key).map(|service| (*key, service.clone())));
    State { services: services.collect(), timeouts: state.timeouts, sysctls: state.sysctls.clone() }
}
