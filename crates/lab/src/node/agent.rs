//! The real server's half of the real binary: `xlvs real-server` on a host of the laboratory.

use super::process::{Finished, finish};
use super::xlvs::binary;
use crate::net::Namespace;
use crate::work::WorkDirectory;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Longest life of a command.
const COMMAND: Duration = Duration::from_secs(60);

/// A host that is made a real server.
pub struct Agent {
    host: Namespace,
    directory: PathBuf,
    pins: PathBuf,
}

impl Agent {
    /// On `host`, with its record and its pins below the directory of a laboratory. Nothing is changed yet.
    pub fn new(host: &Namespace, work: &WorkDirectory) -> Self {
        let pins = work.bpf().join(format!("agent-{}", host.name()));
        Self { host: host.clone(), directory: work.path().join(format!("run-{}", host.name())), pins }
    }

    /// The same on another host, in the directories of this one.
    pub fn beside(&self, host: &Namespace) -> Self {
        Self { host: host.clone(), directory: self.directory.clone(), pins: self.pins.clone() }
    }

    /// Where its record is kept.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where its programs are pinned, below.
    pub fn pins(&self) -> &Path {
        &self.pins
    }

    /// `xlvs real-server LINE`, not run yet.
    pub fn command(&self, line: &str) -> Result<Command> {
        let mut command = self.host.command(binary()?);
        command.arg("real-server").args(line.split_whitespace()).arg("--run-dir").arg(&self.directory);
        command.arg("--pin-dir").arg(&self.pins);
        Ok(command)
    }

    /// Runs it, whatever comes of it.
    pub fn run(&self, line: &str) -> Result<Finished> {
        finish(&mut self.command(line)?, COMMAND)
    }

    /// Runs it; it must succeed.
    pub fn must(&self, line: &str) -> Result<String> {
        self.run(line)?.success().with_context(|| format!("xlvs real-server {line}"))
    }

    /// What `status` finds: exit code and JSON.
    pub fn status(&self) -> Result<(Option<i32>, Value)> {
        let finished = self.run("status --json")?;
        Ok((finished.code, serde_json::from_str(&finished.stdout).context("xlvs real-server status --json")?))
    }
}
