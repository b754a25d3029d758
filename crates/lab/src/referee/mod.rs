//! keepalived as referee: the same file and the same faults for keepalived with the kernel's IPVS and for xlvs, and what
//! each of them decided.
//!
//! A [`Play`] is a file of `crates/lab/keepalived`: configurations, and steps that do something to the servers. A
//! [`Stage`] plays it: the director in one namespace, the servers, which are ours alone, in another. What is seen after a
//! step — rows of `ipvsadm -Ln` that changed, scripts that ran with their arguments — is a
//! [`Transcript`](crate::differential::Transcript) whose lines have times. keepalived's are recorded beside the plays.

mod director;
mod endpoint;
mod judge;
mod play;
mod stage;
mod table;

pub use director::Side;
pub use judge::{Verdict, judge};
pub use play::{Play, load};
pub use stage::Stage;

use crate::differential::{Transcript, recording};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    at_once: usize,
) -> Result<Vec<Result<Transcript>>> {
    let network = crate::network::Network::new()?;
    if side == Side::Keepalived {
        director::need_ipvs()?;
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let results: Vec<std::sync::Mutex<Option<Result<Transcript>>>> = plays.iter().map(|_| None.into()).collect();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let (Some(play), Some(result)) = (plays.get(number), results.get(number)) else { return };
                    let stage = Stage::new(&network, side, play, number);
                    let transcript = stage.and_then(|mut stage| stage.perform(play, expected.get(&play.name)));
                    *result.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(transcript);
                }
            });
        }
    });
    let taken =
        results.into_iter().map(|result| result.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
    Ok(taken.map(|result| result.unwrap_or_else(|| anyhow::bail!("not performed"))).collect())
}
