//! What libFuzzer said, and a table of it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The numbers in one process's words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    executions: u64,
    /// Edges reached by what was known, and at the end.
    coverage: Option<(u64, u64)>,
    /// What a panic said.
    panic: Option<String>,
}

impl Words {
    pub(super) fn read(log: &Path) -> Result<Self> {
        let text = fs::read(log).with_context(|| format!("reading {}", log.display()))?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    fn parse(text: &str) -> Self {
        let mut words = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
                words.executions = number.trim().parse().unwrap_or(0);
            } else if let Some((_, rest)) = line.split_once(" cov: ") {
                let edges = rest.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
                let known = line.contains("INITED");
                let first = words.coverage.map_or(edges, |(first, _)| if known { edges } else { first });
                words.coverage = Some((first, edges));
            } else if line.contains("' panicked at ") || line.contains(") panicked at ") {
                words.panic = Some(format!("{line} {}", lines.next().unwrap_or_default()));
            }
        }
        words
    }
}

/// One target's result.
pub(super) struct Row {
    name: String,
    executions: u64,
    known: u64,
    reached: u64,
    panics: Vec<String>,
    /// Files that break the law.
    pub(super) findings: Vec<PathBuf>,
}

impl Row {
    pub(super) fn new(name: &str, words: &[Words], findings: Vec<PathBuf>) -> Self {
        let coverage = || words.iter().filter_map(|words| words.coverage);
        Self {
            name: name.to_owned(),
            executions: words.iter().map(|words| words.executions).sum(),
            known: coverage().map(|(known, _)| known).max().unwrap_or(0),
            reached: coverage().map(|(_, reached)| reached).max().unwrap_or(0),
            panics: words.iter().filter_map(|words| words.panic.clone()).collect(),
            findings,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let new = self.reached.saturating_sub(self.known);
        let findings = self.findings.len();
        write!(formatter, "{:<14} {:>12} {:>7} {:>6} {:>9}", self.name, self.executions, self.reached, new, findings)
    }
}

/// To stderr, findings last.
pub(super) fn print(rows: &[Row]) {
    eprintln!("\n{:<14} {:>12} {:>7} {:>6} {:>9}", "target", "executions", "edges", "new", "findings");
    rows.iter().for_each(|row| eprintln!("{row}"));
    for row in rows {
        row.panics.iter().for_each(|panic| eprintln!("{}: {panic}", row.name));
        for finding in &row.findings {
            eprintln!("{}: {}", row.name, finding.display());
            eprintln!("  again: XLVS_FUZZ_TARGET={} cargo run --package fuzz -- {}", row.name, finding.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_of_a_fuzzer() {
        let text = "#3\tINITED cov: 120 ft: 200 corp: 1/1b\n#9\tNEW    cov: 131 ft: 300 corp: 2/2b\n\
                    stat::number_of_executed_units: 4711\n";
        let words = Words::parse(text);
        assert_eq!(words, Words { executions: 4711, coverage: Some((120, 131)), panic: None });
        let panic =
            Words::parse("thread '<unnamed>' (1) panicked at src/x.rs:1:2:\nno place\nstack backtrace:\n").panic;
        assert_eq!(panic.as_deref(), Some("thread '<unnamed>' (1) panicked at src/x.rs:1:2: no place"));
    }
}
