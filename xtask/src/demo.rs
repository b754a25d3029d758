//! `demo`: set-up, release build, then the lab's demo with the remaining options. Its stdout is left alone.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{setup, step, workspace};

pub(crate) fn run(options: &[String]) -> Result<ExitCode> {
    setup::run()?;
    let mut build = workspace::cargo(["build", "--release", "--package", "xlvs", "--package", "lab", "--bins"]);
    step::run("release build of xlvs and the lab", &mut build)?;
    let demo = workspace::target_directory()?.join("release/demo");
    step::hand_over(Command::new(demo).args(options))
}
