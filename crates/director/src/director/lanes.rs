//! Lanes that follow what is seen: interfaces leave XDP where packets would be lost, and what is lost where the operator
//! chose XDP is said in the same words everywhere.

use super::Director;
use crate::interfaces::doubtful_way;
use crate::observe::Network;
use crate::observe::outlet::Outlet;
use crate::plane::Plane;
use api::LossyWay;
use dataplane::{Attachment, Error};
use model::{ForwardingMethod, Lane};
use std::collections::BTreeSet;
use std::time::Instant;

impl<P: Plane, N: Network> Director<P, N> {
    /// Interfaces in XDP, unless told to be there, move to tc for what their senders leave undone and for ways out that
    /// lose what XDP sends.
    pub(crate) fn settle_lanes(&mut self, now: Instant) {
        if let Err(error) = self.try_to_settle_lanes(now) {
            tracing::warn!(%error, "cannot move an interface to lane tc");
        }
    }

    fn try_to_settle_lanes(&mut self, now: Instant) -> Result<(), Error> {
        let staying = self.interfaces.avoid_unfinished_checksums(&mut self.plane, now)?;
        if staying.is_empty() {
            return Ok(());
        }
        let mut ways = self.observer.ways();
        ways.extend(staying.iter().map(|attachment| attachment.index));
        let is_doubtful = |it: &Attachment| doubtful_way(self.observer.links(), &ways, it.index).is_some();
        // What XDP can do on an interface is another thing since a program is there.
        if staying.iter().any(is_doubtful)
            && let Ok(()) = self.observer.look_at_links()
        {
            self.interfaces.avoid_lossy_ways(&mut self.plane, self.observer.links(), &ways, &staying)?;
        }
        Ok(())
    }

    /// Ways out that lose what XDP sends there: towards servers, and back to clients where replies come through this
    /// host, with their indices. What comes by the tc lane goes out as the stack's own does.
    pub(crate) fn lossy_ways(&self, attached: &[Attachment]) -> Vec<(u32, LossyWay)> {
        let by_xdp: Vec<&Attachment> = attached.iter().filter(|it| it.lane == Lane::Xdp).collect();
        let mut ways: BTreeSet<u32> = self.servers().into_iter().filter_map(|it| self.observer.way(it)).collect();
        let mut methods = self.store.services().values().flat_map(|service| &service.servers).map(|it| it.method);
        if methods.any(ForwardingMethod::replies_here) {
            ways.extend(attached.iter().map(|attachment| attachment.index));
        }
        ways.into_iter().filter_map(|way| Some((way, self.lossy_way(way, &by_xdp)?))).collect()
    }

    /// What an operator should know of an interface as a way out of what those in XDP receive.
    fn lossy_way(&self, way: u32, by_xdp: &[&Attachment]) -> Option<LossyWay> {
        let link = self.observer.links().get(&way).filter(|link| !link.loopback)?;
        let outlet = Outlet::of(link);
        let losing: Vec<_> = by_xdp.iter().filter(|it| outlet.is_doubtful(it.index != way)).collect();
        let (what, fix) = outlet.note(losing.iter().any(|it| it.index != way))?;
        let moves: BTreeSet<_> = losing.iter().map(|it| format!("xlvs attach {} --lane tc", it.name)).collect();
        let moves: Vec<_> = moves.into_iter().collect();
        (!moves.is_empty()).then(|| LossyWay {
            interface: link.name.clone(),
            what: what.to_owned(),
            fix: format!("{}; or {fix}", moves.join("; ")),
        })
    }
}
