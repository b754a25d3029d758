//! The client: carries a [`Request`] to the daemon and its [`Reply`] back, by HTTP/1.1 on a Unix socket.
//!
//! Every failure is one line that names the socket and, where there is one, the remedy.

mod download;

pub use download::Download;

use crate::{DEFAULT_SOCKET, Reply, Request, SOCKET_VARIABLE};
use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long the daemon may take to answer unless [`Client::with_patience`] says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

type Channel = SendRequest<Full<Bytes>>;

/// Talks to one daemon. Keeps its connection open between requests.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    patience: Duration,
    channel: Mutex<Option<Channel>>,
}

/// Why there is no answer. What the daemon refuses is not an error of the client, it is a [`Reply`].
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens.
    #[error("no daemon at {} (start it with `xlvs run`, or name its socket in ${SOCKET_VARIABLE})", socket.display())]
    NoDaemon {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket belongs to someone else.
    #[error("permission denied at {}: only its owner, usually root, may talk to the daemon", socket.display())]
    PermissionDenied {
        /// The socket.
        socket: PathBuf,
    },
    /// The daemon is there and silent.
    #[error("no answer from the daemon at {} within {} s", socket.display(), patience.as_secs_f32())]
    TimedOut {
        /// The socket.
        socket: PathBuf,
        /// How long it had.
        patience: Duration,
    },
    /// The connection could not be made, or broke.
    #[error("cannot talk to the daemon at {}: {detail}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What the system or the protocol says.
        detail: String,
    },
    /// Something answered, but not as the daemon does.
    #[error("bad answer from {}: {detail} (is a daemon of another version, or another program, listening there?)", socket.display())]
    BadAnswer {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with the answer.
        detail: String,
    },
}

impl Client {
    /// A client of the daemon at `socket`. Connects with the first request.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), patience: PATIENCE, channel: Mutex::new(None) }
    }

    /// A client of the daemon that `$XLVS_SOCKET` names, or of the one at the default place.
    pub fn connect_default() -> Self {
        match std::env::var_os(SOCKET_VARIABLE) {
            Some(socket) if !socket.is_empty() => Self::new(socket),
            _ => Self::new(DEFAULT_SOCKET),
        }
    }

    /// The same client with another limit for the time an answer may take.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where the daemon is expected.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sends `request` and waits for the answer. Several requests go over one connection.
    pub async fn send(&self, request: &Request) -> Result<Reply, ClientError> {
        let body = serde_json::to_vec(request).map_err(|error| self.broken(error))?;
        let answer = timeout(self.patience, self.exchange(body.into())).await;
        answer.map_err(|_| ClientError::TimedOut { socket: self.socket.clone(), patience: self.patience })?
    }

    async fn exchange(&self, body: Bytes) -> Result<Reply, ClientError> {
        let mut kept = self.channel.lock().await;
        let mut channel = match kept.take() {
            Some(channel) => match still_open(channel).await {
                Some(channel) => channel,
                None => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let response = channel.send_request(self.post(body)?).await.map_err(|error| self.broken(error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| self.broken(error))?.to_bytes();
        *kept = Some(channel);
        self.decode(status, &body)
    }

    async fn connect(&self) -> Result<Channel, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.refused(&error))?;
        let (channel, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        // The task ends with the channel or with the daemon; either end reports through the channel.
        tokio::spawn(connection);
        Ok(channel)
    }

    fn post(&self, body: Bytes) -> Result<hyper::Request<Full<Bytes>>, ClientError> {
        hyper::Request::post("/v1")
            .header(hyper::header::HOST, "localhost")
            .header(hyper::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.broken(error))
    }

    fn decode(&self, status: StatusCode, body: &[u8]) -> Result<Reply, ClientError> {
        serde_json::from_slice(body).map_err(|error| {
            let detail = if status.is_success() { error.to_string() } else { format!("HTTP status {status}") };
            ClientError::BadAnswer { socket: self.socket.clone(), detail }
        })
    }

    fn refused(&self, error: &io::Error) -> ClientError {
        let socket = self.socket.clone();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoDaemon { socket },
            io::ErrorKind::PermissionDenied => ClientError::PermissionDenied { socket },
            _ => ClientError::Broken { socket, detail: error.to_string() },
        }
    }

    /// Errors of hyper say little themselves; what they wrap says the rest.
    fn broken(&self, error: impl std::error::Error) -> ClientError {
        let detail = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        ClientError::Broken { socket: self.socket.clone(), detail }
    }
}

/// The channel, unless the daemon has closed it meanwhile.
async fn still_open(mut channel: Channel) -> Option<Channel> {
    channel.ready().await.is_ok().then_some(channel)
}

#[cfg(test)]
mod tests;
