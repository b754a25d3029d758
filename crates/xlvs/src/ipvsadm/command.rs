//! What was typed: the words of a command line sorted into options, values and arguments, as popt sorts them.
//!
//! Short options may be bundled (`-Ln`), values may be attached (`-srr`, `-s=rr`, `--scheduler=rr`) or follow;
//! long names are not abbreviated. Nothing is judged here: values stay text, and the first word that cannot be read
//! is kept for [`super::typed`] to report in its turn.

use super::options::{Meaning, SPELLINGS, Spelling, Value};

/// A command line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Command {
    /// Options in the order typed, up to the first that cannot be read.
    pub(crate) options: Vec<Given>,
    /// The option that cannot be read, and why.
    pub(crate) unreadable: Option<String>,
    /// Words that belong to no option.
    pub(crate) arguments: Vec<String>,
}

/// An option as typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Given {
    /// What it means.
    pub(crate) meaning: Meaning,
    /// Its value.
    pub(crate) value: Option<String>,
    /// The last word it used, by which errors name it.
    pub(crate) word: String,
}

impl Command {
    /// Sorts the words after the name of the program.
    pub(crate) fn parse(words: &[String]) -> Self {
        let mut command = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                command.arguments.extend(rest.by_ref().cloned());
            } else if !word.starts_with('-') || word == "-" {
                command.arguments.push(word.clone());
            } else if let Err(unreadable) = command.option(word, &mut rest) {
                command.unreadable = Some(unreadable);
                break;
            }
        }
        command
    }

    fn option(&mut self, word: &str, rest: &mut std::slice::Iter<'_, String>) -> Result<(), String> {
        if let Some(long) = word.strip_prefix("--") {
            let (name, attached) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let spelling = SPELLINGS.iter().find(|spelling| spelling.long == name);
            let spelling = spelling.ok_or_else(|| format!("{word}: unknown option"))?;
            return self.give(spelling, word, attached, rest);
        }
        let mut letters = word.get(1..).unwrap_or_default();
        while let Some(letter) = letters.chars().next() {
            letters = letters.get(letter.len_utf8()..).unwrap_or_default();
            let spelling = SPELLINGS.iter().find(|spelling| spelling.short == Some(letter));
            let spelling = spelling.ok_or_else(|| format!("{word}: unknown option"))?;
            let attached = match letters.strip_prefix('=') {
                Some(value) => Some(value),
                None => (spelling.value != Value::None && !letters.is_empty()).then_some(letters),
            };
            self.give(spelling, word, attached, rest)?;
            if attached.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn give(
        &mut self,
        spelling: &Spelling,
        word: &str,
        attached: Option<&str>,
        rest: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), String> {
        let follows = rest.as_slice().first();
        let value = match (spelling.value, attached, follows) {
            (Value::None, Some(_), _) => return Err(format!("{word}: option does not take an argument")),
            (Value::None, None, _) => None,
            (_, Some(attached), _) => Some(attached),
            (Value::Optional, None, Some(next)) if next.starts_with('-') => None,
            (Value::Optional | Value::Required, None, Some(next)) => {
                rest.next();
                Some(next.as_str())
            }
            (Value::Optional, None, None) => None,
            (Value::Required, None, None) => return Err(format!("{word}: missing argument")),
        };
        let last = if attached.is_none() { value.unwrap_or(word) } else { word };
        self.options.push(Given { meaning: spelling.meaning, value: value.map(str::to_owned), word: last.to_owned() });
        Ok(())
    }
}
