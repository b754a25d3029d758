//! The director: the real `xlvs` binary, in its own namespace, with its own pins, socket and log.

use super::process::{Finished, end, finish, wait};
use crate::evidence;
use crate::net::Namespace;
use crate::work::WorkDirectory;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longest life of a control command.
const COMMAND: Duration = Duration::from_secs(30);
/// Longest wait for the daemon to come up, or for servers to be reached: an emulated processor that checks the programs of
/// several daemons at once needs minutes.
const START: Duration = Duration::from_secs(300);

/// How the daemon gets into the namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Only the network namespace changes; pins lie in the lab's bpffs.
    Direct,
    /// By `ip netns exec`, which gives it a mount namespace of its own, with pins where there is no bpffs yet.
    IpNetnsExec,
}

/// A director. Its daemon ends when this is dropped.
pub struct Xlvs {
    host: Namespace,
    name: String,
    interfaces: Vec<String>,
    lane: Option<String>,
    entry: Entry,
    configuration: Option<PathBuf>,
    directory: PathBuf,
    pins: PathBuf,
    child: Option<Child>,
}

impl Xlvs {
    /// A director on `host` that will work on `interfaces`. Nothing runs yet.
    pub fn new(host: &Namespace, name: &str, interfaces: &[&str], work: &WorkDirectory, entry: Entry) -> Result<Self> {
        let directory = work.path().join(name);
        fs::create_dir_all(&directory)?;
        let pins = match entry {
            Entry::Direct => work.bpf().join(name),
            Entry::IpNetnsExec => directory.join("pins"),
        };
        let interfaces = interfaces.iter().map(|name| (*name).to_owned()).collect();
        let (host, name) = (host.clone(), name.to_owned());
        let configuration = None;
        Ok(Self { host, name, interfaces, lane: None, entry, configuration, directory, pins, child: None })
    }

    /// The same, to be started with `--lane`.
    pub fn in_lane(mut self, lane: &str) -> Self {
        self.lane = Some(lane.to_owned());
        self
    }

    /// Gives it a file in the language of xlvs.toml to start with.
    pub fn configure(&mut self, text: &str) -> Result<()> {
        self.configure_as("xlvs.toml", text)
    }

    /// Gives it a file of that name to start with, in the language that the name stands for.
    pub fn configure_as(&mut self, name: &str, text: &str) -> Result<()> {
        let path = self.directory.join(name);
        fs::write(&path, text)?;
        self.configuration = Some(path);
        Ok(())
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let mut command = self.daemon_command()?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().context("starting xlvs")?);
        self.wait_until_it_answers()
    }

    /// The command line that starts the daemon.
    fn daemon_command(&self) -> Result<Command> {
        let binary = binary()?;
        let mut command = match self.entry {
            Entry::Direct => self.host.command(binary),
            Entry::IpNetnsExec => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", self.host.name()]).arg(binary);
                command
            }
        };
        command.arg("run").arg("--pin-dir").arg(&self.pins);
        for interface in &self.interfaces {
            command.args(["--interface", interface]);
        }
        if let Some(lane) = &self.lane {
            command.args(["--lane", lane]);
        }
        if let Some(path) = &self.configuration {
            command.arg("-c").arg(path);
        }
        command.env("XLVS_SOCKET", self.socket());
        Ok(command)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                self.child = None;
                bail!("xlvs ended at once ({status}): {}", self.log());
            }
            if self.ask(&json!({"do": "status"})).is_ok() {
                return Ok(());
            }
            if begin.elapsed() > START {
                bail!("xlvs does not answer on {}: {}", self.socket().display(), self.log());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A control command, not run yet: `xlvs ARGUMENTS…` in the director's namespace.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.host.command(binary()?);
        command.args(arguments).env("XLVS_SOCKET", self.socket());
        Ok(command)
    }

    /// Runs `xlvs ARGUMENTS…`, whatever comes of it.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        finish(&mut self.command(arguments)?, COMMAND)
    }

    /// Runs `xlvs ipvsadm LINE`, which must succeed.
    pub fn ipvsadm(&self, line: &str) -> Result<String> {
        let arguments: Vec<&str> = std::iter::once("ipvsadm").chain(line.split_whitespace()).collect();
        self.run(&arguments)?.success().with_context(|| format!("ipvsadm {line}"))
    }

    /// `xlvs status --json`.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.run(&["status", "--json"])?.success().context("xlvs status")?)?)
    }

    /// How its programs are attached: the one lane of all interfaces, or all lanes there are.
    pub fn lane(&self) -> Result<String> {
        let status = self.status()?;
        let interfaces = status["interfaces"].as_array().context("status without interfaces")?;
        let mut lanes: Vec<&str> = interfaces.iter().filter_map(|interface| interface["lane"].as_str()).collect();
        lanes.sort_unstable();
        lanes.dedup();
        Ok(lanes.join("+"))
    }

    /// Waits until every server of every service is reached, so that all are in the rotation.
    pub fn wait_for_servers(&self) -> Result<()> {
        self.wait_while_listed(&["\"unresolved\""])
    }

    /// The same, and until every service's address is this node's.
    pub fn wait_for_services(&self) -> Result<()> {
        self.wait_while_listed(&["\"unresolved\"", "\"owned\":false"])
    }

    fn wait_while_listed(&self, signs: &[&str]) -> Result<()> {
        let begin = Instant::now();
        loop {
            let listing = self.ask(&json!({"do": "list"}))?;
            let text = listing.to_string();
            if !signs.iter().any(|sign| text.contains(sign)) {
                return Ok(());
            }
            ensure!(begin.elapsed() < START, "services or servers stay out of reach: {listing}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// One request over the socket: JSON in, JSON out.
    pub fn ask(&self, request: &Value) -> Result<Value> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(COMMAND))?;
        let body = request.to_string();
        let head = "POST /v1 HTTP/1.1\r\nHost: xlvs\r\nConnection: close\r\nContent-Type: application/json\r\n";
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (_, body) = text.split_once("\r\n\r\n").context("no answer")?;
        let value: Value = serde_json::from_str(body).with_context(|| format!("not JSON: {body}"))?;
        value.get("Ok").cloned().with_context(|| format!("refused: {body}"))
    }

    /// `kill -9`.
    pub fn kill_nine(&mut self) -> Result<()> {
        let mut child = self.child.take().context("xlvs does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// `xlvs stop`, with or without leaving the data plane.
    pub fn stop(&mut self, keep_forwarding: bool) -> Result<()> {
        let mut child = self.child.take().context("xlvs does not run")?;
        let arguments: &[&str] = if keep_forwarding { &["stop", "--keep-forwarding"] } else { &["stop"] };
        let said = self.run(arguments).and_then(Finished::success);
        let ended = wait(&mut child, Duration::from_secs(10))?;
        end(&mut child);
        said?;
        ensure!(ended.is_some_and(|status| status.success()), "xlvs stop: the daemon ended with {ended:?}");
        Ok(())
    }

    /// Process of the daemon.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Where it is.
    pub const fn host(&self) -> &Namespace {
        &self.host
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("xlvs.sock")
    }

    /// Its pins.
    pub fn pins(&self) -> &Path {
        &self.pins
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Keeps what can be known of it after a failure.
    fn snapshot(&self) {
        for (file, arguments) in [("status.json", ["status", "--json"]), ("listing.txt", ["ipvsadm", "-Ln"])] {
            let text = match self.run(&arguments) {
                Ok(finished) => format!("{}{}", finished.stdout, finished.stderr),
                Err(error) => format!("{error:#}\n"),
            };
            evidence::write_text(&format!("{}-{file}", self.name), &text);
        }
        evidence::write_text(&format!("{}.log", self.name), &self.log());
    }
}

impl Drop for Xlvs {
    fn drop(&mut self) {
        if thread::panicking() {
            self.snapshot();
        }
        if let Some(child) = &mut self.child {
            end(child);
        }
    }
}

/// The binary under test: $XLVS_BINARY, or what cargo built last beside the program that runs.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("XLVS_BINARY") {
        return Ok(path.into());
    }
    let program = std::env::current_exe()?;
    let built = program.ancestors().skip(1).map(|directory| directory.join("xlvs")).find(|path| path.is_file());
    built.context("no xlvs binary: run `cargo build -p xlvs`, or set XLVS_BINARY")
}
