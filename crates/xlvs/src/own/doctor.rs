//! `xlvs doctor`: what on this host keeps xlvs from doing its work, why that is so, and the command that mends it.
//!
//! Everything is read first ([`host`]), then judged by a table of checks that only look at what was read.

mod checks;
mod firewall;
mod host;
mod namespace;
#[cfg(test)]
mod tests;

pub(super) use host::rulesets;

use super::Doctor;
use crate::output;
use host::Host;
use model::{Finding, Level, Said};
use std::process::ExitCode;

fn well(what: impl Into<String>) -> Said {
    Said::well(what)
}

fn ill(level: Level, what: impl Into<String>, why: &'static str, fix: impl Into<String>) -> Said {
    Said::ill(level, what, why, fix)
}

/// All checks, over what was read.
fn examine(host: &Host) -> Vec<Finding> {
    checks::ALL.iter().flat_map(|(check, look)| look(host).into_iter().map(|said| said.by(check))).collect()
}

pub(super) fn run(typed: &Doctor) -> ExitCode {
    let findings = examine(&Host::read(&typed.interfaces));
    let text = if typed.json {
        match serde_json::to_string_pretty(&serde_json::json!({ "is": "findings", "findings": findings })) {
            Ok(text) => text + "\n",
            Err(error) => return output::failed(error),
        }
    } else {
        findings.iter().map(Finding::to_string).collect()
    };
    output::data(&text);
    ExitCode::from(Finding::worst(&findings) as u8)
}
