//! Plays differential scenarios: against the kernel's IPVS, against xlvs, or both and compares.
#![expect(clippy::print_stdout, reason = "output is the job")]

use anyhow::{Result, ensure};
use clap::Parser;
use lab::differential::{self, Scenario, Side, Transcript, World, compare, recording};
use std::process::ExitCode;
use std::time::Instant;

/// Plays differential scenarios.
#[derive(Parser)]
struct Options {
    /// Only scenarios whose names begin so; several beginnings with commas.
    #[arg(long)]
    only: Option<String>,
    /// Take what was recorded of the kernel instead of playing it.
    #[arg(long, conflicts_with = "transcribe")]
    recorded: bool,
    /// Write these transcripts (a file, as --transcribe prints them) as the recordings of the kernel.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["transcribe", "recorded"])]
    record: Option<std::path::PathBuf>,
    /// Play this side alone and print its transcripts.
    #[arg(long)]
    transcribe: Option<Side>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    if let Some(path) = &options.record {
        let count = recording::record(&std::fs::read_to_string(path)?, &recording::recordings())?;
        println!("{count} transcripts recorded in {}", recording::recordings().display());
        return Ok(true);
    }
    let only = options.only.as_deref().unwrap_or_default();
    let is_wanted = |one: &Scenario| only.split(',').any(|begin| one.name.starts_with(begin));
    let scenarios: Vec<_> = differential::load()?.into_iter().filter(is_wanted).collect();
    ensure!(!scenarios.is_empty(), "no scenario begins with `{only}`");
    match options.transcribe {
        Some(side) => transcribe(side, &scenarios),
        None => contrast(&scenarios, options.recorded),
    }
}

/// Prints `=== NAME` and the transcript, for each.
fn transcribe(side: Side, scenarios: &[Scenario]) -> Result<bool> {
    let mut world = World::new(side)?;
    for scenario in scenarios {
        print!("{}", recording::section(&scenario.name, &world.play(scenario)?));
    }
    Ok(true)
}

/// Plays both sides and prints a table; true when all agree.
fn contrast(scenarios: &[Scenario], recorded: bool) -> Result<bool> {
    let kernel = if recorded {
        let mut all = recording::recorded()?;
        scenarios.iter().map(|scenario| all.remove(&scenario.name).unwrap_or_default()).collect()
    } else {
        play(Side::Kernel, scenarios)?
    };
    let xlvs = play(Side::Xlvs, scenarios)?;
    let (mut agree, mut accepted) = (0, 0);
    for (scenario, (kernel, xlvs)) in scenarios.iter().zip(kernel.iter().zip(&xlvs)) {
        let count = scenario.accepted().count();
        let verdict = compare(scenario, kernel, xlvs);
        let note = if count > 0 { format!(" ({count} accepted)") } else { String::new() };
        match verdict {
            None => println!("{:<32} agrees{note}", scenario.name),
            Some(ref difference) => println!("{:<32} DIFFERS at {difference}", scenario.name),
        }
        agree += usize::from(verdict.is_none());
        accepted += usize::from(verdict.is_none() && count > 0);
    }
    println!("{agree} of {} scenarios agree, {accepted} of them with accepted differences", scenarios.len());
    Ok(agree == scenarios.len())
}

fn play(side: Side, scenarios: &[Scenario]) -> Result<Vec<Transcript>> {
    let begin = Instant::now();
    let mut world = World::new(side)?;
    let all = scenarios.iter().map(|scenario| world.play(scenario)).collect();
    eprintln!("{side:?}: {} scenarios in {:.0} s", scenarios.len(), begin.elapsed().as_secs_f64());
    all
}
