//! Lines as a tree: a keyword with its arguments, and the block behind it if there is one.

use super::line::{Line, Place};
use super::words::{self, Word};
use crate::ConfigError;

/// A keyword, its arguments and its block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The keyword and what follows it on the line; never empty.
    pub words: Vec<Word>,
    /// What stands between the braces behind it.
    pub block: Option<Vec<Statement>>,
    /// Where the keyword stands.
    pub place: Place,
}

impl Statement {
    /// The first word.
    pub fn keyword(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// The words after the keyword.
    pub fn arguments(&self) -> impl ExactSizeIterator<Item = &str> {
        self.words.iter().skip(1).map(|word| word.text.as_str())
    }

    /// The first argument.
    pub fn argument(&self) -> Option<&str> {
        self.words.get(1).map(|word| word.text.as_str())
    }

    /// The statements of its block.
    pub fn statements(&self) -> &[Self] {
        self.block.as_deref().unwrap_or(&[])
    }

    /// An error at its keyword.
    pub fn fault(&self, message: impl Into<String>) -> ConfigError {
        self.place.fault(self.keyword(), message)
    }

    /// An error at one of its words.
    pub fn fault_at(&self, word: &str, message: impl Into<String>) -> ConfigError {
        self.place.fault(word, message)
    }
}

/// Blocks within blocks, at most: what is deeper is no configuration.
const DEEPEST: usize = 16;

/// The statements of all lines.
pub(super) fn tree(lines: &[Line]) -> Result<Vec<Statement>, ConfigError> {
    let mut builder = Builder { levels: vec![Vec::new()] };
    for line in lines {
        let mut statement: Vec<Word> = Vec::new();
        for word in words::split(&line.text, &line.place)? {
            match (word.text.as_str(), word.quoted) {
                ("{", false) => {
                    builder.add(std::mem::take(&mut statement), &line.place);
                    builder.open(&line.place)?;
                }
                ("}", false) => {
                    builder.add(std::mem::take(&mut statement), &line.place);
                    builder.close(&line.place)?;
                }
                _ => statement.push(word),
            }
        }
        builder.add(statement, &line.place);
    }
    builder.finish()
}

/// Statements of the blocks that are open, the outermost first.
struct Builder {
    levels: Vec<Vec<Statement>>,
}

impl Builder {
    fn add(&mut self, words: Vec<Word>, place: &Place) {
        if !words.is_empty()
            && let Some(level) = self.levels.last_mut()
        {
            level.push(Statement { words, block: None, place: place.clone() });
        }
    }

    fn open(&mut self, place: &Place) -> Result<(), ConfigError> {
        let owner = self.levels.last().and_then(|level| level.last());
        if owner.is_none_or(|owner| owner.block.is_some()) {
            return Err(place.fault("{", "a `{` without a keyword before it; remove it, or write the keyword"));
        }
        if self.levels.len() > DEEPEST {
            return Err(place.fault("{", format!("more than {DEEPEST} blocks within each other; a `}}` is missing?")));
        }
        self.levels.push(Vec::new());
        Ok(())
    }

    fn close(&mut self, place: &Place) -> Result<(), ConfigError> {
        let block = if self.levels.len() > 1 { self.levels.pop() } else { None };
        let owner = self.levels.last_mut().and_then(|level| level.last_mut());
        match (block, owner) {
            (Some(block), Some(owner)) => owner.block = Some(block),
            _ => return Err(place.fault("}", "a `}` that closes nothing; remove it, or a `{` is missing before")),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Statement>, ConfigError> {
        let statements = self.levels.pop().unwrap_or_default();
        match self.levels.last().and_then(|level| level.last()) {
            None => Ok(statements),
            Some(open) => Err(open.fault(format!("the block of `{}` is not closed; add a `}}`", open.keyword()))),
        }
    }
}
