//! `bench`: set-up, release build of the measurements, then the measurement named. Its stdout is left alone.

mod against;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{setup, step, workspace};

const AGAINST: &str = "--against";
const IN_THE_LABORATORY: [&str; 3] = ["lab", "health", "reload"];

pub(crate) fn run(options: &[String]) -> Result<ExitCode> {
    setup::run()?;
    let mut build = workspace::cargo(["build", "--release", "--package", "bench"]);
    if options.first().is_some_and(|part| IN_THE_LABORATORY.contains(&part.as_str())) {
        // The laboratory runs the binary as a user gets it.
        build.args(["--package", "xlvs"]);
    }
    let options = with_object(options)?;
    step::run("release build of the measurements", &mut build)?;
    let bench = workspace::target_directory()?.join("release/bench");
    step::hand_over(Command::new(bench).args(options))
}

/// The options, a commit in `--against COMMIT` replaced by the object that is built from it.
fn with_object(options: &[String]) -> Result<Vec<String>> {
    let mut options = options.to_vec();
    let Some(place) = options.iter().position(|option| option == AGAINST) else { return Ok(options) };
    let value = options.get_mut(place + 1).context("--against needs a commit or an object file")?;
    if !Path::new(value.as_str()).is_file() {
        *value = against::object(value)?.display().to_string();
    }
    Ok(options)
}
