//! The servers that are checked: one listener for all addresses of lo, which remembers who was asked when.

use super::Kind;
use ::lab::net::Namespace;
use anyhow::{Context, Result};
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{Backlog, listen, setsockopt};
use nix::sys::time::TimeVal;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Threads that accept: one whose client is slow does not hold up the others.
const THREADS: usize = 4;
/// Connections that may wait for them.
const WAITING: i32 = 4096;
/// Longest wait for a request.
const PATIENCE: Duration = Duration::from_secs(2);

/// Number `number`, from 0, of the servers.
pub(super) fn address(number: u32) -> Ipv4Addr {
    // 127.0.0.1 is the host's own.
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number)
}

/// The servers, until dropped.
pub(crate) struct Asked {
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

struct State {
    kind: Kind,
    stop: AtomicBool,
    attempts: Mutex<Attempts>,
}

/// When servers were asked.
#[derive(Default)]
pub(super) struct Attempts(BTreeMap<SocketAddr, Vec<Instant>>);

impl Asked {
    pub(crate) fn listen(host: &Namespace, kind: Kind) -> Result<Self> {
        // The kernel grants no longer queue than this.
        host.sysctl("core/somaxconn", &WAITING.to_string())?;
        let listener = host.run(|| {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, ::lab::node::WEB))?;
            listen(&listener, Backlog::new(WAITING)?)?;
            Ok(listener)
        });
        let listener = listener.context("servers")?;
        // So that the threads look at `stop` now and then.
        setsockopt(&listener, ReceiveTimeout, &TimeVal::new(0, 100_000))?;
        let state = Arc::new(State { kind, stop: AtomicBool::new(false), attempts: Mutex::default() });
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            let (listener, state) = (listener.try_clone()?, Arc::clone(&state));
            threads.push(thread::spawn(move || state.accept(&listener)));
        }
        Ok(Self { state, threads })
    }

    /// How many servers were asked so far.
    pub(super) fn servers(&self) -> usize {
        self.state.attempts.lock().unwrap_or_else(PoisonError::into_inner).servers()
    }

    /// Forgets what was; says when that was.
    pub(super) fn begin(&self) -> Instant {
        self.take();
        Instant::now()
    }

    /// What was since the beginning.
    pub(super) fn end(&self) -> Attempts {
        self.take()
    }

    fn take(&self) -> Attempts {
        std::mem::take(&mut *self.state.attempts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl State {
    fn accept(&self, listener: &TcpListener) {
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((stream, _)) = listener.accept() else { continue };
            let now = Instant::now();
            if let Ok(server) = stream.local_addr() {
                let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
                attempts.0.entry(server).or_default().push(now);
            }
            if self.kind == Kind::Http {
                // A client that goes away is seen by what it does next.
                let _ = answer(stream);
            }
        }
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") && request.len() < 8192 {
        let size = stream.read(&mut buffer)?;
        if size == 0 {
            return Ok(());
        }
        request.extend_from_slice(buffer.get(..size).unwrap_or_default());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwell\n")
}

impl Attempts {
    pub(super) fn servers(&self) -> usize {
        self.0.len()
    }

    pub(super) fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// How much later than `interval` after the one before each came, in milliseconds.
    pub(super) fn lateness(&self, interval: Duration) -> Vec<f64> {
        let pairs = self.0.values().flat_map(|times| times.iter().zip(times.iter().skip(1)));
        let late = pairs.map(|(before, after)| after.duration_since(*before).as_secs_f64() - interval.as_secs_f64());
        late.map(|seconds| seconds * 1000.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_what_is_above_the_interval() {
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let servers = [address(0), address(256)].map(|address| SocketAddr::from((address, 80)));
        let attempts = Attempts([(servers[0], vec![at(0), at(1003), at(2000)]), (servers[1], vec![at(7)])].into());
        let late: Vec<i64> = attempts.lateness(Duration::from_secs(1)).iter().map(|late| late.round() as i64).collect();
        assert_eq!(late, [3, -3]);
        assert_eq!((attempts.servers(), attempts.count()), (2, 4));
        assert_eq!(address(256), Ipv4Addr::new(127, 1, 1, 1));
    }
}
