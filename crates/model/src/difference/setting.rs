//! A value as settings: names with dots, and a text for each that is not none.

use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Texts by name.
pub(super) type Settings = BTreeMap<String, String>;

/// Name, text before, text after.
pub(super) type Changed = (String, Option<String>, Option<String>);

/// Parts of a value that only group others: their names say nothing to people.
const GROUPS: [&str; 4] = ["probe", "connection", "pace", "server"];

/// Everything that a value says.
pub(super) fn settings(value: &impl Serialize) -> Settings {
    let mut found = Settings::new();
    // Nothing here has keys that are no strings: it is always JSON.
    collect("", &serde_json::to_value(value).unwrap_or_default(), &mut found);
    found
}

fn collect(name: &str, value: &Value, found: &mut Settings) {
    let below = |part: &str| match (name.is_empty(), GROUPS.contains(&part)) {
        (_, true) => name.to_owned(),
        (true, false) => part.to_owned(),
        (false, false) => format!("{name}.{part}"),
    };
    match value {
        Value::Null => {}
        Value::Object(parts) => match duration(value).map(|it| format!("{it:?}")).or_else(|| script(value)) {
            Some(text) => drop(found.insert(name.to_owned(), text)),
            None => parts.iter().for_each(|(part, value)| collect(&below(part), value, found)),
        },
        Value::Array(parts) if parts.iter().any(Value::is_object) => {
            let numbered = parts.iter().enumerate();
            numbered.for_each(|(number, value)| collect(&below(&(number + 1).to_string()), value, found));
        }
        Value::Array(parts) if parts.is_empty() => {}
        other => drop(found.insert(name.to_owned(), text(other))),
    }
}

/// A length of time as serde writes it.
fn duration(value: &Value) -> Option<Duration> {
    let part = |name| value.get(name)?.as_u64();
    let (seconds, nanoseconds) = (part("secs")?, part("nanos")?);
    Some(Duration::new(seconds, u32::try_from(nanoseconds).ok()?))
}

/// A program as it is run: `/bin/notify up as nobody:nogroup`.
fn script(value: &Value) -> Option<String> {
    let words = joined(value.get("words")?, " ");
    let (user, group) = (value.get("user").and_then(Value::as_str), value.get("group").and_then(Value::as_str));
    let user = user.map(|user| format!(" as {user}")).unwrap_or_default();
    Some(words + &user + &group.map(|group| format!(":{group}")).unwrap_or_default())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) if parts.iter().all(Value::is_array) => {
            parts.iter().map(|range| joined(range, "-")).collect::<Vec<_>>().join(" ")
        }
        Value::Array(_) => joined(value, " "),
        other => other.to_string(),
    }
}

fn joined(value: &Value, between: &str) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(between)
}

/// What is otherwise in `after`.
pub(super) fn changed(before: &Settings, after: &Settings) -> Vec<Changed> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differing.map(|name| (name.clone(), before.get(name).cloned(), after.get(name).cloned())).collect()
}

/// All in one line: first those of `main` — the first of them without its name — then the others.
pub(super) fn summary(all: &Settings, main: &[&str]) -> String {
    let named = |name: &str, value: &String| format!("{} {value}", spelled(name));
    let first = main.iter().enumerate().filter_map(|(place, name)| {
        let value = all.get(*name)?;
        Some(if place == 0 { value.clone() } else { named(name, value) })
    });
    let others = all.iter().filter(|(name, _)| !main.contains(&name.as_str())).map(|(name, value)| named(name, value));
    let first = first.collect::<Vec<_>>().join(" ");
    std::iter::once(first).chain(others).collect::<Vec<_>>().join(", ")
}

/// A name for people.
pub(super) fn spelled(name: &str) -> String {
    name.replace('.', " ")
}
