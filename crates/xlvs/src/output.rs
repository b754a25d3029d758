//! Data goes to stdout, talk goes to stderr. A reader that has left (a broken pipe) is no failure.

use std::io::{self, Write};
use std::process::ExitCode;

/// Writes `text` to stdout.
pub(crate) fn data(text: &str) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        talk(&format!("cannot write to standard output: {error}"));
        std::process::exit(1);
    }
}

/// Writes one line to stderr. If even that fails there is nobody left to tell.
pub(crate) fn talk(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Says why, and gives the exit code of a command that failed.
pub(crate) fn failed(why: impl std::fmt::Display) -> ExitCode {
    talk(&format!("xlvs: {why}"));
    ExitCode::from(1)
}

/// Says why, and gives the exit code of a command that was typed wrongly.
pub(crate) fn misused(why: impl std::fmt::Display) -> ExitCode {
    talk(&format!("xlvs: {why}"));
    ExitCode::from(2)
}
