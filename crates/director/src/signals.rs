//! Signals, listened to before there is anything that they could harm: what comes early is remembered.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGHUPs from now on: one that comes before the daemon is ready does not end it, and is followed when it is.
#[derive(Debug)]
pub struct HangUps(Signal);

impl HangUps {
    /// Begins to listen. Needs a tokio runtime with I/O.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }
}

/// Every signal that the daemon follows.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_ups: HangUps,
}

impl Signals {
    /// Listens to those that end the daemon, too: from now on it leaves nothing behind.
    pub(crate) fn listen(hang_ups: HangUps) -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, hang_ups })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hang_ups.0.recv() => Told::Reload,
        }
    }
}

/// What a signal tells the daemon.
pub(crate) enum Told {
    /// To end.
    End,
    /// To read the configuration file again.
    Reload,
}
