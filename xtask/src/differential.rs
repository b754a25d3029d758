//! `vm-test --differential`: the kernel's IPVS as referee, in a guest whose kernel has it.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::guest::Guest;
use crate::{step, workspace};

pub(crate) fn run(guest: &Guest, only: Option<&str>, record: bool) -> Result<ExitCode> {
    let player = build()?;
    let mut command = vec![player.display().to_string()];
    if let Some(only) = only {
        command.extend(["--only".to_owned(), only.to_owned()]);
    }
    let folder = workspace::root();
    if !record {
        let binary = workspace::target_directory()?.join("release/xlvs");
        command.splice(0..0, ["env".to_owned(), format!("XLVS_BINARY={}", binary.display())]);
        return Ok(ExitCode::from(guest.run(&command, folder)?));
    }
    command.extend(["--transcribe", "kernel"].map(str::to_owned));
    let (code, said) = guest.output(&command, folder)?;
    ensure!(code == 0, "the player ended with exit code {code}; nothing is recorded");
    // In the guest nothing can be written that stays.
    let transcripts = workspace::target_directory()?.join("differential.txt");
    std::fs::write(&transcripts, said)?;
    step::execute(Command::new(&player).arg("--record").arg(&transcripts))?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the player and the xlvs it plays against.
fn build() -> Result<PathBuf> {
    step::execute(&mut workspace::cargo(["build", "--release", "--package", "xlvs"]))?;
    step::execute(&mut workspace::cargo(["build", "--package", "lab", "--bin", "differential"]))?;
    Ok(workspace::target_directory()?.join("debug/differential"))
}
