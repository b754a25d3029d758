//! keepalived as referee: the same file and the same faults for keepalived with the kernel's IPVS and for xlvs, and what
//! each of them decided.
//!
//! A [`Play`] is a file of `crates/lab/keepalived`: configurations, and steps that do something to the servers. A
//! [`Stage`] plays it: the director in one namespace, the servers, which are ours alone, in another. What is seen after a
//! step — rows of `ipvsadm -Ln` that changed, scripts that ran with their arguments — is a
//! [`Transcript`](crate::differential::Transcript) whose lines have times. keepalived's are recorded beside the plays.

mod detection;
mod director;
mod endpoint;
mod judge;
mod play;
mod scene;
mod stage;
mod table;
mod tls;
mod web;

pub use detection::{Detection, Times, detect};
pub use director::Side;
pub use judge::{Decision, Verdict, judge};
pub use play::{Play, load};
pub use stage::Stage;

use crate::differential::{Transcript, recording};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where plays are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("keepalived")
}

/// Where recordings of keepalived are.
pub fn recordings() -> PathBuf {
    folder().join("recorded")
}

/// What was recorded of keepalived, by play.
pub fn recorded() -> Result<BTreeMap<String, Transcript>> {
    recording::recorded_in(&recordings())
}

/// Plays several at a time, and gives their transcripts in their order. What keepalived did helps to know how long to
/// wait.
pub fn perform(
    side: Side,
    plays: &[Play],
    expected: &BTreeMap<String, Transcript>,
    count: usize,
) -> Result<Vec<Result<Transcript>>> {
    let network = crate::network::Network::new()?;
    side.need()?;
    Ok(at_once(plays, count, |number, play| {
        let stage = Stage::new(&network, side, play, number);
        stage.and_then(|mut stage| stage.perform(play, expected.get(&play.name)))
    }))
}

/// Does something with each of `all`, so many of them at a time; results in their order.
fn at_once<T: Sync, R: Send>(all: &[T], count: usize, work: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = all.get(number) else { return };
                    let result = work(number, item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).insert(number, result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_stand_in_their_order() {
        let squares = super::at_once(&[5_u32, 4, 3, 2, 1], 3, |number, item| (number, item * item));
        assert_eq!(squares, [(0, 25), (1, 16), (2, 9), (3, 4), (4, 1)]);
    }
}
