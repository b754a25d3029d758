//! Performs the plays of `crates/lab/keepalived`: with keepalived and the kernel's IPVS, with xlvs, or both and compares.
#![expect(clippy::print_stdout, reason = "output is the job")]

use anyhow::{Result, ensure};
use clap::Parser;
use lab::differential::{Transcript, recording};
use lab::referee::{self, Play, Side, judge};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Performs plays of health.
#[derive(Parser)]
struct Options {
    /// Only plays whose names begin so; several beginnings with commas.
    #[arg(long)]
    only: Option<String>,
    /// Take what was recorded of keepalived instead of performing with it.
    #[arg(long, conflicts_with = "transcribe")]
    recorded: bool,
    /// Write these transcripts (a file, as --transcribe prints them) as the recordings of keepalived.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["transcribe", "recorded"])]
    record: Option<std::path::PathBuf>,
    /// Perform with this side alone and print its transcripts.
    #[arg(long)]
    transcribe: Option<Side>,
    /// How many at once.
    #[arg(long, default_value_t = 6)]
    at_once: usize,
    /// Look so many times as long at what comes of a step, on a slow machine.
    #[arg(long, default_value_t = 1)]
    stretch: u32,
    /// Print when each decision was made, too.
    #[arg(long)]
    times: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("referee: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    if let Some(path) = &options.record {
        let count = recording::record(&std::fs::read_to_string(path)?, &referee::recordings())?;
        println!("{count} transcripts recorded in {}", referee::recordings().display());
        return Ok(true);
    }
    let only = options.only.as_deref().unwrap_or_default();
    let is_wanted = |play: &Play| only.split(',').any(|begin| play.name.starts_with(begin));
    let mut plays: Vec<_> = referee::load()?.into_iter().filter(is_wanted).collect();
    plays.iter_mut().for_each(|play| play.stretch(options.stretch));
    ensure!(!plays.is_empty(), "no play begins with `{only}`");
    let Some(side) = options.transcribe else { return contrast(&plays, options) };
    let mut whole = true;
    for (play, transcript) in plays.iter().zip(referee::perform(side, &plays, &BTreeMap::new(), options.at_once)?) {
        match transcript {
            Ok(transcript) => print!("{}", recording::section(&play.name, &transcript)),
            Err(error) => {
                eprintln!("referee: {error:#}");
                whole = false;
            }
        }
    }
    Ok(whole)
}

/// Performs with both sides and prints a table; true when all agree.
fn contrast(plays: &[Play], options: &Options) -> Result<bool> {
    let keepalived: BTreeMap<String, Transcript> = if options.recorded {
        referee::recorded()?
    } else {
        let transcripts = referee::perform(Side::Keepalived, plays, &BTreeMap::new(), options.at_once)?;
        plays.iter().zip(transcripts).map(|(play, it)| Ok((play.name.clone(), it?))).collect::<Result<_>>()?
    };
    let xlvs = referee::perform(Side::Xlvs, plays, &keepalived, options.at_once)?;
    let mut agree = 0;
    for (play, xlvs) in plays.iter().zip(xlvs) {
        let xlvs = match xlvs {
            Ok(xlvs) => xlvs,
            Err(error) => {
                println!("{:<24} BREAKS OFF: {error:#}", play.name);
                continue;
            }
        };
        let nothing = Transcript::default();
        let verdict = judge(play, keepalived.get(&play.name).unwrap_or(&nothing), &xlvs);
        let decisions = verdict.times.len();
        let apart: Vec<f64> = verdict.times.iter().map(|time| time.xlvs - time.keepalived).collect();
        let (early, late) = (apart.iter().copied().fold(0.0, f64::min), apart.iter().copied().fold(0.0, f64::max));
        let accepted = play.accepted().count();
        let note = if accepted > 0 { format!(", {accepted} differences accepted") } else { String::new() };
        match &verdict.difference {
            None => println!("{:<24} agrees: {decisions} decisions, {early:+.2} to {late:+.2} s{note}", play.name),
            Some(difference) => println!("{:<24} DIFFERS at {difference}", play.name),
        }
        if options.times {
            verdict.times.iter().for_each(|time| println!("    {time}"));
        }
        agree += usize::from(verdict.difference.is_none());
    }
    println!("{agree} of {} plays agree", plays.len());
    Ok(agree == plays.len())
}
