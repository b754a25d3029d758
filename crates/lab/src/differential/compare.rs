//! Two transcripts of one scenario, and the differences that are meant to be.

use super::script::{Accepted, Line};
use super::{Scenario, Transcript};
use std::fmt;

/// The first step at which xlvs did something else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Number of the step, from 1.
    pub number: usize,
    /// The step.
    pub step: String,
    /// What the referee did, with accepted lines as xlvs is meant to have them.
    pub referee: Vec<String>,
    /// What xlvs did.
    pub xlvs: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {}: {}", self.number, self.step)?;
        let [referee, xlvs] = [(&self.referee, &self.xlvs), (&self.xlvs, &self.referee)].map(|(from, others)| {
            let lines: Vec<&str> = from.iter().filter(|line| !others.contains(line)).map(String::as_str).collect();
            if lines.is_empty() { "nothing more".to_owned() } else { lines.join(" / ") }
        });
        write!(formatter, "\n  referee: {referee}\n  xlvs:    {xlvs}")
    }
}

/// The first difference that is not accepted. An accepted one must be exactly as it is written, or it is one, too.
pub fn compare(scenario: &Scenario, kernel: &Transcript, xlvs: &Transcript) -> Option<Difference> {
    let lines: Vec<_> = scenario.lines.iter().map(|line| (line.text.as_str(), line.accepted.as_slice())).collect();
    compare_lines(&lines, kernel, xlvs)
}

/// The same for steps with what is accepted of each.
pub(crate) fn compare_lines(
    lines: &[(&str, &[Accepted])],
    referee: &Transcript,
    xlvs: &Transcript,
) -> Option<Difference> {
    let count = lines.len().max(referee.steps.len()).max(xlvs.steps.len());
    (0..count).find_map(|index| {
        let nothing = (String::new(), Vec::new());
        let [referee, xlvs] = [referee, xlvs].map(|transcript| transcript.steps.get(index).unwrap_or(&nothing));
        let line = lines.get(index);
        let same_step = line.is_some_and(|(text, _)| *text == referee.0 && *text == xlvs.0);
        let expected = line.map_or_else(|| referee.1.clone(), |(_, accepted)| with_accepted(accepted, &referee.1));
        let step = line.map_or_else(|| xlvs.0.clone(), |(text, _)| (*text).to_owned());
        let difference = Difference { number: index + 1, step, referee: expected, xlvs: xlvs.1.clone() };
        (!same_step || difference.referee != difference.xlvs).then_some(difference)
    })
}

/// What the referee did, with accepted lines replaced by xlvs's.
pub(crate) fn with_accepted(accepted: &[Accepted], referee: &[String]) -> Vec<String> {
    let mut lines = referee.to_vec();
    for accepted in accepted {
        replace(&mut lines, accepted);
    }
    if !accepted.is_empty() {
        lines.sort();
    }
    lines
}

fn replace(lines: &mut Vec<String>, accepted: &Accepted) {
    match &accepted.kernel {
        None => lines.extend(accepted.xlvs.clone()),
        Some(kernel) => match lines.iter().position(|line| line == kernel) {
            Some(place) => {
                lines.remove(place);
                lines.extend(accepted.xlvs.clone());
            }
            None => lines.push(format!("(accepted, but the referee does not do it: {kernel}: {})", accepted.reason)),
        },
    }
}

impl Scenario {
    /// The differences that are accepted in it: step and reason.
    pub fn accepted(&self) -> impl Iterator<Item = (&str, &str)> {
        let reasons = |line: &'_ Line| line.accepted.len();
        self.lines
            .iter()
            .filter(move |line| reasons(line) > 0)
            .flat_map(|line| line.accepted.iter().map(|accepted| (line.text.as_str(), accepted.reason.as_str())))
    }
}
