//! Answers that are longer than one value: streams of events, metrics, captures.

use super::{Client, ClientError};
use crate::{CaptureRequest, Refusal, Reply};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use tokio::time::timeout;

/// An answer that comes piece by piece, for as long as it is held.
#[derive(Debug)]
pub struct Download {
    body: Incoming,
    /// Begun lines that the last piece did not end.
    rest: Vec<u8>,
}

impl Client {
    /// Asks for `path`, on a connection of its own. The inner error is the daemon's no.
    pub async fn download(&self, path: &str) -> Result<Result<Download, Refusal>, ClientError> {
        let request = hyper::Request::get(path)
            .header(hyper::header::HOST, "localhost")
            .body(Full::default())
            .map_err(|error| self.broken(error))?;
        self.begin(request).await
    }

    /// Asks for the packets of a capture, on a connection of its own.
    pub async fn capture(&self, request: &CaptureRequest) -> Result<Result<Download, Refusal>, ClientError> {
        let body = serde_json::to_vec(request).map_err(|error| self.broken(error))?;
        let request = hyper::Request::post("/v1/capture")
            .header(hyper::header::HOST, "localhost")
            .header(hyper::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.into()))
            .map_err(|error| self.broken(error))?;
        self.begin(request).await
    }

    async fn begin(&self, request: hyper::Request<Full<Bytes>>) -> Result<Result<Download, Refusal>, ClientError> {
        let mut channel = self.connect().await?;
        let response = timeout(self.patience, channel.send_request(request)).await;
        let silent = |_| ClientError::TimedOut { socket: self.socket.clone(), patience: self.patience };
        let response = response.map_err(silent)?.map_err(|error| self.broken(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(Ok(Download { body: response.into_body(), rest: Vec::new() }));
        }
        let body = timeout(self.patience, response.into_body().collect()).await.map_err(silent)?;
        let body = body.map_err(|error| self.broken(error))?.to_bytes();
        match self.decode(status, &body)? {
            Reply::Err(refusal) => Ok(Err(refusal)),
            Reply::Ok(_) => Err(ClientError::BadAnswer {
                socket: self.socket.clone(),
                detail: format!("HTTP status {status} with an answer that refuses nothing"),
            }),
        }
    }
}

impl Download {
    /// The next piece; `None` at the end, which may come because the daemon has ended.
    pub async fn piece(&mut self) -> Option<Bytes> {
        loop {
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                return Some(data);
            }
        }
    }

    /// The next whole line, without its end.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned());
            }
            let piece = self.piece().await?;
            self.rest.extend_from_slice(&piece);
        }
    }

    /// Everything to the end.
    pub async fn text(&mut self) -> String {
        let mut bytes = std::mem::take(&mut self.rest);
        while let Some(piece) = self.piece().await {
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
