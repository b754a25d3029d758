//! `ipvsadm` 1.31 as its users know it: what was typed ([`command`]) becomes what is meant ([`intent`]), which is
//! asked of the daemon ([`execute`]) and shown by [`crate::table`].

mod address;
mod command;
mod configuration;
mod daemon;
mod execute;
mod failure;
mod help;
mod intent;
pub mod law;
mod legality;
mod notices;
mod number;
mod options;
mod restore;
mod scheduling;
mod typed;

pub(crate) use configuration::{configuration, is_rules};

use crate::output;
use crate::session::Session;
use execute::{Front, Outcome};
use failure::Failure;
use std::ffi::OsString;
use std::process::ExitCode;

/// `ipvsadm ARGUMENTS`; without any, the table.
pub(crate) fn run(program: &str, arguments: &[OsString]) -> ExitCode {
    with_front(program, |front| match text(arguments) {
        arguments if arguments.is_empty() => front.line(&["-L".to_owned()]),
        arguments => front.line(&arguments),
    })
}

/// `ipvsadm-save [-n]`
pub(crate) fn save(arguments: &[OsString]) -> ExitCode {
    let arguments = text(arguments);
    if arguments.iter().any(|argument| argument.starts_with('-') && argument != "-n") {
        output::talk(help::SAVE);
        return ExitCode::from(1);
    }
    let numeric = arguments.iter().any(|argument| argument == "-n");
    let line = if numeric { "-Sn" } else { "-S" };
    with_front("ipvsadm", |front| front.line(&[line.to_owned()]))
}

/// `ipvsadm-restore [--atomic]`: replaces the table by the rules on stdin.
pub(crate) fn restore(arguments: &[OsString]) -> ExitCode {
    let arguments = text(arguments);
    if arguments.iter().any(|argument| argument == "-h" || argument == "--help") {
        output::talk(help::RESTORE);
        return ExitCode::from(1);
    }
    let atomic = arguments.iter().any(|argument| argument == "--atomic");
    with_front("ipvsadm", |front| restore::replace(front, atomic))
}

fn with_front(program: &str, work: impl FnOnce(&Front) -> Outcome) -> ExitCode {
    let outcome = match Session::open() {
        Ok(session) => work(&Front::new(program, session)),
        Err(trouble) => Outcome::failed(Failure::unreachable(trouble)),
    };
    ExitCode::from(outcome.code)
}

/// Arguments as text. What is not UTF-8 can be no address, number or name, and is refused as such further on.
fn text(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
}
