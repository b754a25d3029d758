//! Rows, for people and for programs.

use super::contender::Contender;
use super::sample::Samples;
use crate::packets::measure::median;
use anyhow::Result;
use serde::Serialize;
use std::fmt;

/// Everything measured in one run.
#[derive(Serialize)]
pub(super) struct Report {
    kernel: String,
    cpus: usize,
    rounds: u32,
    /// Load average before and after: others on this machine.
    load: [String; 2],
    pub(super) cost: Vec<Row>,
    pub(super) connections: Vec<Row>,
    pub(super) bulk: Vec<Row>,
}

/// What a row's numbers are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(super) enum Unit {
    #[serde(rename = "ns/packet")]
    Nanoseconds,
    #[serde(rename = "connections/s")]
    Connections,
    #[serde(rename = "Gbit/s")]
    Gigabits,
}

/// One contender in one discipline.
#[derive(Serialize)]
pub(super) struct Row {
    contender: &'static str,
    what: String,
    unit: Unit,
    median: f64,
    least: f64,
    most: f64,
    samples: usize,
    /// How many times better than nftables that does the same, in the same run.
    against_nft: Option<f64>,
    /// How many times better than kernel routing with the same offloads.
    against_route: Option<f64>,
    /// Whether all ends leave checksums and segmentation to their devices.
    offloads: bool,
    #[serde(skip)]
    firewall: &'static str,
    #[serde(skip)]
    routing: &'static str,
    /// One of each round.
    #[serde(skip)]
    values: Vec<f64>,
    /// Why the numbers mean nothing, if they do.
    invalid: Option<String>,
}

impl Report {
    pub(super) fn begin(rounds: u32) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let load = [load(), String::new()];
        Self { kernel: kernel(), cpus, rounds, load, cost: Vec::new(), connections: Vec::new(), bulk: Vec::new() }
    }

    /// To be called when everything is measured.
    pub(super) fn end(&mut self) {
        self.load[1] = load();
        [&mut self.cost, &mut self.connections, &mut self.bulk].into_iter().for_each(|rows| relate(rows));
    }

    fn tables(&self) -> [(&'static str, &[Row]); 3] {
        [
            ("director's cost, ns per packet", &self.cost),
            ("connections per second, one request each", &self.connections),
            ("one connection, Gbit/s", &self.bulk),
        ]
    }
}

impl Row {
    pub(super) fn new(contender: Contender, what: &str, unit: Unit, samples: Samples) -> Self {
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        let (least, most) = samples.range();
        Self {
            contender: contender.name(),
            what: what.to_owned(),
            unit,
            median: hundredths(samples.median()),
            least: hundredths(least),
            most: hundredths(most),
            samples: samples.count(),
            against_nft: None,
            against_route: None,
            offloads: contender.has_offloads(),
            firewall: contender.firewall().name(),
            routing: contender.routing().name(),
            invalid: samples.objection(),
            values: samples.into_values(),
        }
    }

    /// How many times better this one is: the median over the rounds, whose two values were measured within moments.
    fn better_than(&self, other: &Self) -> f64 {
        let ratio = if self.values.len() == other.values.len() {
            median(self.values.iter().zip(&other.values).map(|(own, theirs)| own / theirs).collect())
        } else {
            self.median / other.median
        };
        let better = if self.unit == Unit::Nanoseconds { 1.0 / ratio } else { ratio };
        (better * 100.0).round() / 100.0
    }
}

/// Compares each row with nftables' and with routing's of the same discipline.
fn relate(rows: &mut [Row]) {
    let against = |row: &Row, name: &str| {
        let peer = rows.iter().find(|peer| peer.contender == name && peer.what == row.what);
        peer.filter(|_| row.invalid.is_none()).map(|peer| row.better_than(peer))
    };
    // Where offloads make no difference there is one kind of routing.
    let against_route = |row: &Row| against(row, row.routing).or_else(|| against(row, Contender::Route.name()));
    let ratios: Vec<_> = rows.iter().map(|row| (against(row, row.firewall), against_route(row))).collect();
    rows.iter_mut().zip(ratios).for_each(|(row, ratios)| (row.against_nft, row.against_route) = ratios);
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contender, what, median, least, most, .. } = self;
        let range = format!("[{least:.1}..{most:.1}]");
        let [nft, route] =
            [self.against_nft, self.against_route].map(|it| it.map_or("-".to_owned(), |ratio| format!("{ratio:.2}x")));
        let offloads = if self.offloads { "on" } else { "off" };
        write!(formatter, "{contender:<16} {offloads:<8} {what:<18} {median:>10.1} {range:<20} {nft:>8} {route:>8}")?;
        self.invalid.iter().try_for_each(|reason| write!(formatter, "  INVALID: {reason}"))
    }
}

/// To stdout: one JSON object, or tables.
#[expect(clippy::print_stdout, reason = "the result")]
pub(super) fn print(report: &Report, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let Report { kernel, cpus, rounds, load: [before, after], .. } = report;
    println!("Linux {kernel}, {cpus} CPUs, {rounds} rounds, load {before} before and {after} after");
    for (title, rows) in report.tables().iter().filter(|(_, rows)| !rows.is_empty()) {
        println!("\n{title:<44} {:>10} {:<20} {:>8} {:>8}", "median", "range", "vs nft", "vs route");
        rows.iter().for_each(|row| println!("{row}"));
    }
    Ok(())
}

pub(crate) fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
