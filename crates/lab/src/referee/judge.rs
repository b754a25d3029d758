//! Two transcripts of one play: the same decisions after each step, and how far apart in time.

use super::Play;
use super::play::Line;
use crate::differential::{Difference, Transcript, compare_lines, with_accepted};
use std::fmt;

/// Divides what happened from when.
const AT: &str = " @ ";

/// What a comparison says.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// The first step after which something else happened.
    pub difference: Option<Difference>,
    /// Decisions that both made.
    pub times: Vec<Decision>,
}

/// When a decision was made, in seconds after the step.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// The step.
    pub step: String,
    /// What was decided.
    pub what: String,
    /// By keepalived.
    pub keepalived: f64,
    /// By xlvs.
    pub xlvs: f64,
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, what, keepalived, xlvs } = self;
        write!(formatter, "{keepalived:6.2} s, {xlvs:6.2} s  {what}  ({step})")
    }
}

/// A line of a transcript.
pub(super) fn line(what: &str, seconds: f64) -> String {
    format!("{what}{AT}{seconds:.2}")
}

/// What happened, and when.
fn parts(line: &str) -> (&str, f64) {
    let (what, at) = line.rsplit_once(AT).unwrap_or((line, ""));
    (what, at.parse().unwrap_or_default())
}

/// What xlvs is meant to do after a step, by what keepalived did.
pub(super) fn wanted(line: &Line, keepalived: &[String]) -> Vec<String> {
    let without: Vec<String> = keepalived.iter().map(|line| parts(line).0.to_owned()).collect();
    with_accepted(&line.accepted, &without)
}

/// True when all of `wanted` has been seen, each as often.
pub(super) fn is_complete(wanted: &[String], seen: &[String]) -> bool {
    let times = |what: &String| seen.iter().filter(|line| parts(line).0 == what).count();
    wanted.iter().all(|what| times(what) >= wanted.iter().filter(|other| *other == what).count())
}

/// Compares. Within a step the order is left out: what follows from one fault follows at once, in programs of its own.
pub fn judge(play: &Play, keepalived: &Transcript, xlvs: &Transcript) -> Verdict {
    let lines: Vec<_> = play.lines.iter().map(|line| (line.text.as_str(), line.accepted.as_slice())).collect();
    let [untimed_keepalived, untimed_xlvs] = [keepalived, xlvs].map(untimed);
    let difference = compare_lines(&lines, &untimed_keepalived, &untimed_xlvs);
    Verdict { difference, times: times(keepalived, xlvs) }
}

fn untimed(transcript: &Transcript) -> Transcript {
    let without = |seen: &Vec<String>| {
        let mut seen: Vec<String> = seen.iter().map(|line| parts(line).0.to_owned()).collect();
        seen.sort();
        seen
    };
    Transcript { steps: transcript.steps.iter().map(|(step, seen)| (step.clone(), without(seen))).collect() }
}

fn times(keepalived: &Transcript, xlvs: &Transcript) -> Vec<Decision> {
    let mut times = Vec::new();
    for ((step, theirs), (_, ours)) in keepalived.steps.iter().zip(&xlvs.steps) {
        for (what, at) in theirs.iter().map(|line| parts(line)) {
            let same = ours.iter().map(|line| parts(line)).find(|(other, _)| *other == what);
            times.extend(same.map(|(_, xlvs)| Decision {
                step: step.clone(),
                what: what.to_owned(),
                keepalived: at,
                xlvs,
            }));
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_do_not_count() {
        let of = |lines: &[&str]| Transcript {
            steps: vec![("wait".to_owned(), lines.iter().map(|line| (*line).to_owned()).collect())],
        };
        let [one, other] = [of(&["a @ 1.20", "b @ 2.00"]), of(&["b @ 1.00", "a @ 1.00"])];
        assert_eq!(untimed(&one), untimed(&other));
        assert_eq!(times(&one, &other)[0].to_string(), "  1.20 s,   1.00 s  a  (wait)");
        assert_ne!(untimed(&one), untimed(&of(&["a @ 1.20"])));
    }
}
