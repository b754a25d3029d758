//! keepalived.conf: the language of its files, and what they say about virtual services.
//!
//! Reading goes in three steps: files to lines (includes, `@` conditions, `$` definitions, `~SEQ` and `~LST`), lines to
//! statements (quotes and braces), statements to a configuration. keepalived.conf(5) of keepalived 2.2 is the measure.

mod definitions;
mod expand;
mod files;
mod line;
mod sequence;
mod statement;
#[cfg(test)]
mod tests;
mod words;

pub use expand::MissingInclude;
pub use files::Files;
pub use line::Place;
pub use statement::Statement;
pub use words::Word;

use crate::ConfigError;
use expand::Expander;

/// A configuration as statements, everything expanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// In the order of the files.
    pub statements: Vec<Statement>,
    /// Includes that matched no file.
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
