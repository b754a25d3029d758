//! The one path to the maps: desired state → plan → apply, one change after the other.

use crate::plane::Plane;
use dataplane::Error;
use model::{Change, Reach, ServerState, ServiceKey, State};
use std::collections::BTreeSet;

/// Changes of one plan that are told one by one; of a longer plan only the number is.
const MOST_TOLD: usize = 64;

/// What the maps hold, as far as is known: read at the start and at every full comparison, advanced by every change.
pub(crate) struct Reconciler {
    actual: State,
}

impl Reconciler {
    /// Begins at what the maps hold.
    pub(crate) fn new(actual: State) -> Self {
        Self { actual }
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
            if self.loses(&change) {
                tracing::warn!(target: "xlvs::event", "{change}");
            } else if changes <= MOST_TOLD {
                tracing::info!(target: "xlvs::event", "{change}");
            } else {
                tracing::debug!(target: "xlvs::event", "{change}");
            }
            self.actual.apply(&change);
        }
        if changes > MOST_TOLD {
            tracing::info!(target: "xlvs::event", "{changes} changes");
        }
        Ok(changes)
    }

    /// The change takes a server that was reached out of the rotation.
    fn loses(&self, change: &Change) -> bool {
        let Change::EditServer { service, server } = change else { return false };
        let before = self.actual.services.get(service).map(|state| &state.servers);
        let mut before = before.into_iter().flatten();
        let reached = |old: &ServerState| {
            old.server.endpoint == server.server.endpoint && !matches!(old.reach, Reach::Unresolved)
        };
        matches!(server.reach, Reach::Unresolved) && before.any(reached)
    }
}

fn restrict(state: &State, keys: &BTreeSet<ServiceKey>) -> State {
    let services = keys.iter().filter_map(|key| state.services.get(key).map(|service| (*key, service.clone())));
    State { services: services.collect(), timeouts: state.timeouts, sysctls: state.sysctls.clone() }
}
