//! keepalived.conf: the language of its files, and what they say about virtual services.
//!
//! Reading goes in three steps: files to lines (includes, `@` conditions, `$` definitions, `~SEQ` and `~LST`), lines to
//! statements (quotes and braces), statements to a configuration. keepalived.conf(5) of keepalived 2.2 is the measure.

mod check;
mod definitions;
mod expand;
mod files;
mod global;
mod group;
mod inherited;
mod line;
mod method;
mod notice;
mod page;
mod room;
mod sequence;
mod server;
mod service;
mod statement;
#[cfg(test)]
mod tests;
mod translate;
mod user;
mod value;
mod words;

pub use expand::MissingInclude;
pub use files::Files;
pub use line::Place;
pub use notice::{Notice, Severity};
pub use service::CheckedService;
pub use statement::Statement;
pub use translate::Translation;
pub use words::Word;

use crate::ConfigError;
use crate::config::suggest;
use expand::Expander;
use notice::Notices;

/// A configuration as statements, everything expanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// In the order of the files.
    pub statements: Vec<Statement>,
    /// Includes whose wildcards match no file.
    pub missing: Vec<MissingInclude>,
}

impl Document {
    /// Reads a file and all it includes. `config_id` is what `@` conditions are compared with: the host's name up to its
    /// first dot, unless the operator gives another.
    pub fn read(files: &dyn Files, path: &str, config_id: &str) -> Result<Self, ConfigError> {
        let (lines, missing) = Expander::new(files, config_id).read(path)?;
        Ok(Self { statements: statement::tree(&lines)?, missing })
    }
}

/// A keyword that nobody knows where it stands. keepalived would go on with a line in its log.
fn unknown(statement: &Statement, place: &str, known: &[&str], notices: &mut Notices) {
    let keyword = statement.keyword();
    let hint = suggest::meant(keyword, known).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    notices.changing(statement, format!("`{keyword}` is no keyword of {place}{hint}"));
}
