//! A line as words: quotes and escapes as keepalived reads them (keepalived.conf(5), "Quoted strings").

use super::line::Place;
use crate::ConfigError;

/// A word, and whether it is nothing but what was written: quoted braces are no braces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// Without quotes, escapes replaced.
    pub text: String,
    /// A part of it was quoted or escaped.
    pub quoted: bool,
}

/// The words of a line.
pub(super) fn split(text: &str, place: &Place) -> Result<Vec<Word>, ConfigError> {
    let mut reader = Reader { rest: text, word: None, words: Vec::new() };
    while let Some(letter) = reader.next() {
        match letter {
            '"' | '\'' => reader.quoted(letter).map_err(|message| place.fault(text.trim(), message))?,
            '\\' if !reader.rest.is_empty() => reader.escape(),
            _ if letter.is_whitespace() => reader.end(),
            _ => reader.push(letter, false),
        }
    }
    reader.end();
    Ok(reader.words)
}

struct Reader<'a> {
    rest: &'a str,
    word: Option<Word>,
    words: Vec<Word>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next()?;
        self.rest = letters.as_str();
        Some(letter)
    }

    fn push(&mut self, letter: char, quoted: bool) {
        let word = self.word.get_or_insert_with(|| Word { text: String::new(), quoted: false });
        word.text.push(letter);
        word.quoted |= quoted;
    }

    fn end(&mut self) {
        self.words.extend(self.word.take());
    }

    /// The inside of a pair of quotes, which may be empty.
    fn quoted(&mut self, quote: char) -> Result<(), String> {
        self.word.get_or_insert_with(|| Word { text: String::new(), quoted: true }).quoted = true;
        loop {
            match self.next() {
                Some(letter) if letter == quote => return Ok(()),
                Some('\\') if !self.rest.is_empty() => self.escape(),
                Some(letter) => self.push(letter, true),
                None => return Err(format!("the quote {quote} is not closed on this line; close it")),
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) {
        let Some(letter) = self.next() else { return };
        let made = match letter {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'E' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => self.number(16, usize::MAX, 0),
            '0'..='7' => self.number(8, 2, letter.to_digit(8).unwrap_or(0)),
            'c' => self.next().map_or('c', |letter| (letter as u8 & 0x1f).into()),
            other => other,
        };
        self.push(made, true);
    }

    /// A character by its number, of which `first` has been read, with up to `most` digits more.
    fn number(&mut self, radix: u32, most: usize, first: u32) -> char {
        let mut value = first;
        for _ in 0..most {
            let Some(digit) = self.rest.chars().next().and_then(|letter| letter.to_digit(radix)) else { break };
            value = (value * radix + digit) & 0xff;
            self.next();
        }
        char::from(value as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let place = Place::new(&"k".into(), 1, text);
        split(text, &place).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_join_and_escapes_are_replaced() {
        assert_eq!(words(r#"abcd" efg h jkl "mnop"#), ["abcd efg h jkl mnop"]);
        assert_eq!(words(r#"abcd "efg h jkl" mnop"#), ["abcd", "efg h jkl", "mnop"]);
        assert_eq!(words(r#"a "" 'b "c"' "#), ["a", "", "b \"c\""]);
        assert_eq!(words(r#""\x41\101\t\\\"\cA""#), ["AA\t\\\"\u{1}"]);
        assert_eq!(words("  \t "), Vec::<String>::new());
    }

    #[test]
    fn an_open_quote_is_a_fault() {
        let place = Place::new(&"k.conf".into(), 3, "  quorum_up \"/bin/x");
        let error = split("  quorum_up \"/bin/x", &place).unwrap_err();
        assert_eq!(error.to_string(), "k.conf:3:3: the quote \" is not closed on this line; close it");
    }
}
