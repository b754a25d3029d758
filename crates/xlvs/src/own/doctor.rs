//! `xlvs doctor`: what on this host keeps xlvs from doing its work, why that is so, and the command that mends it.
//!
//! Everything is read first ([`host`]), then judged by a table of checks that only look at what was read.

mod checks;
mod firewall;
mod host;
#[cfg(test)]
mod tests;

use super::Doctor;
use crate::output;
use host::Host;
use serde::Serialize;
use std::process::ExitCode;

/// How well a thing is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// What a check has found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Finding {
    level: Level,
    /// Name of the check.
    check: &'static str,
    what: String,
    /// Why it matters.
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'static str,
    /// The command, or what else to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

/// What a check says, before its name is known.
struct Said {
    level: Level,
    what: String,
    why: &'static str,
    fix: String,
}

fn well(what: impl Into<String>) -> Said {
    Said { level: Level::Ok, what: what.into(), why: "", fix: String::new() }
}

fn ill(level: Level, what: impl Into<String>, why: &'static str, fix: impl Into<String>) -> Said {
    Said { level, what: what.into(), why, fix: fix.into() }
}

/// All checks, over what was read.
fn examine(host: &Host) -> Vec<Finding> {
    let findings = checks::ALL.iter().flat_map(|(check, look)| {
        look(host).into_iter().map(|Said { level, what, why, fix }| Finding { level, check, what, why, fix })
    });
    findings.collect()
}

pub(super) fn run(typed: &Doctor) -> ExitCode {
    let findings = examine(&Host::read(&typed.interfaces));
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    let text = if typed.json {
        match serde_json::to_string_pretty(&findings) {
            Ok(text) => text + "\n",
            Err(error) => return output::failed(error),
        }
    } else {
        findings.iter().map(shown).collect()
    };
    output::data(&text);
    ExitCode::from(worst as u8)
}

fn shown(finding: &Finding) -> String {
    let level = match finding.level {
        Level::Ok => "ok  ",
        Level::Warn => "WARN",
        Level::Fail => "FAIL",
    };
    let mut text = format!("{level}  {}: {}\n", finding.check, finding.what);
    for (word, line) in [("why", finding.why), ("fix", finding.fix.as_str())] {
        if !line.is_empty() {
            text.push_str(&format!("      {word}: {line}\n"));
        }
    }
    text
}
