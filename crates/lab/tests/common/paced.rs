//! Clients that ask at a steady pace, whatever becomes of the answers.

use lab::node::{Client, Reuse, Tally};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Clients at once: one that waits for an answer does not hold up the others.
const CLIENTS: u32 = 4;
/// Longest time that they go on, whoever forgets them.
const LONGEST: Duration = Duration::from_secs(120);

/// The clients, until dropped.
pub(crate) struct Paced {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Asked>>,
    begin: Instant,
}

/// What they came to.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) requests: u64,
    /// When each request that failed began and ended.
    pub(crate) failures: Vec<(Instant, Instant)>,
    pub(crate) errors: Vec<String>,
    pub(crate) lasted: Duration,
}

impl Paced {
    /// Begins to ask, each request on a connection of its own.
    pub(crate) fn begin(client: &Client, service: SocketAddr, requests_a_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let pause = Duration::from_secs(1) * CLIENTS / requests_a_second;
        let clients = (0..CLIENTS).map(|_| {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            thread::spawn(move || ask(&client, service, pause, &stop))
        });
        Self { clients: clients.collect(), stop, begin: Instant::now() }
    }

    /// Ends it.
    pub(crate) fn end(mut self) -> Asked {
        self.stop.store(true, Ordering::Relaxed);
        let lasted = self.begin.elapsed();
        let all = self.clients.drain(..).map(|client| client.join().unwrap());
        all.fold(Asked { lasted, ..Asked::default() }, |mut sum, one| {
            sum.requests += one.requests;
            sum.failures.extend(one.failures);
            sum.errors.extend(one.errors);
            sum
        })
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn ask(client: &Client, service: SocketAddr, pause: Duration, stop: &AtomicBool) -> Asked {
    let begin = Instant::now();
    let (mut asked, mut due) = (begin, begin);
    let mut failures = Vec::new();
    let progress = |tally: &Tally| {
        let now = Instant::now();
        if tally.requests - tally.ok > failures.len() as u64 {
            failures.push((asked, now));
        }
        due += pause;
        thread::sleep(due.saturating_duration_since(now));
        asked = Instant::now();
        !stop.load(Ordering::Relaxed) && begin.elapsed() < LONGEST
    };
    let tally = client.requests(service, u64::MAX, Reuse::Close, progress).unwrap();
    Asked { requests: tally.requests, failures, errors: tally.errors, lasted: begin.elapsed() }
}
