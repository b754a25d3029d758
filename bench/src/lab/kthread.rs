//! Threaded NAPI: the receiving side of a device as a kernel thread, whose running time can be read.
#![expect(unsafe_code, reason = "sched_setscheduler(2) has no safe wrapper")]

use ::lab::net::Device;
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::unistd::Pid;
use std::fs;
use std::time::{Duration, Instant};

/// The kernel threads of one device, one for each of its queues.
pub(super) struct Kthread {
    threads: Vec<Pid>,
}

impl Kthread {
    /// Makes the device's receiving side threads, on this CPU and before everything else there.
    ///
    /// The switch lies in the sysfs of the device's namespace, which is mounted privately and away from /sys.
    pub(super) fn of(device: &Device, cpu: usize, priority: i32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let threaded = folder.path().join("class/net").join(&device.name).join("threaded");
        device
            .namespace
            .run(|| {
                unshare(CloneFlags::CLONE_NEWNS)?;
                mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
                mount(Some("sysfs"), folder.path(), Some("sysfs"), MsFlags::empty(), None::<&str>)?;
                Ok(fs::write(&threaded, "1")?)
            })
            .with_context(|| format!("threaded NAPI of {}", device.name))?;
        let this = Self { threads: wait_for_threads(&device.name)? };
        this.threads.iter().try_for_each(|thread| prefer(*thread, cpu, priority))?;
        Ok(this)
    }

    /// Nanoseconds that the threads have run (`sum_exec_runtime`).
    pub(super) fn runtime(&self) -> Result<u64> {
        let one = |thread: &Pid| -> Result<u64> {
            let text = fs::read_to_string(format!("/proc/{thread}/schedstat"))?;
            Ok(text.split(' ').next().context("empty schedstat")?.parse()?)
        };
        self.threads.iter().map(one).sum()
    }
}

/// Threads are named `napi/DEVICE-NUMBER`; devices of this measurement have names of their own.
fn wait_for_threads(device: &str) -> Result<Vec<Pid>> {
    let prefix = format!("napi/{device}-");
    let begin = Instant::now();
    loop {
        let threads = threads_named(&prefix);
        if !threads.is_empty() {
            return Ok(threads);
        }
        ensure!(begin.elapsed() < Duration::from_secs(2), "{device} has no NAPI thread");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn threads_named(prefix: &str) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|id| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.starts_with(prefix)))
        .map(Pid::from_raw)
        .collect()
}

fn prefer(thread: Pid, cpu: usize, priority: i32) -> Result<()> {
    stay_on(thread, cpu)?;
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the structure outlives the call, which only reads it.
    let result = unsafe { libc::sched_setscheduler(thread.as_raw(), libc::SCHED_FIFO, &raw const parameters) };
    Errno::result(result).map(drop).context("real-time priority for a NAPI thread")
}

/// Ties a thread (0: this one) to a CPU.
pub(super) fn stay_on(thread: Pid, cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(thread, &set).with_context(|| format!("tying a thread to CPU {cpu}"))
}
