//! Who directs: keepalived with the kernel's IPVS, or xlvs; told the same in the same words.

use super::table::Table;
use crate::net::Namespace;
use crate::node::{Entry, Xlvs, end, finish};
use crate::work::WorkDirectory;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longest life of a command.
const COMMAND: Duration = Duration::from_secs(60);

/// Who is on the stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Side {
    /// keepalived and the kernel's IPVS.
    Keepalived,
    /// xlvs.
    Xlvs,
}

impl Side {
    /// Fails where the kernel lacks what this side works with.
    pub fn need(self) -> Result<()> {
        if self == Self::Xlvs {
            return Ok(());
        }
        let loaded =
            finish(Command::new("modprobe").args(["-a", "ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_wlc"]), COMMAND)?;
        loaded
            .success()
            .context("the kernel has no IPVS; guests of xtask have (vm-test --keepalived, bench health --guest)")
            .map(drop)
    }
}

/// The director of a play.
pub(super) enum Director {
    Keepalived(Keepalived),
    Xlvs(Box<Xlvs>),
}

impl Director {
    pub(super) fn new(side: Side, host: &Namespace, name: &str, device: &str, work: &WorkDirectory) -> Result<Self> {
        Ok(match side {
            Side::Keepalived => Self::Keepalived(Keepalived::new(host, &work.path().join(name))?),
            Side::Xlvs => Self::Xlvs(Box::new(Xlvs::new(host, name, &[device], work, Entry::Direct)?)),
        })
    }

    pub(super) fn start(&mut self, configuration: &str) -> Result<()> {
        match self {
            Self::Keepalived(keepalived) => keepalived.start(configuration),
            Self::Xlvs(xlvs) => {
                xlvs.configure_as("keepalived.conf", configuration)?;
                xlvs.start()
            }
        }
    }

    pub(super) fn reload(&mut self, configuration: &str) -> Result<()> {
        match self {
            Self::Keepalived(keepalived) => keepalived.reload(configuration),
            Self::Xlvs(xlvs) => {
                xlvs.configure_as("keepalived.conf", configuration)?;
                signal(xlvs.pid().context("xlvs does not run")?, Signal::SIGHUP)
            }
        }
    }

    pub(super) fn stop(&mut self) -> Result<()> {
        match self {
            Self::Keepalived(keepalived) => {
                end(&mut keepalived.child.take().context("keepalived does not run")?);
                Ok(())
            }
            Self::Xlvs(xlvs) => xlvs.stop(false),
        }
    }

    pub(super) fn crash(&mut self) -> Result<()> {
        match self {
            Self::Keepalived(keepalived) => keepalived.crash(),
            Self::Xlvs(xlvs) => xlvs.kill_nine(),
        }
    }

    /// What is in the table, in some form that changes when it does.
    pub(super) fn glance(&self) -> String {
        match self {
            Self::Keepalived(keepalived) => keepalived.host.proc_net("ip_vs").unwrap_or_default(),
            Self::Xlvs(xlvs) => {
                xlvs.ask(&serde_json::json!({"do": "list"})).map(|list| list.to_string()).unwrap_or_default()
            }
        }
    }

    /// What `ipvsadm -Ln` says; nothing while there is nobody to ask.
    pub(super) fn table(&self) -> Table {
        let listing = match self {
            Self::Keepalived(keepalived) => {
                let said = finish(keepalived.host.command("ipvsadm").arg("-Ln"), COMMAND);
                said.and_then(crate::node::Finished::success)
            }
            Self::Xlvs(xlvs) => xlvs.ipvsadm("-Ln"),
        };
        Table::read(&listing.unwrap_or_default())
    }

    /// What it said so far.
    pub(super) fn log(&self) -> String {
        match self {
            Self::Keepalived(keepalived) => keepalived.log(),
            Self::Xlvs(xlvs) => xlvs.log(),
        }
    }
}

/// keepalived's checker. It ends when this is dropped.
pub(super) struct Keepalived {
    host: Namespace,
    directory: PathBuf,
    child: Option<Child>,
}

impl Keepalived {
    fn new(host: &Namespace, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { host: host.clone(), directory: directory.to_owned(), child: None })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn start(&mut self, configuration: &str) -> Result<()> {
        ensure!(self.child.is_none(), "keepalived runs already");
        fs::write(self.path("keepalived.conf"), configuration)?;
        let log = File::options().create(true).append(true).open(self.path("log"))?;
        let mut command = self.host.command("keepalived");
        command.args(["--dont-fork", "--log-console", "--log-detail", "--check"]);
        for (option, file) in [("--use-file", "keepalived.conf"), ("--pid", "pid"), ("--checkers_pid", "checker.pid")] {
            command.arg(option).arg(self.path(file));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let before = self.starts();
        self.child = Some(command.spawn().context("starting keepalived")?);
        let begin = Instant::now();
        while self.starts() == before {
            ensure!(begin.elapsed() < COMMAND, "keepalived does not start: {}", self.log());
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How often it has started so far.
    fn starts(&self) -> usize {
        self.log().matches("Startup complete").count()
    }

    fn reload(&self, configuration: &str) -> Result<()> {
        fs::write(self.path("keepalived.conf"), configuration)?;
        signal(self.child.as_ref().context("keepalived does not run")?.id(), Signal::SIGHUP)
    }

    /// The checker first: it would put the table in order if it outlived its parent.
    fn crash(&mut self) -> Result<()> {
        let mut child = self.child.take().context("keepalived does not run")?;
        let checker = fs::read_to_string(self.path("checker.pid")).context("keepalived's checker")?;
        signal(child.id(), Signal::SIGSTOP)?;
        signal(checker.trim().parse()?, Signal::SIGKILL)?;
        child.kill()?;
        child.wait()?;
        // It would be taken for one that still runs.
        ["pid", "checker.pid"].iter().for_each(|file| drop(fs::remove_file(self.path(file))));
        Ok(())
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end(child);
        }
    }
}

fn signal(process: u32, signal: Signal) -> Result<()> {
    Ok(kill(Pid::from_raw(i32::try_from(process)?), signal)?)
}
