//! A line of a configuration, and where it came from.

use crate::ConfigError;
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

/// Most letters of one word that a message shows.
const LONGEST_WORD: usize = 120;

/// A message on one line of words that end, whatever it quotes of the file.
pub(super) fn printable(message: &str) -> String {
    let mut text = String::new();
    let mut length = 0;
    for letter in message.chars() {
        length = if letter.is_whitespace() { 0 } else { length + 1 };
        match length {
            _ if letter.is_control() && length <= LONGEST_WORD => text.extend(letter.escape_default()),
            ..=LONGEST_WORD => text.push(letter),
            // The end of a quotation, as if all of it were shown.
            _ if letter == '`' => text.push_str("…`"),
            _ => {}
        }
    }
    text
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
    fn messages_show_the_beginning_of_long_words() {
        let word = "x".repeat(100_000);
        let shown = printable(&format!("`{word}` is no\u{1b} number"));
        assert_eq!(shown, format!("`{}…` is no\\u{{1b}} number", "x".repeat(119)));
    }

    #[test]
    fn faults_name_line_and_column() {
        let place = Place::new(&"k.conf".into(), 7, "  weight 1x");
        assert_eq!(place.fault("1x", "no").to_string(), "k.conf:7:10: no");
        assert_eq!(place.fault("elsewhere", "no").to_string(), "k.conf:7:1: no");
    }
}
