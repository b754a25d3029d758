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
    /// What the kernel did, with accepted lines as xlvs is meant to have them.
    pub kernel: Vec<String>,
    /// What xlvs did.
    pub xlvs: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {}: {}", self.number, self.step)?;
        let [kernel, xlvs] = [(&self.kernel, &self.xlvs), (&self.xlvs, &self.kernel)].map(|(from, others)| {
            let lines: Vec<&str> = from.iter().filter(|line| !others.contains(line)).map(String::as_str).collect();
            if lines.is_empty() { "nothing more".to_owned() } else { lines.join(" / ") }
        });
        write!(formatter, "\n  kernel: {kernel}\n  xlvs:   {xlvs}")
    }
}

/// The first difference that is not accepted. An accepted one must be exactly as it is written, or it is one, too.
pub fn compare(scenario: &Scenario, kernel: &Transcript, xlvs: &Transcript) -> Option<Difference> {
    let count = scenario.lines.len().max(kernel.steps.len()).max(xlvs.steps.len());
    (0..count).find_map(|index| {
        let nothing = (String::new(), Vec::new());
        let [kernel, xlvs] = [kernel, xlvs].map(|transcript| transcript.steps.get(index).unwrap_or(&nothing));
        let line = scenario.lines.get(index);
        let same_step = line.is_some_and(|line| line.text == kernel.0 && line.text == xlvs.0);
        let expected = line.map_or_else(|| kernel.1.clone(), |line| with_accepted(line, &kernel.1));
        let step = line.map_or_else(|| xlvs.0.clone(), |line| line.text.clone());
        let difference = Difference { number: index + 1, step, kernel: expected, xlvs: xlvs.1.clone() };
        (!same_step || difference.kernel != difference.xlvs).then_some(difference)
    })
}

/// What the kernel did, with accepted lines replaced by xlvs's.
fn with_accepted(line: &Line, kernel: &[String]) -> Vec<String> {
    let mut lines = kernel.to_vec();
    for accepted in &line.accepted {
        replace(&mut lines, accepted);
    }
    if !line.accepted.is_empty() {
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
            None => lines.push(format!("(accepted, but the kernel does not do it: {kernel}: {})", accepted.reason)),
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
