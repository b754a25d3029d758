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
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    against: Option<Against>,
}

/// The other object in the same rounds.
#[derive(Serialize)]
struct Against {
    against_ns: f64,
    /// What xlvs takes of the other's time: below 1 it is faster.
    of_against: f64,
}

impl Row {
    pub(super) fn new(case: String, measured: &Measured, rounds: u32) -> Self {
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        let mut objects = measured.objects.iter().copied();
        let xlvs = objects.next().unwrap_or(f64::NAN);
        let against =
            objects.next().map(|other| Against { against_ns: hundredths(other), of_against: hundredths(xlvs / other) });
        Self {
            case,
            floor_ns: hundredths(measured.floor),
            xlvs_ns: hundredths(xlvs),
            ratio: hundredths(xlvs / measured.floor),
            rounds,
            against,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, floor_ns, xlvs_ns, ratio, rounds, against } = self;
        write!(formatter, "{case:<22} {floor_ns:>9.1} {xlvs_ns:>9.1} {ratio:>7.2} {rounds:>7}")?;
        match against {
            Some(Against { against_ns, of_against }) => write!(formatter, " {against_ns:>10.1} {of_against:>7.2}"),
            None => Ok(()),
        }
    }
}

/// To stdout: a JSON array, or a table.
#[expect(clippy::print_stdout, reason = "the result")]
pub(super) fn print(rows: &[Row], json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(rows)?);
        return Ok(());
    }
    let two = rows.iter().any(|row| row.against.is_some());
    let more = if two { format!(" {:>10} {:>7}", "against ns", "of it") } else { String::new() };
    println!("{:<22} {:>9} {:>9} {:>7} {:>7}{more}", "case", "floor ns", "xlvs ns", "ratio", "rounds");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}
