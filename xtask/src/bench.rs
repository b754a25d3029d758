//! `bench`: set-up, release build of the measurements, then the measurement named. Its stdout is left alone.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{setup, step, workspace};

pub(crate) fn run(options: &[String]) -> Result<ExitCode> {
    setup::run()?;
    step::run(
        "release build of the measurements",
        &mut workspace::cargo(["build", "--release", "--package", "bench"]),
    )?;
    let bench = workspace::target_directory()?.join("release/bench");
    step::hand_over(Command::new(bench).args(options))
}
