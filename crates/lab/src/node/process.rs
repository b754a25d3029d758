//! Child processes with an end: bounded waiting, both outputs collected.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output, or an error if the command failed.
    pub fn success(self) -> Result<String> {
        match self.code {
            Some(0) => Ok(self.stdout),
            code => bail!("exit code {code:?}: {}{}", self.stdout, self.stderr),
        }
    }
}

/// Runs a command to its end; kills it after `limit`.
pub fn finish(command: &mut Command, limit: Duration) -> Result<Finished> {
    finish_with(command, Stdio::null(), limit)
}

/// The same for a command that reads something.
pub fn finish_with(command: &mut Command, input: Stdio, limit: Duration) -> Result<Finished> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let Some(status) = wait(&mut child, limit)? else {
        child.kill()?;
        child.wait()?;
        bail!("{name} did not end within {limit:?}");
    };
    Ok(Finished { code: status.code(), stdout: joined(stdout), stderr: joined(stderr) })
}

/// Waits for a child, at most `limit`.
pub fn wait(child: &mut Child, limit: Duration) -> Result<Option<std::process::ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begin.elapsed() > limit {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Asks a child to end, and makes it end.
pub fn end(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id())
        && matches!(child.try_wait(), Ok(None))
    {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        if !matches!(wait(child, Duration::from_secs(5)), Ok(Some(_))) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(collector: thread::JoinHandle<String>) -> String {
    collector.join().unwrap_or_default()
}
