//! HTTP over the Unix socket: `POST /v1` with a request, answered by a reply, both JSON.

use crate::store::refuse;
use api::{RefusalKind, Reply, Request};
use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use std::os::unix::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};

/// Largest request: a batch of several hundred thousand lines.
const BODY_LIMIT: usize = 64 << 20;
/// Requests that wait while one is carried out.
const QUEUE: usize = 64;

/// One request and where its answer goes.
pub(crate) struct Call {
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// A place to send calls to, and where they come out.
pub(crate) fn calls() -> (mpsc::Sender<Call>, mpsc::Receiver<Call>) {
    mpsc::channel(QUEUE)
}

/// Serves until `stop` becomes true or its sender is gone, and until every answer is sent.
pub(crate) async fn serve(
    listener: UnixListener,
    calls: mpsc::Sender<Call>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let router = Router::new().route("/v1", post(handle)).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(calls);
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    axum::serve(listener, router).with_graceful_shutdown(stopped).await
}

async fn handle(State(calls): State<mpsc::Sender<Call>>, body: Result<Bytes, BytesRejection>) -> Json<Reply> {
    Json(match parse(body) {
        Ok(request) => ask(&calls, request).await,
        Err(message) => Err(refuse(RefusalKind::Invalid, message)),
    })
}

fn parse(body: Result<Bytes, BytesRejection>) -> Result<Request, String> {
    let body = body.map_err(|error| format!("the request cannot be read (at most {BODY_LIMIT} bytes): {error}"))?;
    serde_json::from_slice(&body).map_err(|error| format!("this is not a request: {error}"))
}

async fn ask(calls: &mpsc::Sender<Call>, request: Request) -> Reply {
    let stopping = || refuse(RefusalKind::Conflict, "the daemon is stopping");
    let (reply, answer) = oneshot::channel();
    calls.send(Call { request, reply }).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())?
}
