//! Network namespaces: made by name under /run/netns (so `ip netns exec` finds them), entered by threads and by
//! child processes, always removed.
#![expect(unsafe_code, reason = "Command::pre_exec moves a child into a namespace before it executes")]

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

const DIRECTORY: &str = "/run/netns";
const PREFIX: &str = "xlvs-";

/// A network namespace. The last clone removes its name and ends what still runs inside.
#[derive(Clone)]
pub struct Namespace {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    path: PathBuf,
    handle: File,
}

impl Namespace {
    /// A new one named `xlvs-<pid>-<role>`.
    pub fn new(role: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{role}", std::process::id());
        let path = Path::new(DIRECTORY).join(&name);
        fs::create_dir_all(DIRECTORY)?;
        remove(&path);
        File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        let target = path.clone();
        in_thread(move || -> Result<()> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/thread-self/ns/net"), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            Ok(())
        })
        .with_context(|| format!("making the network namespace {name} (needs root)"))?;
        let handle = File::open(&path)?;
        Ok(Self { inner: Arc::new(Inner { name, path, handle }) })
    }

    /// The name that `ip netns` knows.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The namespace as a descriptor.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.inner.handle.as_fd()
    }

    /// Runs `work` on a thread inside the namespace. Sockets it makes stay there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_thread(|| {
            setns(&self.inner.handle, CloneFlags::CLONE_NEWNET)?;
            work()
        })
        .with_context(|| format!("in {}", self.name()))
    }

    /// A command that will run inside the namespace and end with the thread that starts it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let handle = self.inner.handle.as_raw_fd();
        // SAFETY: only async-signal-safe system calls between fork and exec; the descriptor lives as long as
        // `self.inner`, which the caller holds while it spawns.
        unsafe {
            command.pre_exec(move || {
                setns(BorrowedFd::borrow_raw(handle), CloneFlags::CLONE_NEWNET)?;
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                Ok(())
            });
        }
        command
    }

    /// Sets `net.<key>` (with slashes) inside the namespace.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.run(|| {
            fs::write(Path::new("/proc/sys/net").join(key), value)
                .with_context(|| format!("sysctl net/{key} = {value}"))
        })
    }

    /// Reads a file of /proc/net as seen from inside the namespace.
    pub fn proc_net(&self, file: &str) -> Result<String> {
        // /proc/net is the view of the process's first thread; ours is another one.
        self.run(|| Ok(fs::read_to_string(Path::new("/proc/thread-self/net").join(file))?))
    }

    /// Processes other than our own that live in the namespace.
    pub fn processes(&self) -> Vec<Pid> {
        self.inner.handle.metadata().map(|meta| residents(meta.ino())).unwrap_or_default()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes the namespaces of laboratories whose process `is_over`.
pub fn remove_of(is_over: impl Fn(u32) -> bool) {
    for entry in fs::read_dir(DIRECTORY).into_iter().flatten().flatten() {
        if crate::work::owner(&entry, PREFIX).is_some_and(&is_over) {
            remove(&entry.path());
        }
    }
}

/// Ends what runs inside (everything there was started by a laboratory), then forgets the name.
fn remove(path: &Path) {
    let Ok(meta) = fs::metadata(path) else { return };
    for process in residents(meta.ino()) {
        let _ = kill(process, Signal::SIGKILL);
    }
    let _ = umount2(path, MntFlags::MNT_DETACH);
    let _ = fs::remove_file(path);
}

/// Processes whose network namespace is the one with this inode.
fn residents(inode: u64) -> Vec<Pid> {
    let own = std::process::id();
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|meta| meta.ino() == inode))
        .filter_map(|pid| Some(Pid::from_raw(i32::try_from(pid).ok()?)))
        .collect()
}

/// Namespaces belong to threads: whatever enters one does so on a thread that ends afterwards.
fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
