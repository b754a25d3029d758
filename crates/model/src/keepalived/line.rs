//! A line of a configuration, and where it came from.

use crate::ConfigError;
use crate::config::printable;
use std::sync::Arc;

/// Where a line stands. What definitions and sequences make has the place of the line that used them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// The line as it was written.
    text: Arc<str>,
}

impl Place {
    pub(super) fn new(file: &Arc<str>, line: usize, text: &str) -> Self {
        Self { file: Arc::clone(file), line, text: text.into() }
    }

    /// How this place is called in a message about another one.
    pub(super) fn seen_from(&self, other: &Self) -> String {
        if self.file == other.file { format!("line {}", self.line) } else { format!("{}:{}", self.file, self.line) }
    }

    /// An error here, at `word` if the line has it as it stands.
    pub fn fault(&self, word: &str, message: impl Into<String>) -> ConfigError {
        let before = self.text.find(word).and_then(|at| self.text.get(..at)).unwrap_or("");
        let column = before.chars().count() + 1;
        ConfigError {
            file: self.file.as_ref().to_owned(),
            line: self.line,
            column,
            message: printable(&message.into()),
        }
    }
}

/// A line without its comment, not yet expanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Line {
    pub(super) fn new(text: impl Into<String>, place: &Place) -> Self {
        Self { text: text.into(), place: place.clone() }
    }

    pub(super) fn fault(&self, word: &str, message: impl Into<String>) -> ConfigError {
        self.place.fault(word, message)
    }
}

/// The part of a line before its comment: `!` and `#` begin one anywhere outside quotes.
pub(super) fn without_comment(text: &str) -> &str {
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            ('"' | '\'', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            ('!' | '#', None) => return text.get(..at).unwrap_or(text),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_end_lines_outside_quotes() {
        for (text, kept) in [
            ("weight 1 # heavy", "weight 1 "),
            ("! all of it", ""),
            ("regex \"a#b!c\" # d", "regex \"a#b!c\" "),
            ("path '/#'!x", "path '/#'"),
            ("regex \"\\\"#\" #", "regex \"\\\"#\" "),
            ("plain", "plain"),
        ] {
            assert_eq!(without_comment(text), kept, "{text}");
        }
    }

    #[test]
    fn faults_name_line_and_column() {
        let place = Place::new(&"k.conf".into(), 7, "  weight 1x");
        assert_eq!(place.fault("1x", "no").to_string(), "k.conf:7:10: no");
        assert_eq!(place.fault("elsewhere", "no").to_string(), "k.conf:7:1: no");
    }
}
