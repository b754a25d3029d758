//! The keeper: a tiny process that holds a mount namespace, so that the pins in it outlive the daemon.
//!
//! `ip netns exec` gives every command a mount namespace of its own; a bpffs mounted there ends with its last process,
//! and the data plane with it. The daemon therefore starts a keeper there, and the next daemon of the same network
//! namespace and pin directory finds it in /proc and works through /proc/PID/root.
#![expect(unsafe_code, reason = "fork and close_range in a process of one thread")]

use crate::error::{Doing, Error};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, fork, geteuid, setsid};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `argv[0]` of a keeper; its only argument is the pin directory.
pub const KEEPER_NAME: &str = "xlvs-keeper";

/// A running keeper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Keeper(i32);

impl Keeper {
    /// The keepers of this network namespace and pin directory, whether they still keep anything or not.
    pub(crate) fn all(directory: &Path) -> Vec<Self> {
        Self::named(directory).filter(|keeper| keeper.shares("net")).collect()
    }

    fn named(directory: &Path) -> impl Iterator<Item = Self> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.map(Self).filter(|keeper| keeper.has_name(directory))
    }

    /// The keeper of a pin directory of this name in another network namespace, if there is one.
    pub(crate) fn elsewhere(directory: &Path) -> Option<Self> {
        let mut keepers = Self::named(directory).filter(|keeper| !keeper.shares("net"));
        keepers.next()
    }

    /// Number of its process.
    pub(crate) const fn process(self) -> i32 {
        self.0
    }

    /// Only a process of our own user and user namespace is believed: a foreign one could show us any files.
    fn has_name(self, directory: &Path) -> bool {
        let mut expected = KEEPER_NAME.as_bytes().to_vec();
        expected.push(0);
        expected.extend_from_slice(directory.as_os_str().as_bytes());
        expected.push(0);
        fs::read(self.file("cmdline")).is_ok_and(|line| line == expected)
            && fs::metadata(self.file("")).is_ok_and(|metadata| metadata.uid() == geteuid().as_raw())
            && self.shares("user")
    }

    fn shares(self, namespace: &str) -> bool {
        let ours = fs::read_link(format!("/proc/self/ns/{namespace}"));
        matches!((fs::read_link(self.file(&format!("ns/{namespace}"))), ours), (Ok(its), Ok(ours)) if its == ours)
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// `path` as the keeper sees it.
    pub(crate) fn see(self, path: &Path) -> PathBuf {
        self.file("root").join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Starts a keeper for our mount namespace.
    pub(crate) fn start(directory: &Path) -> Result<Self, Error> {
        let before = Self::all(directory);
        let status = Command::new("/proc/self/exe")
            .arg0(KEEPER_NAME)
            .arg(directory)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .doing(|| "start the keeper of the pins".to_owned())?;
        let started = Self::all(directory).into_iter().find(|it| !before.contains(it) && it.shares("mnt"));
        started.ok_or_else(|| Error::Pins {
            path: directory.to_owned(),
            reason: format!("the keeper process did not start ({status}); mount a bpffs there outside this namespace"),
        })
    }

    /// Ends it, and with it what only it kept.
    pub(crate) fn end(self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGTERM);
    }
}

/// True when pins at `directory` would end with the processes of our mount namespace: it is not that of process 1,
/// and process 1 does not see the same file system there.
pub(crate) fn is_needed(directory: &Path) -> bool {
    let namespace = |process: Keeper| fs::read_link(process.file("ns/mnt")).ok();
    let ours = fs::read_link("/proc/self/ns/mnt").ok();
    // Process 1 may be closed to us; the first thread of the kernel lives in the same namespace. One keeper too many
    // does no harm when neither can be asked.
    let Some((first, its)) = [1, 2].map(Keeper).into_iter().find_map(|it| Some((it, namespace(it)?))) else {
        return true;
    };
    let device = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    ours != Some(its) && device(directory) != device(&first.see(directory))
}

/// What a keeper does: nothing, until it is ended. The binary calls this when `argv[0]` is [`KEEPER_NAME`].
pub fn keeper_main(_arguments: impl Iterator<Item = OsString>) -> ! {
    let _ = setsid();
    // SAFETY: the process has just been started and has one thread.
    if !matches!(unsafe { fork() }, Ok(ForkResult::Child)) {
        std::process::exit(0);
    }
    // SAFETY: nothing in this process uses a descriptor any more; the lock of the daemon must not stay open here.
    unsafe { libc::close_range(0, libc::c_uint::MAX, 0) };
    let _ = nix::sys::prctl::set_name(c"xlvs-keeper");
    loop {
        nix::unistd::pause();
    }
}
