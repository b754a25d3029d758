//! What the daemon can be asked: one enum of requests, one of answers, and a client that carries them.
//!
//! The whole control surface is [`Request`]; HTTP over a Unix socket is only its spelling
//! (`POST /v1` with a JSON body, answered by a JSON [`Reply`]). Streams and metrics are downloads of their own.
#![warn(missing_docs)]

pub mod capture;
pub mod client;
pub mod connections;
pub mod event;
pub mod explanation;
pub mod listing;
pub mod refusal;
pub mod request;
pub mod response;
pub mod status;

pub use capture::CaptureRequest;
pub use client::{Client, ClientError, Download};
pub use connections::*;
pub use event::{Event, EventKind, Level};
pub use explanation::*;
pub use listing::*;
pub use refusal::*;
pub use request::*;
pub use response::*;
pub use status::*;

/// Where the daemon listens unless `$XLVS_SOCKET` says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/xlvs/xlvs.sock";

/// Environment variable that names the socket.
pub const SOCKET_VARIABLE: &str = "XLVS_SOCKET";
