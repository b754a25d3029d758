//! The configuration file, read again on a thread of its own: a file that is slow to come keeps nobody waiting, and a
//! fault in what reads it ends nothing.

use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A reading that takes longer is told of, and given up for another one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Most readings at a time, with those that were given up: a thread that waits for a file cannot be ended.
const MOST: usize = 4;
/// As much as the first thread of a process has, which reads the file at the start.
const STACK: usize = 8 << 20;

/// What a file says, nothing where there is none, or what is wrong with it.
pub(crate) type Read = Result<Option<model::Config>, String>;

/// Reads the file.
pub(crate) type Reload = Arc<dyn Fn() -> Read + Send + Sync>;

/// Reads when it is told to.
pub(crate) struct Reader {
    reload: Reload,
    present: Option<Reading>,
    /// It was told to while it read: the file may have become another behind it.
    again: bool,
    /// Held by every thread that reads.
    threads: Arc<()>,
}

/// A reading that goes on.
struct Reading {
    read: oneshot::Receiver<Read>,
    slow_from: Instant,
    is_told: bool,
    /// Another configuration was applied meanwhile.
    is_overtaken: bool,
}

impl Reader {
    /// Nothing is read yet.
    pub(crate) fn new(reload: Reload) -> Self {
        Self { reload, present: None, again: false, threads: Arc::default() }
    }

    /// Begins to read: now, or when the present reading has ended. One that takes too long is given up.
    pub(crate) fn begin(&mut self, now: Instant) {
        let waits = self.present.as_ref().is_some_and(|reading| now < reading.slow_from);
        if waits || Arc::strong_count(&self.threads) > MOST {
            self.again = true;
            return;
        }
        self.again = false;
        let (sender, read) = oneshot::channel();
        let (reload, held) = (Arc::clone(&self.reload), Arc::clone(&self.threads));
        let work = move || {
            let read = reload();
            drop(held);
            // Whoever waited may have given up.
            let _ = sender.send(read);
        };
        if let Err(error) = Builder::new().name("xlvs-file".to_owned()).stack_size(STACK).spawn(work) {
            tracing::error!(%error, "no thread can be started to read the configuration file");
        }
        self.present = Some(Reading { read, slow_from: now + PATIENCE, is_told: false, is_overtaken: false });
    }

    /// What was read, as soon as it is.
    pub(crate) async fn read(&mut self) -> Read {
        let Some(reading) = &mut self.present else { return std::future::pending().await };
        let fault = "reading it ended in a fault of xlvs, which the log names; please report it".to_owned();
        let read = (&mut reading.read).await.unwrap_or(Err(fault));
        let is_overtaken = reading.is_overtaken;
        self.present = None;
        if is_overtaken {
            tracing::warn!("`xlvs apply` came while the configuration file was being read: what was applied stays");
            return Ok(None);
        }
        read
    }

    /// Whether it was told to read once more, while it did.
    pub(crate) fn is_wanted_again(&self) -> bool {
        self.again && self.present.is_none()
    }

    /// Another configuration was applied: what is being read is older.
    pub(crate) fn overtake(&mut self) {
        self.present.iter_mut().for_each(|reading| reading.is_overtaken = true);
    }

    /// When the present reading is told to be slow.
    pub(crate) fn next(&self) -> Option<Instant> {
        let untold = self.present.as_ref().filter(|reading| !reading.is_told && !reading.is_overtaken);
        untold.map(|reading| reading.slow_from)
    }

    /// Whether the present reading is slow, the first time.
    pub(crate) fn has_become_slow(&mut self, now: Instant) -> bool {
        let is_due = self.next().is_some_and(|from| now >= from);
        self.present.iter_mut().filter(|_| is_due).for_each(|reading| reading.is_told = true);
        is_due
    }
}
