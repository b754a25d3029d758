//! What clients' connections tell of watched servers.
#![expect(unsafe_code, reason = "takes marks out of memory that the programs write to")]

use crate::Dataplane;
use forward::{Cell64, abi};
use model::{Endpoint, ServiceKey};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts that only grow (and wrap), and the marks of clients that have failed since they were asked for last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Signals {
    /// Connections of known clients whose beginning is decided.
    pub begun: u32,
    /// Those of them that the server left unanswered.
    pub unanswered: u32,
    /// Those of them that it reset at their beginning.
    pub reset: u32,
    /// A bit for each client that failed; several may share one.
    pub failed: u64,
    /// The same for those that were served.
    pub served: u64,
}

impl Dataplane {
    /// Signals of a configured server.
    pub fn signals(&self, service: &ServiceKey, server: &Endpoint) -> Option<Signals> {
        let cells = self.server(service, server)?.ids().filter_map(|id| self.maps.signals.get(id));
        Some(cells.map(take).fold(Signals::default(), |sum, one| Signals {
            begun: sum.begun.wrapping_add(one.begun),
            unanswered: sum.unanswered.wrapping_add(one.unanswered),
            reset: sum.reset.wrapping_add(one.reset),
            failed: sum.failed | one.failed,
            served: sum.served | one.served,
        }))
    }
}

/// Reads the counts and takes the marks. A failure is counted before its client is marked: a mark that comes a moment too late
/// is in the next look's.
fn take(cell: &abi::Signals) -> Signals {
    let (begun, unanswered, reset) = (cell.begun.get(), cell.unanswered.get(), cell.reset.get());
    // SAFETY: the cells are live and aligned; all other accesses to them are of single words.
    let marks = |cell: &Cell64| unsafe { AtomicU64::from_ptr(cell.pointer()) }.swap(0, Ordering::Relaxed);
    Signals { begun, unanswered, reset, failed: marks(&cell.failed), served: marks(&cell.served) }
}

/// For the next server with this id.
pub(crate) fn clear(cell: &abi::Signals) {
    [&cell.begun, &cell.unanswered, &cell.reset].into_iter().for_each(|count| count.set(0));
    [&cell.failed, &cell.served].into_iter().for_each(|marks| marks.set(0));
}
