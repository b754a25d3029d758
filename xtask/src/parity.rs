//! `parity`: the packet cases run on the host and by the loaded programs, on this kernel or, as a test executable,
//! wherever it is taken.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{setup, step, workspace};

/// What the test executable is told: show the tables it prints, leave nothing out.
pub(crate) const ARGUMENTS: [&str; 4] = ["--include-ignored", "--nocapture", "--test-threads", "1"];

pub(crate) fn run() -> Result<()> {
    setup::run()?;
    let mut cargo = workspace::cargo(["test", "--package", "dataplane", "--test", "parity", "--"]);
    step::run("parity of host and kernel", cargo.args(ARGUMENTS))
}

/// Builds the test and says where its executable is.
pub(crate) fn executable() -> Result<PathBuf> {
    let build = ["test", "--package", "dataplane", "--test", "parity", "--no-run", "--message-format", "json"];
    let messages = step::output(&mut workspace::cargo(build))?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "parity")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo named no executable for dataplane's test `parity`")
}
