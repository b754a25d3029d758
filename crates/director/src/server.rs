//! HTTP over the Unix socket: `POST /v1` with a request, answered by a reply, both JSON; `GET /v1/events`, a stream;
//! `POST /v1/capture`, a file that grows; `GET /metrics`, which a TCP listener may offer, too.

use crate::capture::Ticket;
use crate::events::{Events, Follower};
use crate::metrics;
use crate::store::refuse;
use api::{CaptureRequest, Refusal, RefusalKind, Reply, Request, Response};
use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use dataplane::CaptureLoader;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::os::unix::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};

/// Largest request: a batch of several hundred thousand lines.
const BODY_LIMIT: usize = 64 << 20;
/// Requests that wait while one is carried out.
const QUEUE: usize = 64;
/// Most readers of events at a time.
const MOST_FOLLOWERS: usize = 64;

/// What the daemon is asked, and where its answer goes.
pub(crate) enum Call {
    /// One request.
    Request { request: Request, reply: oneshot::Sender<Reply> },
    /// What it takes to capture.
    PrepareCapture { request: CaptureRequest, reply: oneshot::Sender<Result<(Ticket, CaptureLoader), Refusal>> },
    /// A capture that was loaded.
    BeginCapture {
        ticket: Ticket,
        capture: Box<dataplane::Capture>,
        reply: oneshot::Sender<Result<mpsc::Receiver<Bytes>, Refusal>>,
    },
}

/// A place to send calls to, and where they come out.
pub(crate) fn calls() -> (mpsc::Sender<Call>, mpsc::Receiver<Call>) {
    mpsc::channel(QUEUE)
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) calls: mpsc::Sender<Call>,
    pub(crate) events: Events,
    /// Becomes true, or loses its sender, when the daemon ends.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Server {
    /// Serves everything until the daemon ends, and until every answer is sent.
    pub(crate) async fn serve(self, listener: UnixListener) -> std::io::Result<()> {
        let listener = tokio::net::UnixListener::from_std(listener)?;
        let stopped = stopped(self.stop.clone());
        let router = Router::new()
            .route("/v1", post(handle))
            .route("/v1/events", get(follow))
            .route("/v1/capture", post(capture))
            .route("/metrics", get(measure))
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(self);
        axum::serve(listener, router).with_graceful_shutdown(stopped).await
    }

    /// Serves the metrics alone, to whoever reaches the listener.
    pub(crate) async fn serve_metrics(self, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        let stopped = stopped(self.stop.clone());
        let router = Router::new().route("/metrics", get(measure)).with_state(self);
        axum::serve(listener, router).with_graceful_shutdown(stopped).await
    }

    async fn ask(&self, request: Request) -> Reply {
        self.call(|reply| Call::Request { request, reply }).await
    }

    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Call) -> Result<T, Refusal> {
        let stopping = || refuse(RefusalKind::Conflict, "the daemon is stopping");
        let (reply, answer) = oneshot::channel();
        self.calls.send(call(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// The pieces of a capture's file. Programs are loaded beside the daemon's loop, which goes on meanwhile.
    async fn capture(&self, request: CaptureRequest) -> Result<mpsc::Receiver<Bytes>, Refusal> {
        let (ticket, loader) = self.call(|reply| Call::PrepareCapture { request, reply }).await?;
        // The load goes on when the client leaves: until its end nobody else may begin one.
        let loaded = tokio::task::spawn_blocking(move || (loader.load(), ticket)).await;
        let broken =
            |error| refuse(RefusalKind::Internal, format!("the programs of a capture cannot be loaded: {error}"));
        let (loaded, ticket) = loaded.map_err(|error| broken(error.to_string()))?;
        let capture = Box::new(loaded.map_err(|error| broken(error.to_string()))?);
        self.call(|reply| Call::BeginCapture { ticket, capture, reply }).await
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn handle(State(server): State<Server>, body: Result<Bytes, BytesRejection>) -> (StatusCode, Json<Reply>) {
    let reply = match parse(body) {
        Ok(request) => server.ask(request).await,
        Err(refusal) => Err(refusal),
    };
    (reply.as_ref().map_or_else(|refusal| status_of(refusal.kind), |_| StatusCode::OK), Json(reply))
}

fn parse<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let invalid = |message| refuse(RefusalKind::Invalid, message);
    let unread = |error| invalid(format!("the request cannot be read (at most {BODY_LIMIT} bytes): {error}"));
    let body = body.map_err(unread)?;
    serde_json::from_slice(&body).map_err(|error| invalid(format!("this is not a request: {error}")))
}

/// How HTTP calls a refusal. The body says more.
fn status_of(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::Invalid | RefusalKind::OutOfRange => StatusCode::BAD_REQUEST,
        RefusalKind::NoSuchService
        | RefusalKind::NoSuchServer
        | RefusalKind::NoSuchInterface
        | RefusalKind::NoDaemon => StatusCode::NOT_FOUND,
        RefusalKind::ServiceExists
        | RefusalKind::ServerExists
        | RefusalKind::ServerIsOut
        | RefusalKind::DaemonRuns
        | RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        RefusalKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        RefusalKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn refused(refusal: Refusal) -> axum::response::Response {
    (status_of(refusal.kind), Json(Reply::Err(refusal))).into_response()
}

/// Events as lines of JSON, until the reader leaves, is too slow, or the daemon ends.
async fn follow(State(server): State<Server>) -> axum::response::Response {
    if server.events.followers() >= MOST_FOLLOWERS {
        let message = format!("{MOST_FOLLOWERS} readers follow the events already; end one of them");
        return refused(refuse(RefusalKind::Conflict, message));
    }
    let state = (server.events.follow(), server.stop);
    let lines = futures::stream::unfold(state, |(mut follower, mut stop)| async move {
        let line = next(&mut follower, &mut stop).await?;
        Some((Ok::<_, Infallible>(Bytes::from(line.as_bytes().to_vec())), (follower, stop)))
    });
    ([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines)).into_response()
}

/// The next line; what was told before the daemon ended is still sent.
async fn next(follower: &mut Follower, stop: &mut watch::Receiver<bool>) -> Option<std::sync::Arc<str>> {
    tokio::select! {
        biased;
        line = follower.next() => line,
        _ = stop.wait_for(|stop| *stop) => None,
    }
}

/// Packets as a pcapng file, until the reader leaves or has what it asked for.
async fn capture(State(server): State<Server>, body: Result<Bytes, BytesRejection>) -> axum::response::Response {
    let begun = match parse(body) {
        Ok(request) => server.capture(request).await,
        Err(refusal) => Err(refusal),
    };
    let pieces = match begun {
        Ok(pieces) => pieces,
        Err(refusal) => return refused(refusal),
    };
    let pieces = futures::stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(piece), pieces))
    });
    ([(CONTENT_TYPE, "application/x-pcapng")], Body::from_stream(pieces)).into_response()
}

async fn measure(State(server): State<Server>) -> axum::response::Response {
    let read = async {
        let Response::Listing(listing) = server.ask(Request::List).await? else { return Ok(None) };
        let Response::Status(status) = server.ask(Request::Status).await? else { return Ok(None) };
        Ok(Some(metrics::text(&listing, &status)))
    };
    match read.await {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text.unwrap_or_default()).into_response(),
        Err(refusal) => refused(refusal),
    }
}
