//! Performs the plays of `crates/lab/keepalived`: with keepalived and the kernel's IPVS, with xlvs, or both and compares.
#![expect(clippy::print_stdout, reason = "output is the job")]

use anyhow::{Result, ensure};
use clap::Parser;
use lab::differential::{Transcript, recording};
use lab::referee::{self, Decision, Detection, Play, Side, Times, Verdict, judge};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// What a look at the table may cost in a guest without hardware support, in seconds.
const SLACK: f64 = 1.0;

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
    /// Instead of plays: how long a server that fails stays in, by each kind of check, so many times each.
    #[arg(long, value_name = "REPETITIONS", conflicts_with_all = ["only", "recorded", "record", "transcribe", "stretch", "times"])]
    detect: Option<u32>,
    /// With --detect: a JSON array instead of a table.
    #[arg(long, requires = "detect")]
    json: bool,
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
    if let Some(repetitions) = options.detect {
        return detect(repetitions, options);
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
    println!(
        "{:<24} {:<8} {:>9}   {:>19} {:>6} {:>13} {:>6}",
        "play", "", "decisions", "keepalived median", "worst", "xlvs median", "worst"
    );
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
        println!("{}", row(play, &verdict));
        if options.times {
            verdict.times.iter().for_each(|time| println!("    {time}"));
        }
        agree += usize::from(verdict.difference.is_none());
    }
    println!("{agree} of {} plays agree; times are seconds from a step to a decision that both made", plays.len());
    Ok(agree == plays.len())
}

/// A play: whether both decided the same, and when.
fn row(play: &Play, verdict: &Verdict) -> String {
    let of = |time: &dyn Fn(&Decision) -> f64| Times::new(verdict.times.iter().map(time).collect());
    let [keepalived, xlvs] = [of(&|time| time.keepalived), of(&|time| time.xlvs)];
    let accepted = match play.accepted().count() {
        0 => String::new(),
        accepted => format!("  ({accepted} differences are meant to be)"),
    };
    let word = if verdict.difference.is_some() { "DIFFERS" } else { "agrees" };
    let difference = verdict.difference.as_ref().map(|difference| format!("\n  {difference}")).unwrap_or_default();
    format!(
        "{:<24} {word:<8} {:>9}   {:>19.2} {:>6.2} {:>13.2} {:>6.2}{accepted}{difference}",
        play.name,
        verdict.times.len(),
        keepalived.median,
        keepalived.worst,
        xlvs.median,
        xlvs.worst
    )
}

/// Prints how long a failed server stays in with both sides; true when xlvs was never later than the settings allow.
fn detect(repetitions: u32, options: &Options) -> Result<bool> {
    let rows = referee::detect(repetitions, options.at_once)?;
    let late = rows.iter().filter(|row| row.is_late(SLACK)).count();
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!("{}", Detection::TITLES);
        rows.iter().for_each(|row| println!("{row}"));
        println!(
            "seconds, {repetitions} times each; later with xlvs than the bound and {SLACK} s: {late} of {}",
            rows.len()
        );
    }
    Ok(late == 0)
}
