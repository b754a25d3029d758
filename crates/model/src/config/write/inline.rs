//! Values on one line.

use std::time::Duration;

/// A string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let escaped = |letter: char| match letter {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        letter if letter.is_control() => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// A list of strings.
pub(super) fn strings(texts: &[String]) -> String {
    list(texts.iter().map(|text| quoted(text)))
}

pub(super) fn list(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(", "))
}

/// A length of time in the largest unit that has it whole.
pub(super) fn seconds(seconds: u32) -> String {
    match seconds {
        0 => "\"0s\"".to_owned(),
        whole if whole % 3600 == 0 => format!("\"{}h\"", whole / 3600),
        whole if whole % 60 == 0 => format!("\"{}m\"", whole / 60),
        other => format!("\"{other}s\""),
    }
}

pub(super) fn duration(duration: Duration) -> String {
    match u32::try_from(duration.as_secs()) {
        Ok(whole) if duration.subsec_nanos() == 0 => seconds(whole),
        _ => format!("\"{}ms\"", duration.as_millis()),
    }
}

/// `{ name = value, … }` as it grows.
#[derive(Default)]
pub(super) struct Table(Vec<String>);

impl Table {
    pub(super) fn set(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.push(format!("{name} = {value}"));
    }

    pub(super) fn set_if(&mut self, is_said: bool, name: &str, value: impl std::fmt::Display) {
        if is_said {
            self.set(name, value);
        }
    }

    pub(super) fn set_some<T>(&mut self, name: &str, value: Option<&T>, text: impl Fn(&T) -> String) {
        if let Some(value) = value {
            self.set(name, text(value));
        }
    }

    /// What another one says, too.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many things it says.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// On one line.
    pub(super) fn inline(&self) -> String {
        format!("{{ {} }}", self.0.join(", "))
    }

    /// A line for each.
    pub(super) fn lines(&self) -> String {
        self.0.iter().map(|line| format!("{line}\n")).collect()
    }
}
