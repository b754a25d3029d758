//! Rates as IPVS estimates them: every two seconds, an exponentially weighted average with weight 1/4.
//!
//! Kept scaled as the kernel keeps them (2^10 for packets and connections, 2^5 for bytes), so that the rounding is
//! the same.

use crate::zero::Subject;
use api::{TrafficCounters, TrafficRates};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time between two estimates.
pub(crate) const PERIOD: Duration = Duration::from_secs(2);

const NUMBER_SCALE: u32 = 10;
const BYTE_SCALE: u32 = 5;

/// One rate.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    last: u64,
    average: u64,
}

impl Rate {
    fn update(&mut self, current: u64, scale: u32) {
        // One shift less than the scale: the difference is of two seconds. A counter that began anew gives 0.
        let rate = current.saturating_sub(self.last) << (scale - 1);
        self.last = current;
        let step = (rate.cast_signed() - self.average.cast_signed()) >> 2;
        self.average = self.average.saturating_add_signed(step);
    }

    fn read(self, scale: u32) -> u64 {
        (self.average + (1 << (scale - 1)) - 1) >> scale
    }
}

/// The estimator of one subject.
#[derive(Clone, Copy, Debug, Default)]
struct Estimator {
    connections: Rate,
    in_packets: Rate,
    out_packets: Rate,
    in_bytes: Rate,
    out_bytes: Rate,
}

/// The estimators of all services and servers.
#[derive(Debug, Default)]
pub(crate) struct Rates(BTreeMap<Subject, Estimator>);

impl Rates {
    /// One estimate: to be called once in a [`PERIOD`] with what the counters stand at.
    pub(crate) fn update(&mut self, subject: Subject, current: TrafficCounters) {
        let fresh = || Estimator::starting_at(current);
        let estimator = self.0.entry(subject).or_insert_with(fresh);
        estimator.connections.update(current.connections, NUMBER_SCALE);
        estimator.in_packets.update(current.in_packets, NUMBER_SCALE);
        estimator.out_packets.update(current.out_packets, NUMBER_SCALE);
        estimator.in_bytes.update(current.in_bytes, BYTE_SCALE);
        estimator.out_bytes.update(current.out_bytes, BYTE_SCALE);
    }

    /// Starts anew at `current` (`-Z`, or a new subject).
    pub(crate) fn restart(&mut self, subject: Subject, current: TrafficCounters) {
        self.0.insert(subject, Estimator::starting_at(current));
    }

    /// Forgets subjects that are no more.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Subject) -> bool) {
        self.0.retain(|subject, _| keep(subject));
    }

    /// The rates of a subject, per second.
    pub(crate) fn read(&self, subject: &Subject) -> TrafficRates {
        let estimator = self.0.get(subject).copied().unwrap_or_default();
        TrafficRates {
            connections: estimator.connections.read(NUMBER_SCALE),
            in_packets: estimator.in_packets.read(NUMBER_SCALE),
            out_packets: estimator.out_packets.read(NUMBER_SCALE),
            in_bytes: estimator.in_bytes.read(BYTE_SCALE),
            out_bytes: estimator.out_bytes.read(BYTE_SCALE),
        }
    }
}

impl Estimator {
    fn starting_at(current: TrafficCounters) -> Self {
        let at = |last| Rate { last, average: 0 };
        Self {
            connections: at(current.connections),
            in_packets: at(current.in_packets),
            out_packets: at(current.out_packets),
            in_bytes: at(current.in_bytes),
            out_bytes: at(current.out_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        let endpoint = "192.0.2.1:80".parse().unwrap();
        (model::ServiceKey { protocol: model::Protocol::Tcp, endpoint }.into(), None)
    }

    fn at(connections: u64, in_bytes: u64) -> TrafficCounters {
        TrafficCounters { connections, in_bytes, ..TrafficCounters::default() }
    }

    /// 1000 a second: 2000 in a period. By hand: 2000 << 9 = 1024000; a quarter of the distance each time.
    #[test]
    fn climbs_as_the_kernel_climbs() {
        let mut rates = Rates::default();
        rates.restart(subject(), at(500, 0));
        let mut seen = Vec::new();
        for period in 1..=5 {
            rates.update(subject(), at(500 + 2000 * period, 3000 * period));
            let TrafficRates { connections, in_bytes, .. } = rates.read(&subject());
            seen.push((connections, in_bytes));
        }
        assert_eq!(seen, [(250, 375), (437, 656), (578, 867), (684, 1025), (763, 1144)]);
    }

    #[test]
    fn falls_to_zero_and_never_below() {
        let mut rates = Rates::default();
        rates.restart(subject(), at(0, 0));
        rates.update(subject(), at(8, 8));
        assert_eq!(rates.read(&subject()).connections, 1);
        for _ in 0..80 {
            rates.update(subject(), at(8, 8));
        }
        assert_eq!(rates.read(&subject()), TrafficRates::default());
    }

    #[test]
    fn the_first_look_at_a_subject_is_no_burst() {
        let mut rates = Rates::default();
        rates.update(subject(), at(1_000_000, 1_000_000));
        assert_eq!(rates.read(&subject()), TrafficRates::default());
        rates.update(subject(), at(10, 0));
        assert_eq!(rates.read(&subject()), TrafficRates::default());
    }
}
