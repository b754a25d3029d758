//! How long a server that has failed stays in the table: the same faults for keepalived and for xlvs, several times each.

mod trial;

use super::director::Side;
use super::{Stage, at_once};
use crate::network::Network;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::fmt;
use std::thread::sleep;
use std::time::Duration;
use trial::Trial;

/// How many times the time that the settings allow is waited before nobody is believed to come.
const PATIENCE: u32 = 10;
/// What a server that is well again is left alone, so that the fault after it meets the checks at any time of theirs:
/// the golden section of the longest interval spreads the moments evenly.
const SECTION: f64 = 0.618_034;
const INTERVAL: f64 = 2.0;

/// A check, a fault, and what became of it, in seconds.
#[derive(Serialize)]
pub struct Detection {
    /// The kind of check, as keepalived calls it.
    pub check: &'static str,
    /// What the server did.
    pub fault: &'static str,
    /// The longest time that the settings allow.
    pub bound: f64,
    /// keepalived's times.
    pub keepalived: Times,
    /// Those of xlvs.
    pub xlvs: Times,
}

/// Times of one side.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Times {
    /// The one in the middle.
    pub median: f64,
    /// The longest.
    pub worst: f64,
    /// Each of them, in their order.
    pub each: Vec<f64>,
}

impl Times {
    /// Of each of them.
    pub fn new(each: Vec<f64>) -> Self {
        let mut sorted = each.clone();
        sorted.sort_by(f64::total_cmp);
        let of = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self { median: of(each.len() / 2), worst: of(each.len().saturating_sub(1)), each }
    }
}

impl Detection {
    /// Names of the columns of a row.
    pub const TITLES: &str = "check       fault      bound   keepalived median  worst   xlvs median  worst";

    /// True when xlvs took longer than the settings allow and what the looking costs.
    pub fn is_late(&self, slack: f64) -> bool {
        self.xlvs.worst > self.bound + slack
    }
}

impl fmt::Display for Detection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, fault, bound, keepalived, xlvs } = self;
        let [theirs, their_worst] = [keepalived.median, keepalived.worst];
        let [ours, our_worst] = [xlvs.median, xlvs.worst];
        write!(
            formatter,
            "{check:<11} {fault:<8} {bound:>7.2} {theirs:>19.2} {their_worst:>6.2} {ours:>13.2} {our_worst:>6.2}"
        )
    }
}

/// Every check with every fault, `repetitions` times each, for both sides one after the other.
pub fn detect(repetitions: u32, at_once: usize) -> Result<Vec<Detection>> {
    let trials = trial::all()?;
    let [keepalived, xlvs] = [Side::Keepalived, Side::Xlvs].map(|side| side_of(side, &trials, repetitions, at_once));
    let rows = trials.iter().zip(keepalived?.into_iter().zip(xlvs?));
    let row = |(trial, (keepalived, xlvs)): (&Trial, _)| {
        let Trial { check, fault, bound, .. } = *trial;
        Detection { check, fault, bound, keepalived, xlvs }
    };
    Ok(rows.map(row).collect())
}

fn side_of(side: Side, trials: &[Trial], repetitions: u32, count: usize) -> Result<Vec<Times>> {
    let network = Network::new()?;
    side.need()?;
    let done = at_once(trials, count, |number, trial| {
        let stage = Stage::new(&network, side, &trial.play, number);
        let times = stage.and_then(|mut stage| measure(&mut stage, trial, repetitions));
        times.with_context(|| format!("{side:?}, {}", trial.play.name))
    });
    done.into_iter().collect()
}

/// One trial on one side.
fn measure(stage: &mut Stage, trial: &Trial, repetitions: u32) -> Result<Times> {
    let lines = &trial.play.lines;
    let [well @ .., begins, ends] = lines.as_slice() else { anyhow::bail!("a trial has no fault") };
    for line in well {
        stage.step(&trial.play, &line.step)?;
    }
    let patience = Duration::try_from_secs_f64(trial.bound)? * PATIENCE;
    stage.wait_for_servers(1, patience).context("at the start")?;
    let mut times = Vec::new();
    for repetition in 0..repetitions {
        sleep(Duration::try_from_secs_f64((f64::from(repetition) * SECTION).fract() * INTERVAL)?);
        stage.wait_for_servers(1, patience).context("before the fault")?;
        let begin = std::time::Instant::now();
        stage.step(&trial.play, &begins.step)?;
        stage.wait_for_servers(0, patience).context("after the fault")?;
        times.push((begin.elapsed().as_secs_f64() * 100.0).round() / 100.0);
        stage.step(&trial.play, &ends.step)?;
        stage.wait_for_servers(1, patience).context("after its end")?;
    }
    ensure!(!times.is_empty(), "no repetition");
    Ok(Times::new(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_longest() {
        let times = Times::new(vec![3.0, 1.0, 2.0]);
        assert_eq!((times.median, times.worst), (2.0, 3.0));
        let mut row =
            Detection { check: "TCP_CHECK", fault: "silent", bound: 3.0, keepalived: times.clone(), xlvs: times };
        assert!(!row.is_late(0.0));
        row.bound = 2.5;
        assert!(row.is_late(0.4) && !row.is_late(0.6));
        assert_eq!(row.to_string().split_whitespace().count(), Detection::TITLES.split_whitespace().count() - 2);
    }
}
