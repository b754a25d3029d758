//! Rows, for people and for programs.

use super::measure::Measured;
use anyhow::Result;
use serde::Serialize;
use std::fmt;

/// One case's result.
#[derive(Serialize)]
pub(super) struct Row {
    case: String,
    floor_ns: f64,
    xlvs_ns: f64,
    ratio: f64,
    rounds: u32,
}

impl Row {
    pub(super) fn new(case: String, measured: &Measured, rounds: u32) -> Self {
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        Self {
            case,
            floor_ns: hundredths(measured.floor),
            xlvs_ns: hundredths(measured.xlvs),
            ratio: hundredths(measured.xlvs / measured.floor),
            rounds,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, floor_ns, xlvs_ns, ratio, rounds } = self;
        write!(formatter, "{case:<22} {floor_ns:>9.1} {xlvs_ns:>9.1} {ratio:>7.2} {rounds:>7}")
    }
}

/// To stdout: a JSON array, or a table.
#[expect(clippy::print_stdout, reason = "the result")]
pub(super) fn print(rows: &[Row], json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(rows)?);
        return Ok(());
    }
    println!("{:<22} {:>9} {:>9} {:>7} {:>7}", "case", "floor ns", "xlvs ns", "ratio", "rounds");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}
