//! Arguments of statements as values: numbers, times, switches, addresses. What cannot be one says what could.

use super::Statement;
use crate::ConfigError;
use crate::health::Script;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

impl Statement {
    /// Its one argument.
    pub(super) fn only(&self, what: &str) -> Result<&str, ConfigError> {
        match (self.argument(), self.words.len()) {
            (Some(argument), 2) => Ok(argument),
            (Some(_), _) => {
                let surplus = self.arguments().nth(1).unwrap_or("");
                Err(self.fault_at(
                    surplus,
                    format!("`{}` takes {what} and nothing more; remove `{surplus}`", self.keyword()),
                ))
            }
            (None, _) => Err(self.fault(format!("`{}` needs {what} behind it", self.keyword()))),
        }
    }

    /// Its one argument as a number of a range.
    pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
        &self,
        low: T,
        high: T,
    ) -> Result<T, ConfigError> {
        let text = self.only("a number")?;
        number(self, text, low, high)
    }

    /// Its one argument as seconds, which may have a fraction.
    pub(super) fn seconds(&self) -> Result<Duration, ConfigError> {
        let text = self.only("a time in seconds")?;
        let valid = text.parse::<f64>().ok().filter(|seconds| (0.0..=MOST_SECONDS).contains(seconds));
        let message = || format!("`{text}` is no time; write seconds from 0 to {MOST_SECONDS}, such as 2 or 0.5");
        valid.map(Duration::from_secs_f64).ok_or_else(|| self.fault_at(text, message()))
    }

    /// A switch: on without an argument.
    pub(super) fn switch(&self) -> Result<bool, ConfigError> {
        match self.argument() {
            None | Some("on" | "true" | "yes") => Ok(true),
            Some("off" | "false" | "no") => Ok(false),
            Some(other) => {
                let message = format!("`{other}` is neither on nor off; write on, true, yes, off, false or no");
                Err(self.fault_at(other, message))
            }
        }
    }

    /// Its one argument as an address.
    pub(super) fn address(&self) -> Result<IpAddr, ConfigError> {
        address(self, self.only("an address")?)
    }

    /// Arguments from the `first` on as an address and a port; 0 where there is none.
    pub(super) fn endpoint(&self, first: usize) -> Result<SocketAddr, ConfigError> {
        let mut arguments = self.arguments().skip(first);
        let Some(text) = arguments.next() else {
            return Err(self.fault(format!("`{}` needs an address and a port behind it", self.keyword())));
        };
        let address = address(self, text)?;
        let port = match arguments.next() {
            Some(port) => number(self, port, 1, u16::MAX)?,
            None => 0,
        };
        match arguments.next() {
            Some(surplus) => {
                Err(self.fault_at(surplus, format!("nothing stands behind an address and a port; remove `{surplus}`")))
            }
            None => Ok(SocketAddr::new(address, port)),
        }
    }

    /// A program with arguments, then a user and a group.
    pub(super) fn script(&self) -> Result<Script, ConfigError> {
        let mut arguments = self.arguments();
        let Some(text) = arguments.next() else {
            return Err(self.fault(format!("`{}` needs a program behind it", self.keyword())));
        };
        let words =
            script_words(text).ok_or_else(|| self.fault_at(text, "a quote in this program line is not closed"))?;
        if words.is_empty() {
            return Err(self.fault(format!("`{}` names no program", self.keyword())));
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err(self.fault("no argument of a program can hold a zero byte; remove it"));
        }
        Ok(Script { words, user: arguments.next().map(str::to_owned), group: arguments.next().map(str::to_owned) })
    }
}

/// A day and more: longer times are mistakes.
const MOST_SECONDS: f64 = 4_294_967.0;

/// A word as a number of a range.
pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    statement: &Statement,
    text: &str,
    low: T,
    high: T,
) -> Result<T, ConfigError> {
    if text.is_empty() {
        let keyword = statement.keyword();
        return Err(statement.fault(format!("a number from {low} to {high} is missing behind `{keyword}`")));
    }
    let valid = text.parse::<T>().ok().filter(|number| *number >= low && *number <= high);
    let message = || format!("`{text}` is no number from {low} to {high}");
    valid.ok_or_else(|| statement.fault_at(text, message()))
}

/// A word as an address.
pub(super) fn address(statement: &Statement, text: &str) -> Result<IpAddr, ConfigError> {
    let message = || format!("`{text}` is no address; write one such as 192.0.2.10 or 2001:db8::10");
    text.parse().map_err(|_| statement.fault_at(text, message()))
}

/// The words of a program line: single and double quotes keep spaces.
fn script_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in text.chars() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, None) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_lines_are_words() {
        assert_eq!(
            script_words("/bin/x -a 'b c' \"d\" ''"),
            Some(vec!["/bin/x", "-a", "b c", "d", ""].into_iter().map(Into::into).collect())
        );
        assert_eq!(script_words("/bin/x 'b"), None);
        assert_eq!(script_words("  "), Some(Vec::new()));
    }
}
