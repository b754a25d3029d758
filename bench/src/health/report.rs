//! Rows, for people and for programs.

use super::checker::Contender;
use super::{Kind, Options};
use crate::lab::report::{kernel, load};
use crate::packets::measure::median;
use anyhow::Result;
use serde::Serialize;
use std::fmt;

/// One contender in one round.
pub(super) struct Sample {
    /// How many of them were checked at all.
    pub(super) servers: usize,
    /// Per cent of one core.
    pub(super) share: f64,
    pub(super) megabytes: f64,
    pub(super) checks_a_second: f64,
    /// Milliseconds after the second, of every check but each server's first.
    pub(super) late: Vec<f64>,
}

/// Everything measured in one run.
#[derive(Serialize)]
pub(super) struct Report {
    kernel: String,
    checks: u32,
    kind: Kind,
    rounds: u32,
    seconds: u64,
    /// Load average before and after: others on this machine.
    load: [String; 2],
    rows: Vec<Row>,
}

/// One contender, medians of the rounds.
#[derive(Serialize)]
pub(super) struct Row {
    contender: &'static str,
    /// The fewest of a round: less than all where the machine is too slow.
    servers: usize,
    core_percent: f64,
    megabytes: f64,
    checks_a_second: f64,
    late_p50_ms: f64,
    late_p99_ms: f64,
    #[serde(skip)]
    whose: Contender,
    #[serde(skip)]
    left_out: bool,
    #[serde(skip)]
    samples: Vec<Sample>,
}

impl Report {
    pub(super) fn begin(options: &Options) -> Self {
        let Options { checks, kind, rounds, seconds, .. } = *options;
        Self { kernel: kernel(), checks, kind, rounds, seconds, load: [load(), String::new()], rows: Vec::new() }
    }

    /// To be called when everything is measured.
    pub(super) fn end(&mut self, mut rows: Vec<Row>) {
        self.load[1] = load();
        rows.iter_mut().for_each(Row::sum_up);
        self.rows = rows;
    }
}

impl Row {
    pub(super) fn new(whose: Contender) -> Self {
        let [core_percent, megabytes, checks_a_second, late_p50_ms, late_p99_ms] = [f64::NAN; 5];
        let (contender, samples) = (whose.name(), Vec::new());
        Self {
            contender,
            servers: 0,
            core_percent,
            megabytes,
            checks_a_second,
            late_p50_ms,
            late_p99_ms,
            whose,
            left_out: false,
            samples,
        }
    }

    pub(super) const fn contender(&self) -> Contender {
        self.whose
    }

    pub(super) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    pub(super) const fn leave_out(&mut self) {
        self.left_out = true;
    }

    pub(super) const fn is_left_out(&self) -> bool {
        self.left_out
    }

    fn sum_up(&mut self) {
        let middle = |of: &dyn Fn(&Sample) -> f64| {
            let value = median(self.samples.iter().map(of).collect());
            (value * 100.0).round() / 100.0
        };
        self.servers = self.samples.iter().map(|sample| sample.servers).min().unwrap_or_default();
        self.core_percent = middle(&|sample| sample.share);
        self.megabytes = middle(&|sample| sample.megabytes);
        self.checks_a_second = middle(&|sample| sample.checks_a_second);
        self.late_p50_ms = middle(&|sample| part(&sample.late, 50));
        self.late_p99_ms = middle(&|sample| part(&sample.late, 99));
    }
}

/// The value that `percent` of them do not exceed.
fn part(values: &[f64], percent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(place).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contender, servers, core_percent, megabytes, checks_a_second, late_p50_ms, late_p99_ms, .. } = self;
        write!(
            formatter,
            "{contender:<12} {servers:>8} {core_percent:>10.1} {megabytes:>8.1} {checks_a_second:>10.1} {late_p50_ms:>11.1} {late_p99_ms:>10.1}"
        )
    }
}

/// To stdout: one JSON object, or a table.
#[expect(clippy::print_stdout, reason = "the result")]
pub(super) fn print(report: &Report, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let Report { kernel, checks, kind, rounds, seconds, load: [before, after], rows } = report;
    println!("Linux {kernel}, {rounds} rounds of {seconds} s, load {before} before and {after} after");
    println!("{checks} servers, one {kind:?} check a second each\n");
    let titles = ["servers", "% of core", "MB", "checks/s", "late p50 ms", "p99 ms"];
    let [servers, share, memory, rate, p50, p99] = titles;
    println!("{:<12} {servers:>8} {share:>10} {memory:>8} {rate:>10} {p50:>11} {p99:>10}", "");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_hundred() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!((part(&values, 50) as u32, part(&values, 99) as u32), (100, 198));
        assert!(part(&[], 50).is_nan());
    }

    #[test]
    fn a_row_is_the_medians_of_its_rounds() {
        let mut row = Row::new(Contender::Xlvs);
        for share in [3.0, 1.0, 2.0] {
            row.add(Sample { servers: 7, share, megabytes: 10.0 * share, checks_a_second: 1.0, late: vec![share; 3] });
        }
        row.sum_up();
        assert_eq!((row.core_percent, row.megabytes, row.late_p99_ms), (2.0, 20.0, 2.0));
    }
}
