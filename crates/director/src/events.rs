//! The one channel for everything that happens: each event is one line in the log and one in every stream.
//!
//! The channel keeps the last [`KEPT`] events for readers that are behind. A reader that is further behind has missed
//! some, is told how many, and is cut off; nobody waits for a reader.

use api::{Event, EventKind, Level};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Events that a reader may be behind.
const KEPT: usize = 16_384;

/// Where events are told, and where readers join. Clones are the same channel.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Arc<str>>,
    told: Arc<AtomicU64>,
}

impl Default for Events {
    fn default() -> Self {
        Self { sender: broadcast::channel(KEPT).0, told: Arc::default() }
    }
}

impl Events {
    /// Logs one event and gives it to every reader.
    pub(crate) fn tell(&self, level: Level, kind: EventKind, text: impl Display) {
        match level {
            Level::Info => tracing::info!(target: "xlvs::event", "{text}"),
            Level::Warn => tracing::warn!(target: "xlvs::event", "{text}"),
            Level::Error => tracing::error!(target: "xlvs::event", "{text}"),
        }
        let number = self.told.fetch_add(1, Ordering::Relaxed) + 1;
        if self.sender.receiver_count() > 0 {
            // The last reader may have left just now.
            let _ = self.sender.send(line(number, level, kind, text.to_string()));
        }
    }

    /// A reader of everything from now on.
    pub(crate) fn follow(&self) -> Follower {
        let receiver = self.sender.subscribe();
        let after = self.told.load(Ordering::Relaxed);
        let text = format!("listening after event {after}");
        let greeting = line(0, Level::Info, EventKind::Listening { after }, text);
        Follower { receiver, greeting: Some(greeting), cut_off: false }
    }

    /// How many readers there are.
    pub(crate) fn followers(&self) -> usize {
        self.sender.receiver_count()
    }
}

/// One reader.
#[derive(Debug)]
pub(crate) struct Follower {
    receiver: broadcast::Receiver<Arc<str>>,
    greeting: Option<Arc<str>>,
    cut_off: bool,
}

impl Follower {
    /// The next line, its end included; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Arc<str>> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        if self.cut_off {
            return None;
        }
        match self.receiver.recv().await {
            Ok(line) => Some(line),
            Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(missed)) => {
                self.cut_off = true;
                let text = format!("read too slowly: {missed} events missed; the stream ends here");
                Some(line(0, Level::Warn, EventKind::Missed { missed }, text))
            }
        }
    }
}

/// One event as a line of JSON.
fn line(number: u64, level: Level, kind: EventKind, text: String) -> Arc<str> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let event = Event { number, time: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), level, text, kind };
    // Its parts are strings and numbers, which all have a JSON.
    let mut json = serde_json::to_string(&event).unwrap_or_default();
    json.push('\n');
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn event(line: Option<Arc<str>>) -> Event {
        let line = line.unwrap();
        assert!(line.ends_with("}\n"));
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn every_reader_gets_everything_from_its_beginning_on() {
        let events = Events::default();
        events.tell(Level::Info, EventKind::TimeoutsChanged, "before");
        let mut first = events.follow();
        events.tell(Level::Warn, EventKind::Trouble, "in between");
        let mut second = events.follow();
        events.tell(Level::Info, EventKind::Changes { count: 3 }, "last");
        assert_eq!(events.followers(), 2);
        run(async {
            assert_eq!(event(first.next().await).kind, EventKind::Listening { after: 1 });
            let trouble = event(first.next().await);
            assert_eq!((trouble.number, trouble.level, trouble.text.as_str()), (2, Level::Warn, "in between"));
            assert_eq!(event(second.next().await).kind, EventKind::Listening { after: 2 });
            for reader in [&mut first, &mut second] {
                let last = event(reader.next().await);
                assert_eq!((last.number, last.kind), (3, EventKind::Changes { count: 3 }));
            }
            drop(events);
            assert_eq!(first.next().await, None);
        });
    }

    #[test]
    fn a_reader_that_is_too_far_behind_is_told_and_cut_off() {
        let events = Events::default();
        let mut slow = events.follow();
        for _ in 0..KEPT + 7 {
            events.tell(Level::Info, EventKind::TimeoutsChanged, "again");
        }
        run(async {
            slow.next().await.unwrap();
            let last = event(slow.next().await);
            assert_eq!(last.kind, EventKind::Missed { missed: 7 });
            assert!(last.text.contains("7 events missed"), "{}", last.text);
            assert_eq!(slow.next().await, None);
        });
    }
}
