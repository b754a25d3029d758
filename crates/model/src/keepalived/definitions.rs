//! `$NAME=value`, and where it is used (keepalived.conf(5), "Parameter substitution").

use crate::Dice;
use std::collections::HashMap;

/// What names stand for now. A value of several lines is used as several lines.
pub(super) struct Definitions {
    values: HashMap<String, String>,
    instance: String,
    random: Dice,
}

/// A line that begins a definition.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Definition<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// The definition that a line is, if it is one.
pub(super) fn definition(text: &str) -> Option<Definition<'_>> {
    let (name, value) = text.strip_prefix('$')?.split_once('=')?;
    is_name(name).then_some(Definition { name, value: value.trim_start() })
}

pub(super) fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first == '_' || first.is_ascii_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
}

impl Definitions {
    /// None yet. `instance` is what `${_INSTANCE}` stands for.
    pub(super) fn new(instance: &str) -> Self {
        Self { values: HashMap::new(), instance: instance.to_owned(), random: Dice::new(0x9e37_79b9_7f4a_7c15) }
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// The text with its first use of a known name replaced: `${NAME}`, or `$NAME` before whitespace or the end.
    pub(super) fn replace_first(&mut self, text: &str, folder: &str) -> Option<String> {
        for (at, _) in text.match_indices('$') {
            let (before, used) = text.split_at(at);
            let Some((name, rest)) = name_used(used) else { continue };
            if let Some(value) = self.value(name, folder) {
                return Some(format!("{before}{value}{rest}"));
            }
        }
        None
    }

    fn value(&mut self, name: &str, folder: &str) -> Option<String> {
        let mut words = name.split_whitespace();
        match words.next()? {
            "_PWD" => Some(folder.to_owned()),
            "_INSTANCE" => Some(self.instance.clone()),
            "_HASH" => Some("#".to_owned()),
            "_BANG" => Some("!".to_owned()),
            "_RANDOM" => {
                let (low, high) = (words.next().map(str::parse), words.next().map(str::parse));
                self.draw(low.and_then(Result::ok).unwrap_or(0), high.and_then(Result::ok).unwrap_or(32767))
            }
            name => self.values.get(name).cloned(),
        }
    }

    /// A number of the range: the same ones for the same file, so that a reload changes nothing by itself.
    fn draw(&mut self, low: u64, high: u64) -> Option<String> {
        let thrown = self.random.throw();
        let span = high.checked_sub(low)?.checked_add(1)?;
        Some((low + thrown % span).to_string())
    }
}

/// The name used at the beginning of a text that begins with `$`, and what follows it. It looks no further than the next
/// `$`: a line of thousands of them is read once, and not once for each.
fn name_used(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('$')?;
    if let Some(braced) = inside.strip_prefix('{') {
        let (name, rest) = braced.split_at(braced.find(['}', '$'])?);
        return Some((name, rest.strip_prefix('}')?));
    }
    let end = inside.find(|letter: char| letter == '$' || letter.is_whitespace()).unwrap_or(inside.len());
    let (name, rest) = inside.split_at(end);
    (is_name(name) && !rest.starts_with('$')).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(definitions: &mut Definitions, text: &str) -> String {
        let mut text = text.to_owned();
        while let Some(next) = definitions.replace_first(&text, "/etc") {
            text = next;
        }
        text
    }

    #[test]
    fn definitions_are_lines_that_begin_with_them() {
        assert_eq!(definition("$A_1= b c"), Some(Definition { name: "A_1", value: "b c" }));
        assert_eq!(definition("$A="), Some(Definition { name: "A", value: "" }));
        for text in ["$1=2", "$A =2", "A=2", "weight $A=2", "${A}=1"] {
            assert_eq!(definition(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_replaced_when_they_are_used() {
        let mut definitions = Definitions::new("one");
        definitions.set("BASE", "10.2.${SUB}");
        definitions.set("SUB", "0");
        assert_eq!(all(&mut definitions, "${BASE}.100/32"), "10.2.0.100/32");
        definitions.set("SUB", "10");
        assert_eq!(all(&mut definitions, "${BASE}.100/32 $SUB $SUBx ${NONE} $"), "10.2.10.100/32 10 $SUBx ${NONE} $");
        assert_eq!(all(&mut definitions, "${_PWD} ${_INSTANCE} ${_HASH}${_BANG}"), "/etc one #!");
    }

    #[test]
    fn a_name_ends_where_the_next_begins() {
        let mut definitions = Definitions::new("one");
        definitions.set("A", "1");
        for (text, expected) in
            [("$A$A", "$A1"), ("${A}$A", "11"), ("${A ${A}", "${A 1"), ("${$A", "${1"), ("$$A", "$1")]
        {
            assert_eq!(all(&mut definitions, text), expected, "{text}");
        }
    }

    #[test]
    fn random_numbers_keep_to_their_range() {
        let mut definitions = Definitions::new("one");
        for _ in 0..100 {
            let number: u64 = all(&mut definitions, "${_RANDOM 5 7}").parse().unwrap();
            assert!((5..=7).contains(&number));
        }
        assert_eq!(all(&mut definitions, "${_RANDOM 7 5}"), "${_RANDOM 7 5}");
    }
}
