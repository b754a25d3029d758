//! Rows, for people and for programs.

use super::director::{Taken, Way};
use super::{Language, Options};
use crate::lab::report::{kernel, load};
use crate::packets::measure::median;
use anyhow::Result;
use serde::Serialize;
use std::fmt;

/// Everything measured in one run.
#[derive(Serialize)]
pub(super) struct Report {
    kernel: String,
    services: u32,
    servers: u32,
    rounds: u32,
    /// Load average before and after: others on this machine.
    load: [String; 2],
    rows: Vec<Row>,
}

/// One language, with checks or without, one way of telling it.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) language: Language,
    pub(super) checked: bool,
    pub(super) way: Way,
    /// Everything is new.
    pub(super) first: Times,
    /// The weights of one service's servers are others.
    pub(super) one: Times,
    /// All weights are others.
    pub(super) all: Times,
}

/// One change in all rounds.
#[derive(Default)]
pub(super) struct Times(Vec<Taken>);

impl Report {
    pub(super) fn begin(options: &Options) -> Self {
        let Options { services, servers, rounds, .. } = *options;
        Self { kernel: kernel(), services, servers, rounds, load: [load(), String::new()], rows: Vec::new() }
    }

    /// To be called when everything is measured.
    pub(super) fn end(&mut self, rows: Vec<Row>) {
        self.load[1] = load();
        self.rows = rows;
    }
}

impl Row {
    pub(super) fn new(language: Language, checked: bool, way: Way) -> Self {
        let [first, one, all] = [(); 3].map(|()| Times::default());
        Self { language, checked, way, first, one, all }
    }
}

impl Times {
    pub(super) fn push(&mut self, taken: Taken) {
        self.0.push(taken);
    }

    fn median(&self, of: impl Fn(&Taken) -> f64) -> f64 {
        median(self.0.iter().map(of).collect()).round()
    }

    fn wall(&self) -> f64 {
        self.median(|taken| taken.wall)
    }

    fn daemon(&self) -> f64 {
        self.median(|taken| taken.daemon)
    }
}

impl Serialize for Times {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [("wall_ms", self.wall()), ("daemon_cpu_ms", self.daemon())]
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>()
            .serialize(serializer)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = if self.checked { "checked" } else { "unchecked" };
        let way = match self.way {
            Way::Signal => "SIGHUP",
            Way::Apply => "xlvs apply",
        };
        write!(formatter, "{:<16} {checks:<10} {way:<11}", self.language.file_name())?;
        [&self.first, &self.one, &self.all]
            .into_iter()
            .try_for_each(|times| write!(formatter, " {:>7} {:>6}", times.wall(), times.daemon()))
    }
}

/// To stdout: one JSON object, or a table.
#[expect(clippy::print_stdout, reason = "the result")]
pub(super) fn print(report: &Report, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let Report { kernel, services, servers, rounds, load: [before, after], rows } = report;
    println!("Linux {kernel}, {rounds} rounds, load {before} before and {after} after");
    println!(
        "{services} services of {servers} servers: milliseconds until it is done, and those of the daemon's CPU time\n"
    );
    let (first, one, all) = ("first, all new", "one service", "all weights");
    println!("{:<39} {first:>14} {one:>14} {all:>14}", "");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_the_median_of_its_rounds() {
        let mut row = Row::new(Language::Toml, true, Way::Apply);
        for wall in [30.0, 10.0, 20.0] {
            row.one.push(Taken { wall, daemon: wall / 10.0 });
        }
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!((&json["one"]["wall_ms"], &json["one"]["daemon_cpu_ms"]), (&20.0.into(), &2.0.into()));
        assert!(row.to_string().starts_with("xlvs.toml        checked    xlvs apply "), "{row}");
    }
}
