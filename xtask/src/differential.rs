//! `vm-test --differential` and `--keepalived`: the kernel's IPVS as referee, alone and with keepalived, in a guest whose
//! kernel has it.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::guest::Guest;
use crate::{step, workspace};

/// A program of the lab that lets a referee and xlvs do the same, and compares.
pub(crate) struct Player {
    program: &'static str,
    /// Whom it takes for right.
    referee: &'static str,
    options: Vec<String>,
}

impl Player {
    /// IPVS: what becomes of packets.
    pub(crate) fn differential() -> Self {
        Self { program: "differential", referee: "kernel", options: Vec::new() }
    }

    /// keepalived: what becomes of servers. A guest without hardware support is slow: it is looked longer at what comes
    /// of a step, and at fewer plays at once.
    pub(crate) fn keepalived() -> Self {
        Self::referee("--at-once 4 --stretch 2")
    }

    /// keepalived: how long servers that fail stay in.
    pub(crate) fn detection(repetitions: u32, json: bool) -> Self {
        Self::referee(&format!("--at-once 3 --detect {repetitions}{}", if json { " --json" } else { "" }))
    }

    fn referee(options: &str) -> Self {
        let options = options.split(' ').map(str::to_owned).collect();
        Self { program: "referee", referee: "keepalived", options }
    }
}

pub(crate) fn run(what: &Player, guest: &Guest, only: Option<&str>, record: bool) -> Result<ExitCode> {
    let player = build(what.program)?;
    if !record {
        // Who is only recorded plays alone.
        step::execute(&mut workspace::cargo(["build", "--release", "--package", "xlvs"]))?;
    }
    let mut command = vec![player.display().to_string()];
    command.extend_from_slice(&what.options);
    if let Some(only) = only {
        command.extend(["--only".to_owned(), only.to_owned()]);
    }
    let folder = workspace::root();
    if !record {
        let binary = workspace::target_directory()?.join("release/xlvs");
        command.splice(0..0, ["env".to_owned(), format!("XLVS_BINARY={}", binary.display())]);
        return Ok(ExitCode::from(guest.run(&command, folder)?));
    }
    command.extend(["--transcribe", what.referee].map(str::to_owned));
    let (code, said) = guest.output(&command, folder)?;
    ensure!(code == 0, "the player ended with exit code {code}; nothing is recorded");
    // In the guest nothing can be written that stays.
    let transcripts = workspace::target_directory()?.join(what.program).with_extension("txt");
    std::fs::write(&transcripts, said)?;
    step::execute(Command::new(&player).arg("--record").arg(&transcripts))?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the player.
fn build(program: &str) -> Result<PathBuf> {
    step::execute(&mut workspace::cargo(["build", "--package", "lab", "--bin", program]))?;
    Ok(workspace::target_directory()?.join("debug").join(program))
}
