//! `bench lab`: every contender has a network of its own, all are there at once, and each round measures them in turn.

mod address;
mod arena;
mod bulk;
mod contender;
mod cost;
mod flows;
mod haproxy;
mod hosts;
mod kthread;
pub(crate) mod report;
mod sample;
mod serve;
mod sink;
#[cfg(test)]
mod tests;

use ::lab::work;
use anyhow::{Result, ensure};
use nix::unistd::Uid;
use report::Report;

/// What to measure and how to say it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Only this part
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// Rounds over all contenders
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
}

/// Parts of the measurement.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Nanoseconds per packet of the director's own thread
    Cost,
    /// Connections per second, each with one request
    Connections,
    /// Gigabits per second in one connection
    Bulk,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(Uid::effective().is_root(), "namespaces and BPF programs need root: run it with sudo");
    work::remove_when_interrupted()?;
    let report = measure(options.part, options.rounds)?;
    report::print(&report, options.json)
}

fn measure(part: Option<Part>, rounds: u32) -> Result<Report> {
    let wanted = |this| part.is_none_or(|part| part == this);
    let mut report = Report::begin(rounds);
    if wanted(Part::Cost) {
        report.cost = cost::measure(rounds)?;
    }
    if wanted(Part::Connections) {
        report.connections = serve::measure(rounds)?;
    }
    if wanted(Part::Bulk) {
        report.bulk = bulk::measure(rounds)?;
    }
    report.end();
    Ok(report)
}
