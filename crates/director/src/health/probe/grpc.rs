//! gRPC health checks: one call of `grpc.health.v1.Health/Check` over HTTP/2.
//!
//! The two messages have one field each, so they are written and read here; frames are h2's.

mod message;
#[cfg(test)]
mod tests;

use super::Errand;
use super::words::said;
use super::{connect, tls};
use h2::{Reason, client};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, TE, USER_AGENT};
use hyper::{HeaderMap, Request};
use model::health::GrpcProbe;
use protocols::health::Outcome;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// Most bytes of an answer that are looked at; a right one has seven.
const LARGEST: usize = 64 << 10;

pub(super) async fn ask(task: &Errand<'_>, probe: &GrpcProbe) -> Result<Outcome, String> {
    let stream = connect::stream(task).await?;
    let answer = if probe.tls {
        let stream = tls::handshake(stream, probe.host.as_deref(), tls::Speaks::Http2).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err("TLS: the server did not agree to speak HTTP/2".to_owned());
        }
        exchange(task, probe, stream).await?
    } else {
        exchange(task, probe, stream).await?
    };
    message::judge(&answer).map(|()| Outcome::Success)
}

/// One call and its answer. The connection is closed when this ends, however it does.
async fn exchange<S>(task: &Errand<'_>, probe: &GrpcProbe, stream: S) -> Result<Vec<u8>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = client::Builder::new();
    builder.enable_push(false).max_header_list_size(LARGEST as u32);
    let (sender, connection) = builder.handshake::<_, Bytes>(stream).await.map_err(explain)?;
    let mut answer = pin!(call(task, probe, sender));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The server has closed: what it said is all there.
        _ = connection => answer.await,
    }
}

async fn call(task: &Errand<'_>, probe: &GrpcProbe, sender: client::SendRequest<Bytes>) -> Result<Vec<u8>, String> {
    let mut sender = sender.ready().await.map_err(explain)?;
    let (answer, mut body) = sender.send_request(request(task, probe)?, false).map_err(explain)?;
    body.send_data(message::request(&probe.service).into(), true).map_err(explain)?;
    let (head, mut body) = answer.await.map_err(explain)?.into_parts();
    if head.status != 200 {
        return Err(format!("HTTP status {}, wanted 200", head.status.as_u16()));
    }
    let kind = head.headers.get(CONTENT_TYPE).map_or_else(String::new, |kind| said(kind.as_bytes()));
    if !kind.starts_with("application/grpc") {
        return Err(format!("no answer of gRPC but one of type `{kind}`"));
    }
    let mut message = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(explain)?;
        message.extend_from_slice(&data);
        if message.len() > LARGEST {
            return Err(format!("the answer is larger than {LARGEST} bytes"));
        }
        body.flow_control().release_capacity(data.len()).map_err(explain)?;
    }
    // Without a message, the status is in the head.
    let trailers = body.trailers().await.map_err(explain)?;
    succeeded(trailers.as_ref().unwrap_or(&head.headers), &probe.service)?;
    Ok(message)
}

fn request(task: &Errand<'_>, probe: &GrpcProbe) -> Result<Request<()>, String> {
    let target = connect::asked(task);
    let host = probe.host.clone().unwrap_or_else(|| target.to_string());
    let scheme = if probe.tls { "https" } else { "http" };
    let patience = format!("{}m", super::limit(task).as_millis().clamp(1, 99_999_999));
    Request::post(format!("{scheme}://{host}/grpc.health.v1.Health/Check"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header("grpc-timeout", patience)
        .header(USER_AGENT, concat!("xlvs/", env!("CARGO_PKG_VERSION")))
        .body(())
        .map_err(|error| format!("{host} cannot be asked: {error}"))
}

/// Whether the call itself came to a good end.
fn succeeded(headers: &HeaderMap, service: &str) -> Result<(), String> {
    let Some(code) = headers.get("grpc-status") else {
        return Err("the answer breaks off: it has no grpc-status".to_owned());
    };
    let code = said(code.as_bytes());
    let meaning = match code.as_str() {
        "0" => return Ok(()),
        "1" => " (cancelled)".to_owned(),
        "4" => " (the server was too slow)".to_owned(),
        "5" => format!(" (the server knows no service `{service}`)"),
        "7" | "16" => " (the server does not let us ask)".to_owned(),
        "8" => " (the server is overloaded)".to_owned(),
        "12" => " (the server has no grpc.health.v1.Health)".to_owned(),
        "14" => " (unavailable)".to_owned(),
        _ => String::new(),
    };
    let message = headers.get("grpc-message").filter(|it| !it.is_empty());
    let message = message.map_or_else(String::new, |it| format!(": {}", said(it.as_bytes())));
    Err(format!("grpc-status {code}{meaning}{message}"))
}

fn explain(error: h2::Error) -> String {
    // The first of its bytes are no frame: HTTP/1, as a rule.
    let is_another = error.is_library() && error.reason() == Some(Reason::FRAME_SIZE_ERROR);
    if is_another { "the server does not speak HTTP/2".to_owned() } else { format!("HTTP/2: {error}") }
}
