//! `bench packets`: every case in a director of its own, floor and xlvs in turn, one row each.

mod case;
mod director;
mod floor;
pub(crate) mod flow;
pub(crate) mod harness;
mod known;
pub(crate) mod measure;
mod network;
mod new;
mod object;
mod report;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result, ensure};
use case::{Case, Kind};
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::{Pid, Uid};
use object::Object;
use report::Row;
use std::path::PathBuf;

/// What to measure and how to say it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Only cases whose names contain this
    #[arg(long, value_name = "SUBSTRING")]
    case: Option<String>,
    /// Rounds of floor and xlvs
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Another object of BPF programs, measured in the same rounds (`cargo xtask` takes a commit, too, and builds it)
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(Uid::effective().is_root(), "loading BPF programs needs root: run it with sudo");
    let wanted = |case: &Case| options.case.as_ref().is_none_or(|part| case.name().contains(part));
    let cases: Vec<Case> = Case::all().into_iter().filter(wanted).collect();
    ensure!(!cases.is_empty(), "no case has a name that contains {:?}", options.case.as_deref().unwrap_or_default());
    let other = options.against.as_deref().map(Object::read).transpose()?;
    let objects: Vec<Object> = std::iter::once(Object::own()).chain(other).collect();
    stay_on_this_cpu()?;
    let mut rows = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let row = measure(&objects, case, options.rounds).with_context(|| case.name())?;
        eprintln!("[{:>2}/{}] {row}", number + 1, cases.len());
        rows.push(row);
    }
    report::print(&rows, options.json)
}

fn measure(objects: &[Object], case: &Case, rounds: u32) -> Result<Row> {
    let measured = match case.kind {
        Kind::Known { flows } => known::requests(objects, &case.network, flows, rounds)?,
        Kind::Told => known::told(objects, &case.network, rounds)?,
        Kind::Reply => known::replies(objects, &case.network, rounds)?,
        Kind::New => new::measure(objects, &case.network, rounds)?,
        Kind::NotOurs => known::strangers(objects, &case.network, rounds)?,
    };
    Ok(Row::new(case.name(), &measured, rounds))
}

/// Caches and per-CPU counters stay where they are.
fn stay_on_this_cpu() -> Result<()> {
    let mut set = CpuSet::new();
    set.set(sched_getcpu().context("which CPU is this")?)?;
    sched_setaffinity(Pid::from_raw(0), &set).context("pinning the thread to its CPU")
}
