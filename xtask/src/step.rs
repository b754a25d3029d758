//! One step of a verb: announced before it starts, timed when it ends, an error that names the command when it fails.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs a command with this terminal and fails with its name when it fails.
pub(crate) fn run(title: &str, command: &mut Command) -> Result<()> {
    eprintln!("==> {title}");
    execute(command)
}

/// The same without an announcement.
pub(crate) fn execute(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", words(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", words(command));
    }
    Ok(())
}

/// Runs a program that owns stdout and whose exit code is the verb's.
pub(crate) fn hand_over(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("cannot run {}", words(command)))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs a command for what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run {}", words(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})", words(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no text", words(command)))
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// What has been done so far, for a summary at the end.
#[derive(Default)]
pub(crate) struct Summary {
    lines: Vec<(String, Duration, bool)>,
}

impl Summary {
    /// Runs one step, notes how long it took and how it ended, and prints everything so far when it failed.
    pub(crate) fn step(&mut self, title: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        eprintln!("==> {title}");
        let start = Instant::now();
        let result = work();
        self.lines.push((title.to_owned(), start.elapsed(), result.is_ok()));
        if result.is_err() {
            self.print();
        }
        result.with_context(|| title.to_owned())
    }

    pub(crate) fn print(&self) {
        eprintln!("\n{:<44} {:>9}", "step", "seconds");
        for (title, time, passed) in &self.lines {
            let verdict = if *passed { "ok" } else { "FAILED" };
            eprintln!("{title:<44} {:>9.1}  {verdict}", time.as_secs_f64());
        }
    }
}
