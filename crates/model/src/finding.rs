//! What a look at a host has found: how well each thing is, why it matters, and the command that mends it.

use serde::Serialize;
use std::fmt;

/// How well a thing is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could.
    Warn,
    /// It does not work.
    Fail,
}

/// What a check has found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// How well it is.
    pub level: Level,
    /// Name of the check.
    pub check: &'static str,
    /// What was seen.
    pub what: String,
    /// Why it matters.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub why: &'static str,
    /// The command, or what else to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

/// What a check says, before its name is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    level: Level,
    what: String,
    why: &'static str,
    fix: String,
}

impl Said {
    /// All is well.
    pub fn well(what: impl Into<String>) -> Self {
        Self { level: Level::Ok, what: what.into(), why: "", fix: String::new() }
    }

    /// Something is not.
    pub fn ill(level: Level, what: impl Into<String>, why: &'static str, fix: impl Into<String>) -> Self {
        Self { level, what: what.into(), why, fix: fix.into() }
    }

    /// The finding of the check with this name.
    pub fn by(self, check: &'static str) -> Finding {
        let Self { level, what, why, fix } = self;
        Finding { level, check, what, why, fix }
    }
}

impl Finding {
    /// The worst of several; nothing found is well.
    pub fn worst(findings: &[Self]) -> Level {
        findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "WARN",
            Level::Fail => "FAIL",
        };
        writeln!(to, "{level}  {}: {}", self.check, self.what)?;
        for (word, line) in [("why", self.why), ("fix", self.fix.as_str())] {
            if !line.is_empty() {
                writeln!(to, "      {word}: {line}")?;
            }
        }
        Ok(())
    }
}
