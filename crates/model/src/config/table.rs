//! TOML values that remember their place: reading one either succeeds or says what to write instead.

use super::error::Fault;
use super::suggest;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// The keys of one kind of table.
pub(super) struct Keys {
    /// As messages call it.
    pub(super) place: &'static str,
    /// What can be written.
    pub(super) known: &'static [&'static str],
    /// What belongs to the language but is not supported yet.
    pub(super) planned: &'static [&'static str],
}

/// A table all of whose keys are known.
pub(super) struct Table<'t> {
    entries: &'t DeTable<'t>,
    /// Where it begins, for keys that are missing.
    pub(super) offset: usize,
}

impl<'t> Table<'t> {
    /// Refuses the first key of the table that is not in `keys`.
    pub(super) fn new(entries: &'t DeTable<'t>, offset: usize, keys: &Keys) -> Result<Self, Fault> {
        let mut names: Vec<_> = entries.iter().map(|(name, _)| (name.span().start, name.get_ref().as_ref())).collect();
        names.sort_unstable();
        for (place, name) in names {
            if !keys.known.contains(&name) {
                return Err(Fault::at(place, suggest::unknown_key(name, keys)));
            }
        }
        Ok(Self { entries, offset })
    }

    pub(super) fn get(&self, key: &'static str) -> Option<Value<'t>> {
        let (_, value) = self.entries.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(Value { key, value })
    }
}

/// A value and the key it stands under.
pub(super) struct Value<'t> {
    key: &'static str,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Value<'t> {
    pub(super) fn offset(&self) -> usize {
        self.value.span().start
    }

    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::at(self.offset(), message)
    }

    fn wrong_type(&self, wanted: &str, example: &str) -> Fault {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("`{}` takes {wanted}, not {found}; write {example}", self.key))
    }

    /// The string; `example` is a value, as it is written.
    pub(super) fn string(&self, example: &str) -> Result<&'t str, Fault> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => Err(self.wrong_type("a string", example)),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Fault> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.wrong_type("true or false", &format!("{} = true", self.key))),
        }
    }

    /// A whole number within the bounds.
    pub(super) fn number(&self, least: u32, most: u32) -> Result<u32, Fault> {
        let DeValue::Integer(digits) = self.value.get_ref() else {
            return Err(self.wrong_type("a whole number", &format!("{} = {}", self.key, least.max(1))));
        };
        let number = i128::from_str_radix(digits.as_str(), digits.radix()).ok();
        let within = number.and_then(|number| u32::try_from(number).ok()).filter(|n| (least..=most).contains(n));
        within.ok_or_else(|| {
            self.fault(format!("`{}` is {digits}; write a whole number from {least} to {most}", self.key))
        })
    }

    /// A whole number within the bounds, which may be below 0.
    pub(super) fn integer(&self, least: i32, most: i32) -> Result<i32, Fault> {
        let DeValue::Integer(digits) = self.value.get_ref() else {
            return Err(self.wrong_type("a whole number", &format!("{} = 1", self.key)));
        };
        let number = i128::from_str_radix(digits.as_str(), digits.radix()).ok();
        let within = number.and_then(|number| i32::try_from(number).ok()).filter(|n| (least..=most).contains(n));
        within.ok_or_else(|| {
            self.fault(format!("`{}` is {digits}; write a whole number from {least} to {most}", self.key))
        })
    }

    /// A length of time such as "500ms", "2s", "5m" or "1h".
    pub(super) fn duration(&self, least: Duration, most: Duration) -> Result<Duration, Fault> {
        let example = format!("{} = \"500ms\", \"2s\" or \"5m\"", self.key);
        let DeValue::String(text) = self.value.get_ref() else {
            return Err(self.wrong_type("a length of time", &example));
        };
        // "ms" before "s", which it ends with.
        let unit = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)].into_iter().find_map(|(suffix, unit)| {
            let digits = text.strip_suffix(suffix)?.trim_end();
            let count: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
            count.checked_mul(unit)
        });
        let time = unit.map(Duration::from_millis).filter(|time| (least..=most).contains(time));
        time.ok_or_else(|| {
            let (text, days) = (text.escape_debug(), most.as_secs() / 86_400);
            self.fault(format!("`{text}` is not a length of time from {least:?} to {days} days; write {example}"))
        })
    }

    /// A length of time such as "90s", "15m" or "2h", in seconds: at least 1, at most 31 days.
    pub(super) fn seconds(&self) -> Result<u32, Fault> {
        const MOST: u32 = 31 * 24 * 3600;
        let example = format!("{} = \"90s\", \"15m\" or \"2h\"", self.key);
        let DeValue::String(text) = self.value.get_ref() else {
            return Err(self.wrong_type("a length of time", &example));
        };
        let unit = [("s", 1), ("m", 60), ("h", 3600)].into_iter().find_map(|(suffix, seconds)| {
            let digits = text.strip_suffix(suffix)?.trim_end();
            let count: u32 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
            count.checked_mul(seconds)
        });
        unit.filter(|seconds| (1..=MOST).contains(seconds)).ok_or_else(|| {
            let text = text.escape_debug();
            self.fault(format!("`{text}` is not a length of time from 1 s to 31 days; write {example}"))
        })
    }

    /// Keys and values, if it is a table whose keys are the operator's own.
    pub(super) fn entries(&self) -> Option<Vec<(&'t str, Value<'t>)>> {
        let DeValue::Table(entries) = self.value.get_ref() else { return None };
        let entry = |(name, value): (&'t Spanned<DeString<'t>>, &'t Spanned<DeValue<'t>>)| {
            (name.get_ref().as_ref(), Value { key: self.key, value })
        };
        Some(entries.iter().map(entry).collect())
    }

    /// The elements of a list; `example` is the whole line.
    pub(super) fn array(&self, example: &str) -> Result<Vec<Value<'t>>, Fault> {
        match self.value.get_ref() {
            DeValue::Array(values) => Ok(values.iter().map(|value| Value { key: self.key, value }).collect()),
            _ => Err(self.wrong_type("a list", example)),
        }
    }

    /// The elements of a list of tables, `[[name]]`.
    pub(super) fn tables(&self, name: &str) -> Result<Vec<Value<'t>>, Fault> {
        let values = self.array(&format!("[[{name}]], with two brackets on each side"))?;
        match values.iter().find(|value| !value.is_table()) {
            Some(value) => Err(value.wrong_type("tables", &format!("[[{name}]] and its keys below"))),
            None => Ok(values),
        }
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    pub(super) fn is_boolean(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Boolean(_))
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Integer(_))
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    /// The table, its keys checked.
    pub(super) fn table(&self, keys: &Keys) -> Result<Table<'t>, Fault> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Table::new(entries, self.offset(), keys),
            _ => Err(self.wrong_type("a table", &format!("[{}] and its keys below", self.key))),
        }
    }
}
