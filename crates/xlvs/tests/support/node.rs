//! A director: a host with the real daemon on it, a bpffs, a socket, and what the daemon logs. Everything ends with the
//! value.

use super::host::{Host, Switch, add_address};
use super::{Place, Said};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Longest wait for anything to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The director, with `e0` towards clients and `e1` towards servers. Fields are dropped in this order: the daemon first.
pub(crate) struct Node {
    daemon: Option<Child>,
    pub(crate) host: Host,
    pub(crate) switch: Switch,
    pub(crate) place: Place,
}

impl Node {
    /// The host; nothing runs yet.
    pub(crate) fn new() -> Self {
        let switch = Switch::new();
        let host = Host::new("director");
        for (device, segment, addresses) in
            [("e0", "br0", ["198.51.100.1/24", "2001:db8:1::1/64"]), ("e1", "br1", ["10.0.1.1/24", "fd00:1::1/64"])]
        {
            let port = switch.plug(&host, device, segment, &addresses);
            switch.face_director(&port);
        }
        for virtual_address in ["198.51.100.10/32", "2001:db8:1::10/128"] {
            add_address(&host, virtual_address, "e0");
        }
        let place = Place::new();
        let bpf = place.path("bpf");
        fs::create_dir(&bpf).unwrap();
        mount(Some("bpf"), &bpf, Some("bpf"), MsFlags::empty(), None::<&str>).unwrap();
        Self { daemon: None, host, switch, place }
    }

    /// Whether a program of the daemon is attached, as `ip` sees it.
    pub(crate) fn is_attached(&self) -> bool {
        self.host.ip("link show e0").contains("prog/xdp")
    }

    /// Writes a file; gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.place.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Nothing of a daemon is left: no socket, no pins, no program.
    pub(crate) fn is_clean(&self) -> bool {
        !self.has_socket() && !self.is_pinned() && !self.is_attached()
    }

    /// Where the daemon pins unless told otherwise.
    pub(crate) fn pins(&self) -> PathBuf {
        self.place.path("bpf/pins")
    }

    /// Whether something is pinned.
    fn is_pinned(&self) -> bool {
        fs::read_dir(self.pins()).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Whether a socket, or what belongs to one, lies where the daemon makes it.
    pub(crate) fn has_socket(&self) -> bool {
        ["socket", "socket.lock", "socket.new"].iter().any(|name| self.place.path(name).exists())
    }

    /// `xlvs run` with these words, not started yet.
    pub(crate) fn run_command(&self, words: &[&str]) -> Command {
        let mut command = self.host.command(env!("CARGO_BIN_EXE_xlvs"));
        command.arg("run").arg("--pin-dir").arg(self.pins()).args(words);
        command.env("XLVS_SOCKET", self.place.socket());
        command
    }

    /// `xlvs run` that is expected to end by itself.
    pub(crate) fn run_to_its_end(&self, words: &[&str]) -> Said {
        finish(self.run_command(words))
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(&mut self, words: &[&str]) {
        assert!(self.daemon.is_none());
        let log = File::options().create(true).append(true).open(self.place.path("log")).unwrap();
        let mut command = self.run_command(words);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.adopt(command);
    }

    /// Starts `command` as the daemon and waits until it answers.
    pub(crate) fn adopt(&mut self, mut command: Command) {
        self.daemon = Some(command.spawn().unwrap());
        self.wait_for("the daemon", |node| {
            let ended = node.daemon.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", node.log());
            node.say("status").code == 0
        });
    }

    /// Starts the daemon, sends it SIGHUP as soon as it listens to it, and waits until it answers. Whether it was not
    /// ready yet.
    pub(crate) fn start_and_hang_up(&mut self, words: &[&str]) -> bool {
        let log = File::options().create(true).append(true).open(self.place.path("log")).unwrap();
        let mut command = self.run_command(words);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.daemon = Some(command.spawn().unwrap());
        self.wait_for("an ear for SIGHUP", |node| node.catches(Signal::SIGHUP));
        let is_early = !self.log().contains(" ready ");
        self.signal(Signal::SIGHUP);
        self.wait_for("the daemon", |node| {
            let ended = node.daemon.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", node.log());
            node.say("status").code == 0
        });
        is_early
    }

    /// Whether the daemon's process has a handler for a signal.
    fn catches(&self, signal: Signal) -> bool {
        let pid = self.daemon.as_ref().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
        caught.is_some_and(|caught| caught >> (signal as u32 - 1) & 1 == 1)
    }

    /// What the daemon has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path("log")).unwrap_or_default()
    }

    /// `xlvs LINE`
    pub(crate) fn say(&self, line: &str) -> Said {
        self.place.shell(&format!("xlvs {line}"))
    }

    /// `ipvsadm LINE`, which must succeed; gives its output.
    pub(crate) fn ipvsadm(&self, line: &str) -> String {
        let said = self.place.shell(&format!("ipvsadm {line}"));
        assert_eq!((said.code, said.err.as_str()), (0, ""), "ipvsadm {line}");
        said.out
    }

    /// `xlvs status --json`
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.say("status --json").out).unwrap()
    }

    /// Sends a signal to the daemon.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.daemon.as_ref().unwrap().id();
        kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
    }

    /// Waits until the daemon has ended; gives its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.wait_for("the end of the daemon", |node| node.daemon.as_mut().unwrap().try_wait().unwrap().is_some());
        self.daemon.take().unwrap().wait().unwrap().code()
    }

    /// Waits until `condition` holds.
    pub(crate) fn wait_for(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let begin = Instant::now();
        while !condition(self) {
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = umount2(&self.place.path("bpf"), MntFlags::MNT_DETACH);
    }
}

/// Runs a command to its end, which is not far.
pub(crate) fn finish(command: Command) -> Said {
    let mut bounded = Command::new("timeout");
    bounded.args(["-s", "KILL", "20"]).arg(command.get_program()).args(command.get_args());
    bounded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Said::from(bounded.stdin(std::process::Stdio::null()).output().unwrap())
}
