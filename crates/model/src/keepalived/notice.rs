//! What a file asks for that is not done, and whether that matters.

use super::{Place, Statement};
use crate::config::printable;
use std::fmt;

/// How much it matters that something is not done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Mail, SNMP, process names: packets go where they went.
    Cosmetic,
    /// Forwarding, election or security would be other than the file says.
    Changing,
}

/// Something that a file asks for and that is not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Whether it matters.
    pub severity: Severity,
    /// Where it stands.
    pub place: Place,
    /// What is not done, and what to do about it.
    pub message: String,
}

impl Notice {
    /// Where, and what: without whether it matters.
    pub fn unjudged(&self) -> String {
        format!("{}:{}: {}", self.place.file, self.place.line, self.message)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.severity {
            Severity::Cosmetic => "warning",
            Severity::Changing => "refused",
        };
        write!(formatter, "{}:{}: {kind}: {}", self.place.file, self.place.line, self.message)
    }
}

/// Notices as they are found.
#[derive(Debug, Default)]
pub(super) struct Notices(pub(super) Vec<Notice>);

impl Notices {
    pub(super) fn cosmetic(&mut self, statement: &Statement, message: impl Into<String>) {
        self.add(Severity::Cosmetic, &statement.place, message);
    }

    pub(super) fn changing(&mut self, statement: &Statement, message: impl Into<String>) {
        self.add(Severity::Changing, &statement.place, message);
    }

    pub(super) fn add(&mut self, severity: Severity, place: &Place, message: impl Into<String>) {
        self.0.push(Notice { severity, place: place.clone(), message: printable(&message.into()) });
    }
}
