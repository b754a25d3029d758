//! What a change has brought that does not act yet: one line on stderr for each kind, after it was done.

use crate::output;
use api::Request;
use model::Dormant;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// What has been told already: `-R` may bring a thousand of a kind.
#[derive(Default)]
pub(crate) struct Notices {
    told: RefCell<BTreeSet<Dormant>>,
}

impl Notices {
    /// Tells what of `request`, which is done, has no effect yet.
    pub(crate) fn tell(&self, request: &Request) {
        for dormant in dormant(request) {
            if self.told.borrow_mut().insert(dormant) {
                output::talk(&format!("ipvsadm: {dormant}"));
            }
        }
    }
}

fn dormant(request: &Request) -> Vec<Dormant> {
    match request {
        Request::AddService { key, options } | Request::EditService { key, options } => {
            key.dormant().into_iter().chain(options.dormant()).collect()
        }
        Request::AddServer { server, .. } | Request::EditServer { server, .. } => server.dormant(),
        Request::StartSync { .. } => vec![Dormant::Synchronization],
        Request::Batch { requests } => requests.iter().flat_map(dormant).collect(),
        _ => Vec::new(),
    }
}
