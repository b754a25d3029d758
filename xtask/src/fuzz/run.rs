//! One target: its processes, bounded in time, and what their last words say.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result};

use super::report::{Row, Words};
use super::{Fuzzer, corpus};

/// Longest input in bytes: stories of some thirty packets.
pub(super) const LONGEST: u32 = 1024;
/// Seconds after which one input counts as a hang.
const HANG: u32 = 20;
const MEGABYTES: u32 = 2048;

/// Runs it in so many processes over one corpus.
pub(super) fn target(fuzzer: &Fuzzer, name: &str, seconds: u32, jobs: u32) -> Result<Row> {
    let findings = fuzzer.folder.join("findings").join(name);
    let logs = fuzzer.folder.join("logs");
    for folder in [&findings, &logs, &corpus::found(fuzzer, name)] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let before = listed(&findings)?;
    let log = |job: u32| logs.join(format!("{name}-{job}"));
    let mut children =
        (1..=jobs).map(|job| start(fuzzer, name, seconds, &findings, &log(job))).collect::<Result<Vec<Child>>>()?;
    for child in &mut children {
        // libFuzzer ends itself (-max_total_time, -timeout); a finding is seen by its file.
        child.wait().context("waiting for a fuzzer")?;
    }
    let words = (1..=jobs).map(|job| Words::read(&log(job))).collect::<Result<Vec<_>>>()?;
    let new = listed(&findings)?.into_iter().filter(|path| !before.contains(path)).collect();
    Ok(Row::new(name, &words, new))
}

fn start(fuzzer: &Fuzzer, name: &str, seconds: u32, findings: &Path, log: &Path) -> Result<Child> {
    let log = File::create(log).with_context(|| format!("writing {}", log.display()))?;
    let mut command = command(fuzzer, name);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(["-print_final_stats=1", "-reload=1"])
        .arg(corpus::found(fuzzer, name))
        .arg(corpus::kept(name))
        .stdout(log.try_clone()?)
        .stderr(log);
    command.spawn().with_context(|| format!("starting {}", fuzzer.binary.display()))
}

/// The binary with this target and the bounds of every run.
pub(super) fn command(fuzzer: &Fuzzer, name: &str) -> Command {
    let mut command = Command::new(&fuzzer.binary);
    command.env("XLVS_FUZZ_TARGET", name).env("RUST_BACKTRACE", "1");
    command.args([format!("-max_len={LONGEST}"), format!("-timeout={HANG}"), format!("-rss_limit_mb={MEGABYTES}")]);
    command
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
