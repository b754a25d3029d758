//! How much a server may say: one that never ends would keep the thread that listens to it from everything else.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that may come before something in them is an answer: a handshake with its certificates, and a head.
pub(super) const FIRST: usize = 128 << 10;

/// What is left of it.
#[derive(Clone, Debug)]
pub(super) struct Ration(Arc<AtomicUsize>);

impl Ration {
    /// An answer has begun, which may be this long.
    pub(super) fn grant(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn use_up(&self, bytes: usize) {
        self.0.store(self.0.load(Ordering::Relaxed).saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// A connection to a server that says no more than it may, or a little: what comes at once is taken at once.
pub(super) struct Rationed {
    stream: TcpStream,
    ration: Ration,
    /// Who reads was asked to look at what has come.
    has_yielded: bool,
}

impl Rationed {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, ration: Ration(Arc::new(AtomicUsize::new(FIRST))), has_yielded: false }
    }

    pub(super) fn ration(&self) -> Ration {
        self.ration.clone()
    }

    pub(super) fn peer_address(&self) -> io::Result<std::net::SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Rationed {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ration.is_used_up() {
            if self.has_yielded {
                return Poll::Ready(Err(io::Error::other(TooMuch)));
            }
            // The head may be among what has come, and grant more.
            self.has_yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.has_yielded = false;
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.ration.use_up(into.filled().len().saturating_sub(before));
        read
    }
}

impl AsyncWrite for Rationed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[derive(Debug)]
struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the server says more and more, and nothing of it is an answer")
    }
}

impl Error for TooMuch {}

/// An error in its own words, unless it is that a server said too much, which those above the connection do not know.
pub(super) fn explain(error: &(dyn Error + 'static)) -> String {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let is_too_much = |error: &(dyn Error + 'static)| {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.is_some_and(|inner| inner.is::<TooMuch>())
    };
    if causes.any(is_too_much) { TooMuch.to_string() } else { error.to_string() }
}
