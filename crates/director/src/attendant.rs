//! A thread for fragments that came before their first: they have no time for whatever else the daemon does.

use dataplane::WaitingRoom;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Time between two complaints.
const COMPLAIN: Duration = Duration::from_secs(10);
/// Rest after a failure.
const REST: Duration = Duration::from_millis(20);

/// The thread, until dropped.
pub(crate) struct Attendant {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Attendant {
    /// Begins to attend to a room.
    pub(crate) fn start(room: WaitingRoom) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = Builder::new().name("xlvs-fragments".to_owned()).spawn(move || attend(room, &told))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn attend(mut room: WaitingRoom, stop: &AtomicBool) {
    let mut complained: Option<Instant> = None;
    while !stop.load(Ordering::Relaxed) {
        let Err(error) = room.attend() else { continue };
        if complained.is_none_or(|last| last.elapsed() > COMPLAIN) {
            tracing::warn!(%error, "fragments that came before their first");
            complained = Some(Instant::now());
        }
        sleep(REST);
    }
}
