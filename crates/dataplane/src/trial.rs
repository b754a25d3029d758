//! Attachments on trial: a deadline beside the pins, kept by the daemon, and by a watchdog should there be none.
//!
//! The deadline is a number in a pinned map, by index of the interface. When it is past and still there, the interface
//! is detached: by the daemon, which looks first, or by a tiny process that was started with the trial and ends with it.
#![expect(unsafe_code, reason = "fork and close_range in a process of one thread")]

use crate::attach::detach_interface;
use crate::error::{Doing, Error};
use crate::interface::{Link, name_of};
use crate::pins::{Pins, make_directory, names_in, remove_tree};
use crate::syscall::{self, MapShape};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{ForkResult, fork, setsid};
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// `argv[0]` of a watchdog; its arguments are the pins as the daemon reaches them, and the index of the interface.
pub const WATCHDOG_NAME: &str = "xlvs-watchdog";

/// How long the daemon has beyond the deadline before the watchdog acts.
const GRACE: Duration = Duration::from_millis(500);
/// How often the watchdog looks whether it is still needed.
const LOOK: Duration = Duration::from_millis(200);

/// An attachment that ends unless it is confirmed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// Name of the interface.
    pub interface: String,
    /// Time left.
    pub left: Duration,
}

/// Where trials are pinned.
fn directory(root: &Path) -> PathBuf {
    root.join("trials")
}

fn pin_of(root: &Path, interface: u32) -> PathBuf {
    directory(root).join(interface.to_string())
}

/// The clock that goes on while the machine sleeps, and begins anew with what is pinned.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// Begins a trial, before anything is attached: its deadline is kept and its watchdog runs.
pub(crate) fn begin(pins: &Pins, interface: &str, length: Duration) -> Result<(), Error> {
    let index = Link::by_name(interface)?.index;
    let doing = || format!("keep the deadline of {interface}");
    let deadline = u64::try_from((now() + length).as_nanos()).unwrap_or(u64::MAX);
    let shape = MapShape { map_type: syscall::MAP_TYPE_ARRAY, key_size: 4, value_size: 8, max_entries: 1, flags: 0 };
    let map = syscall::create_map("trial", shape).doing(doing)?;
    syscall::update(map.as_fd(), &0_u32.to_ne_bytes(), &deadline.to_ne_bytes()).doing(doing)?;
    make_directory(&directory(&pins.root))?;
    remove_tree(&pin_of(&pins.root, index))?;
    syscall::pin(map.as_fd(), &pin_of(&pins.root, index)).doing(doing)?;
    let started = start_watchdog(&pins.root, index);
    if started.is_err() {
        remove_tree(&pin_of(&pins.root, index))?;
    }
    started
}

fn start_watchdog(root: &Path, interface: u32) -> Result<(), Error> {
    let mut watchdog = Command::new("/proc/self/exe");
    watchdog.arg0(WATCHDOG_NAME).arg(root).arg(interface.to_string()).current_dir("/");
    watchdog.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The first process ends as soon as the second one runs.
    watchdog.status().doing(|| "start the watchdog of a trial".to_owned()).map(drop)
}

/// Every trial that is going on.
pub(crate) fn all(pins: &Pins) -> Vec<Trial> {
    let indices = names_in(&directory(&pins.root)).into_iter().filter_map(|name| name.parse().ok());
    let trial = |index| {
        let left = deadline(&pins.root, index)?.saturating_sub(now());
        Some(Trial { interface: name_of(index)?, left })
    };
    indices.filter_map(trial).collect()
}

/// Ends a trial: what is attached stays, or is being detached by the caller. False when there was none.
pub(crate) fn end(pins: &Pins, interface: u32) -> Result<bool, Error> {
    let pin = pin_of(&pins.root, interface);
    let was_there = pin.exists();
    remove_tree(&pin).map(|()| was_there)
}

fn deadline(root: &Path, interface: u32) -> Option<Duration> {
    let map = syscall::open_pin(&pin_of(root, interface)).ok()?;
    let mut value = [0; 8];
    let found = syscall::lookup(map.as_fd(), &0_u32.to_ne_bytes(), &mut value).ok()?;
    found.then(|| Duration::from_nanos(u64::from_ne_bytes(value)))
}

/// What a watchdog does. The binary calls this when `argv[0]` is [`WATCHDOG_NAME`].
pub fn watchdog_main(mut arguments: impl Iterator<Item = OsString>) -> ! {
    let root = arguments.next().map(PathBuf::from);
    let interface = arguments.next().and_then(|index| index.to_str()?.parse().ok());
    let (Some(root), Some(interface)) = (root, interface) else { std::process::exit(2) };
    let _ = setsid();
    // SAFETY: the process has just been started and has one thread.
    if !matches!(unsafe { fork() }, Ok(ForkResult::Child)) {
        std::process::exit(0);
    }
    // SAFETY: nothing in this process uses a descriptor any more; the lock of the daemon must not stay open here.
    unsafe { libc::close_range(0, libc::c_uint::MAX, 0) };
    let _ = nix::sys::prctl::set_name(c"xlvs-watchdog");
    while let Some(deadline) = deadline(&root, interface) {
        if now() >= deadline + GRACE {
            let _ = detach_interface(&root.join("links"), interface);
            let _ = remove_tree(&pin_of(&root, interface));
            break;
        }
        std::thread::sleep(LOOK.min((deadline + GRACE).saturating_sub(now())));
    }
    std::process::exit(0)
}
