//! One metric with all its series, in the text format of Prometheus.

use std::fmt::{self, Write};

/// What a number means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It only grows, and begins anew at times.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A name, what it means, and a number for each set of labels.
#[derive(Debug)]
pub(super) struct Family {
    name: String,
    kind: Kind,
    help: &'static str,
    series: Vec<(String, u64)>,
}

impl Family {
    pub(super) fn new(name: impl Into<String>, kind: Kind, help: &'static str) -> Self {
        Self { name: name.into(), kind, help, series: Vec::new() }
    }

    /// Adds a series.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", Escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.series.push((labels, value));
    }

    /// The same in a chain.
    pub(super) fn with(mut self, labels: &[(&str, &str)], value: u64) -> Self {
        self.add(labels, value);
        self
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, help, series } = self;
        if series.is_empty() {
            return Ok(());
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        writeln!(formatter, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        series.iter().try_for_each(|(labels, value)| writeln!(formatter, "{name}{labels} {value}"))
    }
}

/// The value of a label: backslash, quote and line break cannot stand for themselves.
struct Escaped<'v>(&'v str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '\\' | '"' => write!(formatter, "\\{letter}"),
            '\n' => formatter.write_str("\\n"),
            _ => formatter.write_char(letter),
        })
    }
}
