//! The thread that makes checks and runs scripts, so that neither waits for the director nor the director for them.

use super::probe;
use model::health::Script;
use protocols::health::{CheckId, Outcome, Task};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a notification may run.
const NOTIFICATION: Duration = Duration::from_secs(60);

enum Work {
    Probe(CheckId, Arc<Task>, usize),
    Run(Script),
}

/// The thread, until dropped: what it has begun it ends, what is left it leaves.
pub(super) struct Driver(mpsc::UnboundedSender<Work>);

impl Driver {
    /// Starts the thread; results go to `results`.
    pub(super) fn start(results: mpsc::UnboundedSender<(CheckId, Outcome)>) -> std::io::Result<Self> {
        let (sender, work) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("health".to_owned());
        thread.spawn(move || runtime.block_on(drive(work, results)))?;
        Ok(Self(sender))
    }

    pub(super) fn probe(&self, id: CheckId, task: &Arc<Task>, page: usize) {
        // The thread ends only when this is dropped.
        let _ = self.0.send(Work::Probe(id, Arc::clone(task), page));
    }

    pub(super) fn run(&self, script: Script) {
        let _ = self.0.send(Work::Run(script));
    }
}

async fn drive(mut work: mpsc::UnboundedReceiver<Work>, results: mpsc::UnboundedSender<(CheckId, Outcome)>) {
    let mut notifications = tokio::task::JoinSet::new();
    while let Some(item) = work.recv().await {
        match item {
            Work::Probe(id, task, page) => {
                let results = results.clone();
                tokio::spawn(async move {
                    let outcome = probe::make(&task, page).await;
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
        Ok(code) => tracing::warn!("{} ended with {code}", script.words.join(" ")),
        Err(why) => tracing::warn!("{}: {why}", script.words.join(" ")),
    }
}
