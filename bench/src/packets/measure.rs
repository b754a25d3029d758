//! Rounds: floor and target in turn, every run of the target checked against what it must have counted.

use super::director::{Counts, Director};
use super::floor::XDP_TX;
use super::harness::{Harness, Traffic};
use anyhow::{Context, Result, ensure};
use forward::Counter;
use forward::abi::Statistics;
use std::os::fd::AsFd;

/// Medians, in nanoseconds per packet.
pub(super) struct Measured {
    pub(super) floor: f64,
    /// Of each object.
    pub(super) objects: Vec<f64>,
}

/// What every packet of a run must have come to.
#[derive(Clone, Copy)]
pub(super) struct Expectation {
    pub(super) action: u32,
    pub(super) counter: Counter,
    /// What each packet adds to the statistics of the servers.
    pub(super) each: Statistics,
}

/// Traffic before the director and before the floor.
pub(super) struct Bench<'a> {
    director: &'a Director,
    target: Harness,
    floor: Harness,
    expectation: Expectation,
}

impl<'a> Bench<'a> {
    pub(super) fn new(director: &'a Director, traffic: &Traffic, expectation: Expectation) -> Result<Self> {
        let floor = super::floor::load()?;
        Ok(Self {
            target: Harness::new(traffic, director.entry()?)?,
            floor: Harness::new(traffic, floor.as_fd())?,
            director,
            expectation,
        })
    }

    /// The flow that comes next.
    pub(super) fn start_at(&self, number: u32) -> Result<()> {
        self.target.start_at(number)
    }

    /// Nanoseconds per packet of the director, which must have counted every one of them as expected.
    pub(super) fn run(&self, packets: u32) -> Result<f64> {
        let before = self.director.counts()?;
        let run = self.target.run(packets)?;
        let after = self.director.counts()?;
        let expected = self.expectation;
        ensure!(run.action == expected.action, "the XDP action is {}, not {}", run.action, expected.action);
        check(&before, &after, u64::from(packets), &expected)?;
        Ok(run.nanoseconds as f64 / f64::from(packets))
    }

    /// Nanoseconds per packet of the floor.
    pub(super) fn run_floor(&self, packets: u32) -> Result<f64> {
        let run = self.floor.run(packets)?;
        ensure!(run.action == XDP_TX, "the floor's XDP action is {}", run.action);
        Ok(run.nanoseconds as f64 / f64::from(packets))
    }
}

/// Exactly the expected counter and statistics moved, by exactly the packets.
fn check(before: &Counts, after: &Counts, packets: u64, expected: &Expectation) -> Result<()> {
    for (counter, (before, after)) in Counter::ALL.iter().zip(before.counters.iter().zip(&after.counters)) {
        let wanted = if *counter == expected.counter { packets } else { 0 };
        let moved = after - before;
        ensure!(moved == wanted, "{} moved by {moved}, not {wanted}", counter.name());
    }
    let (from, to, each) = (before.servers, after.servers, expected.each);
    let moved = Statistics {
        connections: to.connections - from.connections,
        in_packets: to.in_packets - from.in_packets,
        in_bytes: to.in_bytes - from.in_bytes,
        out_packets: to.out_packets - from.out_packets,
        out_bytes: to.out_bytes - from.out_bytes,
    };
    let wanted = Statistics {
        connections: each.connections * packets,
        in_packets: each.in_packets * packets,
        in_bytes: each.in_bytes * packets,
        out_packets: each.out_packets * packets,
        out_bytes: each.out_bytes * packets,
    };
    ensure!(moved == wanted, "the servers' statistics moved by {moved:?}, not {wanted:?}");
    Ok(())
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Floor,
    Object(usize),
}

/// Floor and objects in turn, after a round that does not count.
pub(super) fn rounds(count: u32, objects: usize, mut run: impl FnMut(Turn) -> Result<f64>) -> Result<Measured> {
    let mut floor = Vec::new();
    let mut times = vec![Vec::new(); objects];
    for round in 0..=count {
        let time = run(Turn::Floor)?;
        floor.extend((round > 0).then_some(time));
        for (number, times) in times.iter_mut().enumerate() {
            let time = run(Turn::Object(number))?;
            times.extend((round > 0).then_some(time));
        }
    }
    Ok(Measured { floor: median(floor), objects: times.into_iter().map(median).collect() })
}

/// The same for traffic that stands ready before each object.
pub(super) fn steady(count: u32, benches: &[Bench<'_>], packets: u32) -> Result<Measured> {
    let first = benches.first().context("no object")?;
    rounds(count, benches.len(), |turn| match turn {
        Turn::Floor => first.run_floor(packets),
        Turn::Object(number) => benches.get(number).map_or_else(|| first.run(packets), |bench| bench.run(packets)),
    })
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let half = times.len() / 2;
    let at = |index: usize| times.get(index).copied().unwrap_or(f64::NAN);
    if times.len() % 2 == 1 { at(half) } else { (at(half.wrapping_sub(1)) + at(half)) / 2.0 }
}
