//! What happened, step by step, as text.

use std::fmt;

/// A scenario as it was played.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transcript {
    /// Each step and what was seen of it.
    pub steps: Vec<(String, Vec<String>)>,
}

impl Transcript {
    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Self {
        let mut steps: Vec<(String, Vec<String>)> = Vec::new();
        for line in text.lines() {
            if let Some(step) = line.strip_prefix("> ") {
                steps.push((step.to_owned(), Vec::new()));
            } else if let (Some(seen), Some((_, all))) = (line.strip_prefix("  "), steps.last_mut()) {
                all.push(seen.to_owned());
            }
        }
        Self { steps }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, seen) in &self.steps {
            writeln!(formatter, "> {step}")?;
            seen.iter().try_for_each(|line| writeln!(formatter, "  {line}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcripts_come_back_as_they_were_written() {
        let step = |step: &str, seen: &[&str]| (step.to_owned(), seen.iter().map(|line| (*line).to_owned()).collect());
        let steps = vec![step("ipvsadm -A -t V:80", &[]), step("list", &["TCP V:80 wlc", "  -> S1:80"])];
        let transcript = Transcript { steps };
        assert_eq!(Transcript::parse(&transcript.to_string()), transcript);
    }
}
