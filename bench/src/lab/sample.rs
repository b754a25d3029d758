//! Samples of one contender, and what they come to.

use crate::packets::measure::median;

/// Samples, and why the first invalid one is.
#[derive(Default)]
pub(super) struct Samples {
    values: Vec<f64>,
    /// Share of packets that arrived, of the worst sample.
    lost: Option<f64>,
    pub(super) errors: u64,
}

impl Samples {
    /// Adds one; with the share of packets that arrived if it was not all of them.
    pub(super) fn add(&mut self, value: f64, arrived: Result<(), f64>) {
        self.values.push(value);
        if let Err(share) = arrived {
            self.lost = Some(self.lost.map_or(share, |lost| lost.min(share)));
        }
    }

    /// Adds one that may have failed: said at once, and the row is invalid.
    pub(super) fn add_outcome(&mut self, contender: &str, outcome: anyhow::Result<f64>) {
        match outcome {
            Ok(value) => self.add(value, Ok(())),
            Err(error) => {
                eprintln!("bench: {contender}: {error:#}");
                self.errors += 1;
            }
        }
    }

    pub(super) fn median(&self) -> f64 {
        median(self.values.clone())
    }

    pub(super) fn range(&self) -> (f64, f64) {
        let ends = |(least, most): (f64, f64), value: &f64| (least.min(*value), most.max(*value));
        self.values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), ends)
    }

    pub(super) fn count(&self) -> usize {
        self.values.len()
    }

    /// All of them, in the order of the rounds.
    pub(super) fn into_values(self) -> Vec<f64> {
        self.values
    }

    /// What makes the row invalid.
    pub(super) fn objection(&self) -> Option<String> {
        let lost = self.lost.map(|share| format!("{:.1} % of the packets arrived", share * 100.0));
        lost.or_else(|| (self.errors > 0).then(|| format!("{} errors", self.errors)))
    }
}
