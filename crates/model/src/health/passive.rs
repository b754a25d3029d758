//! What the traffic of clients itself tells of servers.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When connections of clients that fail make a burst, and what follows from one. Connections count as `forward::signal`
/// counts them: of clients that have shown that they exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Passive {
    /// So many failed connections, unanswered or reset at their beginning.
    pub failures: u32,
    /// In this time.
    pub within: Duration,
    /// Of at least so many clients: one alone may have reasons of its own.
    pub clients: u32,
    /// And at least so many of a hundred, of the connections and of the clients: a busy server always has some that fail, and
    /// one that serves others has not failed.
    pub share: u32,
    /// A server is out for so long at least, and until its checks succeed. Without it, a burst makes its checks come at
    /// once, and that is all.
    pub out_for: Option<Duration>,
}

impl Passive {
    /// Most clients that can be told apart well.
    pub const MOST_CLIENTS: u32 = 32;

    /// True for a burst.
    pub fn is_burst(&self, told: &Told) -> bool {
        let share = |of: u32, all: u32| u64::from(of) * 100 >= u64::from(all) * u64::from(self.share);
        told.failed >= self.failures
            && told.failed_clients >= self.clients
            && share(told.failed, told.begun)
            && share(told.failed_clients, told.clients)
    }
}

/// What connections to a server came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// All of them.
    pub begun: u32,
    /// Those that failed.
    pub failed: u32,
    /// Clients of these.
    pub failed_clients: u32,
    /// Clients of all of them.
    pub clients: u32,
}

impl Default for Passive {
    fn default() -> Self {
        Self { failures: 5, within: Duration::from_secs(10), clients: 3, share: 50, out_for: None }
    }
}
