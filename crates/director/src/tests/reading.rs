//! The configuration file, read again while the daemon runs: slowly, with a fault, and too often.

use super::applying::config;
use super::changes::network;
use super::fakes::FakePlane;
use super::requests::{ask, with_file};
use crate::reader::{PATIENCE, Read, Reader, Reload};
use api::{Request, Response, Status};
use nix::sys::signal::{Signal, raise};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for anything to happen.
const LONG: Duration = Duration::from_secs(20);

/// How often reading began, and how often it ended.
#[derive(Default)]
struct Times {
    began: AtomicUsize,
    ended: AtomicUsize,
}

impl Times {
    fn now(&self) -> (usize, usize) {
        (self.began.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst))
    }
}

/// A file that comes when the test sends it.
fn slow_file() -> (Sender<Read>, Arc<Times>, Reload) {
    let (sender, receiver) = channel();
    let (receiver, times) = (Mutex::new(receiver), Arc::new(Times::default()));
    let counted = Arc::clone(&times);
    let reload = move || {
        counted.began.fetch_add(1, Ordering::SeqCst);
        let read = receiver.lock().unwrap().recv_timeout(LONG).unwrap_or(Ok(None));
        counted.ended.fetch_add(1, Ordering::SeqCst);
        read
    };
    (sender, times, Arc::new(reload))
}

async fn status(socket: &Path) -> Status {
    match ask(socket, &Request::Status).await {
        Ok(Response::Status(status)) => status,
        other => panic!("{other:?}"),
    }
}

/// Waits until the status is as it shall be.
async fn wait_for(socket: &Path, what: &str, mut condition: impl FnMut(&Status) -> bool) {
    let begin = Instant::now();
    loop {
        let status = status(socket).await;
        if condition(&status) {
            return;
        }
        assert!(begin.elapsed() < LONG, "waited in vain for {what}: {:?}", status.notes);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_file_that_does_not_come_keeps_nobody_waiting() {
    let (file, times, reload) = slow_file();
    with_file("slow", &FakePlane::default(), &network(), reload, |socket| async move {
        raise(Signal::SIGHUP).unwrap();
        wait_for(&socket, "the reading", |_| times.now() == (1, 0)).await;
        // Two more are one, and wait for their turn.
        for _ in 0..2 {
            raise(Signal::SIGHUP).unwrap();
            assert_eq!(status(&socket).await.services, 0);
        }
        assert_eq!(times.now(), (1, 0), "somebody waited for the file");
        file.send(Ok(Some(config(&[("10.0.0.1:80", 1)])))).unwrap();
        wait_for(&socket, "the first reading's end", |status| status.servers == 1 && times.now() == (2, 1)).await;
        file.send(Ok(Some(config(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 1)])))).unwrap();
        wait_for(&socket, "the second reading's end", |status| status.servers == 2).await;
        assert_eq!(times.now(), (2, 2));
    });
}

#[test]
fn a_fault_of_the_reader_ends_nothing() {
    let reload: Reload = Arc::new(|| panic!("on purpose"));
    with_file("fault", &FakePlane::default(), &network(), reload, |socket| async move {
        raise(Signal::SIGHUP).unwrap();
        wait_for(&socket, "the note", |status| status.notes.iter().any(|it| it.contains("ended in a fault of xlvs")))
            .await;
    });
}

#[test]
fn what_is_applied_while_the_file_is_being_read_stays() {
    let (file, times, reload) = slow_file();
    with_file("overtaken", &FakePlane::default(), &network(), reload, |socket| async move {
        raise(Signal::SIGHUP).unwrap();
        wait_for(&socket, "the reading", |_| times.now() == (1, 0)).await;
        let newer = Box::new(config(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 1)]));
        ask(&socket, &Request::Apply { config: newer, confirm_within: None, generation: None }).await.unwrap();
        file.send(Ok(Some(config(&[])))).unwrap();
        // The next one follows when the first is done with.
        raise(Signal::SIGHUP).unwrap();
        wait_for(&socket, "the second reading", |_| times.now() == (2, 1)).await;
        let status = status(&socket).await;
        assert_eq!((status.servers, status.generation), (2, 1));
        file.send(Ok(None)).unwrap();
    });
}

#[test]
fn a_hang_up_before_the_daemon_is_ready_is_remembered() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let hang_ups = crate::HangUps::listen().unwrap();
        raise(Signal::SIGHUP).unwrap();
        // The programs are loaded meanwhile.
        std::thread::sleep(Duration::from_millis(50));
        let mut signals = crate::signals::Signals::listen(hang_ups).unwrap();
        let told = tokio::time::timeout(LONG, signals.next()).await.unwrap();
        assert!(matches!(told, crate::signals::Told::Reload));
    });
}

#[test]
fn a_reading_that_does_not_end_is_told_and_given_up_for_the_next() {
    let (file, times, reload) = slow_file();
    let mut reader = Reader::new(reload);
    let began = |count: usize| {
        let begin = Instant::now();
        while times.now().0 != count {
            assert!(begin.elapsed() < LONG, "waited in vain for reading {count}: {:?}", times.now());
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let mut now = Instant::now();
    for count in 1..=4 {
        reader.begin(now);
        began(count);
        assert!(!reader.has_become_slow(now) && reader.next() == Some(now + PATIENCE));
        now += PATIENCE;
        assert!(reader.has_become_slow(now), "not told");
        assert!(!reader.has_become_slow(now) && reader.next().is_none(), "told twice");
    }
    // There are enough that wait; the last one is still heard.
    reader.begin(now);
    for _ in 0..4 {
        file.send(Err("at last".to_owned())).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let read = runtime.block_on(async { tokio::time::timeout(LONG, reader.read()).await });
    assert_eq!(read.unwrap().map(drop), Err("at last".to_owned()));
    assert!(reader.is_wanted_again() && times.now().0 == 4);
}
