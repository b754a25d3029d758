//! What is wrong with a file: one message, one place.

/// Why a configuration was refused. Nothing of it has been applied.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ConfigError {
    /// Name of the file as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// A fault at a byte of the text, before lines are counted.
#[derive(Debug)]
pub(super) struct Fault {
    offset: usize,
    message: String,
    first: Option<usize>,
}

impl Fault {
    pub(super) fn at(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into(), first: None }
    }

    /// Adds the line where the same thing stands first.
    pub(super) fn seen_first(self, offset: usize) -> Self {
        Self { first: Some(offset), ..self }
    }

    /// What the TOML parser did not understand.
    pub(super) fn syntax(error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        if error.message() == "duplicate key" {
            return Self::at(offset, "this key is written twice in one table; remove one");
        }
        let message: Vec<_> = error.message().lines().map(str::trim).collect();
        Self::at(offset, format!("this is not TOML: {}", message.join("; ")))
    }

    pub(super) fn located(self, text: &str, file: &str) -> ConfigError {
        let (line, column) = line_and_column(text, self.offset);
        let mut message = self.message;
        if let Some(first) = self.first {
            message = format!("{message} (first at line {})", line_and_column(text, first).0);
        }
        ConfigError { file: file.to_owned(), line, column, message: printable(&message) }
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or("").chars().count() + 1)
}

/// Most letters of one word that a message shows.
const LONGEST_WORD: usize = 120;

/// A message on one line of words that end, whatever it quotes of the file.
pub(crate) fn printable(message: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_show_the_beginning_of_long_words() {
        let word = "x".repeat(100_000);
        let shown = printable(&format!("`{word}` is no\u{1b} number"));
        assert_eq!(shown, format!("`{}…` is no\\u{{1b}} number", "x".repeat(119)));
    }

    #[test]
    fn errors_of_both_languages_are_short() {
        let text = format!("[timeouts]\ntcp = \"{}\"\n{} = 1\n", "y".repeat(9999), "x".repeat(9999));
        let error = crate::Config::parse_toml(&text, "x.toml").unwrap_err().to_string();
        assert!(error.starts_with("x.toml:") && error.len() < 1000, "{error}");
    }
}
