//! `bench`: set-up, release build of the measurements, then the measurement named. Its stdout is left alone.

mod against;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::guest::{self, Guest, Version};
use crate::{setup, step, workspace};

const AGAINST: &str = "--against";
const IN_THE_LABORATORY: [&str; 3] = ["lab", "health", "reload"];
/// In a guest, whose kernel has IPVS.
const GUEST: &str = "--guest";

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
    if options.iter().any(|option| option == GUEST) {
        return in_guest(&bench, &options);
    }
    step::hand_over(Command::new(bench).args(options))
}

/// The same in a guest, which is slow and lacks the host's other work; half an hour at most.
fn in_guest(bench: &Path, options: &[String]) -> Result<ExitCode> {
    ensure!(options.first().is_some_and(|part| part == "health"), "--guest is for `bench health`");
    if let Some(obstacle) = guest::obstacle() {
        bail!("no guest: {obstacle}");
    }
    let guest =
        Guest { kernel: Version::V6_12, memory_mebibytes: 4096, processors: 2, timeout: Duration::from_secs(1800) };
    let mut command = vec![bench.display().to_string()];
    command.extend(options.iter().filter(|option| *option != GUEST).cloned());
    Ok(ExitCode::from(guest.run(&command, workspace::root())?))
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
