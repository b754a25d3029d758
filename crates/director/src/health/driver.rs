//! The threads that make checks and run scripts, so that none waits for the director nor the director for them, nor
//! servers that are asked for scripts that are slow to begin or to end.

use super::probe::{self, words};
use dataplane::Passages;
use model::health::{Probe, Script};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use protocols::health::{CheckId, Outcome, Task};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// How long a notification may run.
const NOTIFICATION: Duration = Duration::from_secs(60);

enum Work {
    Probe(CheckId, Arc<Task>, usize),
    Run(Script),
}

/// The threads, until dropped: what they have begun they end, what is left they leave.
pub(super) struct Driver {
    servers: mpsc::UnboundedSender<Work>,
    scripts: mpsc::UnboundedSender<Work>,
}

impl Driver {
    /// Starts the threads; results go to `results`.
    pub(super) fn start(
        results: mpsc::UnboundedSender<(CheckId, Outcome)>,
        passages: Option<Passages>,
    ) -> std::io::Result<Self> {
        let room = Arc::new(Semaphore::new(descriptors()));
        let scripts = thread("scripts", results.clone(), Arc::clone(&room), None)?;
        let servers = thread("health", results, room, passages.map(Arc::new))?;
        Ok(Self { servers, scripts })
    }

    pub(super) fn probe(&self, id: CheckId, task: &Arc<Task>, page: usize) {
        let thread = match task.check.probe {
            Probe::Script { .. } => &self.scripts,
            _ => &self.servers,
        };
        // It ends only when this is dropped.
        let _ = thread.send(Work::Probe(id, Arc::clone(task), page));
    }

    pub(super) fn run(&self, script: Script) {
        let _ = self.scripts.send(Work::Run(script));
    }
}

/// Starts one that does what is sent to it.
fn thread(
    name: &str,
    results: mpsc::UnboundedSender<(CheckId, Outcome)>,
    room: Arc<Semaphore>,
    passages: Option<Arc<Passages>>,
) -> std::io::Result<mpsc::UnboundedSender<Work>> {
    let (sender, work) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || runtime.block_on(drive(work, results, room, passages)))?;
    Ok(sender)
}

/// Descriptors of this process that checks may use, of as many as the system grants: a check that finds none left would
/// take a healthy server for a dead one.
fn descriptors() -> usize {
    const OTHERS: u64 = 256;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let granted = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    // A check has two at most: its socket, and a file that it reads.
    usize::try_from(granted.saturating_sub(OTHERS).max(64) / 2).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

async fn drive(
    mut work: mpsc::UnboundedReceiver<Work>,
    results: mpsc::UnboundedSender<(CheckId, Outcome)>,
    room: Arc<Semaphore>,
    passages: Option<Arc<Passages>>,
) {
    let mut notifications = tokio::task::JoinSet::new();
    while let Some(item) = work.recv().await {
        match item {
            Work::Probe(id, task, page) => {
                let (results, room, passages) = (results.clone(), Arc::clone(&room), passages.clone());
                tokio::spawn(async move {
                    // It is never closed; a check that waits for room begins its time afterwards.
                    let _place = room.acquire_owned().await;
                    let outcome = probe::make(&task, page, passages.as_deref()).await;
                    // Nobody waits for it any more.
                    let _ = results.send((id, outcome));
                });
            }
            Work::Run(script) => drop(notifications.spawn(async move { notify(script).await })),
        }
        while notifications.try_join_next().is_some() {}
    }
    // What was said at the end is still done.
    while notifications.join_next().await.is_some() {}
}

async fn notify(script: Script) {
    match probe::script::run(&script, NOTIFICATION).await {
        Ok(0) => {}
        Ok(code) => tracing::warn!("{}", words::line(&format!("{} ended with {code}", script.words.join(" ")))),
        Err(why) => tracing::warn!("{}", words::line(&format!("{}: {why}", script.words.join(" ")))),
    }
}
