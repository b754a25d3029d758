//! What the tests of the binary share: a daemon that is not one, and a place with the program's names in it.
#![allow(dead_code, reason = "every test file uses a part of this")]

pub(crate) mod host;
pub(crate) mod ipvs;
pub(crate) mod node;
pub(crate) mod recording;

use api::{Reply, Request};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

type Answer = Box<dyn FnMut(&Request) -> Reply + Send>;

/// Listens on a socket and answers as a closure says, noting what it is asked. Ends with the test process.
pub(crate) struct FakeDaemon {
    asked: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone)]
struct Shared {
    asked: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<Answer>>,
}

impl FakeDaemon {
    /// A daemon at `socket`, which exists when this returns.
    pub(crate) fn start(socket: &Path, answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let asked = Arc::default();
        let shared = Shared { asked: Arc::clone(&asked), answer: Arc::new(Mutex::new(Box::new(answer))) };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::UnixListener::from_std(listener).unwrap();
                let router = Router::new().route("/v1", post(handle)).with_state(shared);
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { asked }
    }

    /// Everything it has been asked so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests that would have changed something.
    pub(crate) fn changes(&self) -> Vec<Request> {
        let harmless = |request: &Request| {
            matches!(request, Request::List | Request::Status | Request::Sysctls | Request::Explain(_))
        };
        self.asked().into_iter().filter(|request| !harmless(request)).collect()
    }
}

async fn handle(State(shared): State<Shared>, Json(request): Json<Request>) -> Json<Reply> {
    let reply = (shared.answer.lock().unwrap())(&request);
    shared.asked.lock().unwrap().push(request);
    Json(reply)
}

/// A directory with links by the program's names, and a socket's place.
pub(crate) struct Place {
    directory: TempDir,
}

/// What a program said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = TempDir::with_prefix("xlvs-cli-").unwrap();
        for name in ["xlvs", "ipvsadm", "ipvsadm-save", "ipvsadm-restore"] {
            symlink(env!("CARGO_BIN_EXE_xlvs"), directory.path().join(name)).unwrap();
        }
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// Lets others than root find what is here.
    pub(crate) fn open_to_everybody(&self) {
        std::fs::set_permissions(self.directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A command that finds the program by all its names, and the socket here.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.directory.path().display()));
        // Names that nobody has must not cost the resolver's full patience where there is no DNS.
        command.env("RES_OPTIONS", "attempts:1 timeout:1");
        command.env("XLVS_SOCKET", self.socket()).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    /// Runs a line of shell.
    pub(crate) fn shell(&self, line: &str) -> Said {
        Said::from(self.command("sh").args(["-c", line]).output().unwrap())
    }

    /// Runs a program with these words and this standard input.
    pub(crate) fn run(&self, program: &str, words: &[&str], input: &str) -> Said {
        let mut command = self.command(&self.path(program).display().to_string());
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Said::from(child.wait_with_output().unwrap())
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap_or(-1) }
    }
}
