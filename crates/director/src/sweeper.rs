//! When the next slice of the connection tables is swept.
//!
//! A pass takes about max(1 s, entries × 8 µs): some five percent of a core, whatever the number of connections.

use api::ConnectionTableStatus;
use dataplane::{SweepReport, TableUse};
use forward::abi::{Address4, Address6, Connection, FlowKey};
use std::time::{Duration, Instant};

/// Shortest time of a pass.
const PASS: Duration = Duration::from_secs(1);
/// Time between two slices of one pass: 4096 entries × 8 µs.
const SLICE: Duration = Duration::from_micros(4096 * 8);
/// What a preallocated hash map needs for an entry besides key and value.
const OVERHEAD: usize = 48 + 27;

/// The pace of sweeping, and how full the tables are.
#[derive(Debug)]
pub(crate) struct Sweeper {
    pass_began: Instant,
    next: Instant,
    tables: Option<(TableUse, TableUse)>,
}

impl Sweeper {
    /// The first slice is due now.
    pub(crate) fn new(now: Instant) -> Self {
        Self { pass_began: now, next: now, tables: None }
    }

    /// When the next slice is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// A slice was swept.
    pub(crate) fn swept(&mut self, report: SweepReport, now: Instant) {
        // How much is used is as of the last complete pass, in every report.
        self.tables = Some((report.family4, report.family6));
        if report.expired > 0 {
            tracing::debug!(expired = report.expired, "connections swept");
        }
        if !report.complete {
            self.next = now + SLICE;
            return;
        }
        self.next = (self.pass_began + PASS).max(now + SLICE);
        self.pass_began = self.next;
    }

    /// A slice could not be swept.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.next = now + PASS;
        self.pass_began = self.next;
    }

    /// Size of the IPv4 table.
    pub(crate) fn size(&self) -> u64 {
        self.tables.map_or(0, |(family4, _)| u64::from(family4.size))
    }

    /// For the status.
    pub(crate) fn status(&self) -> Vec<ConnectionTableStatus> {
        let Some((family4, family6)) = self.tables else { return Vec::new() };
        let status = |family, table: TableUse, key: usize| ConnectionTableStatus {
            family,
            used: u64::from(table.used),
            size: u64::from(table.size),
            entry_bytes: (key + size_of::<Connection>() + OVERHEAD) as u64,
        };
        vec![status(4, family4, size_of::<FlowKey<Address4>>()), status(6, family6, size_of::<FlowKey<Address6>>())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(complete: bool) -> SweepReport {
        let table = TableUse { used: 5, size: 10 };
        SweepReport { family4: table, family6: table, expired: 1, complete }
    }

    #[test]
    fn a_short_pass_takes_a_second() {
        let start = Instant::now();
        let mut sweeper = Sweeper::new(start);
        sweeper.swept(report(true), start + Duration::from_millis(2));
        assert_eq!(sweeper.next(), start + PASS);
        sweeper.swept(report(true), start + PASS);
        assert_eq!(sweeper.next(), start + PASS * 2);
    }

    #[test]
    fn a_long_pass_goes_on_slice_by_slice() {
        let start = Instant::now();
        let mut sweeper = Sweeper::new(start);
        let mut now = start;
        for _ in 0..100 {
            sweeper.swept(report(false), now);
            assert_eq!(sweeper.next(), now + SLICE);
            now = sweeper.next();
        }
        sweeper.swept(report(true), now);
        assert_eq!(sweeper.next(), now + SLICE);
        assert_eq!(sweeper.status().first().map(|table| (table.used, table.entry_bytes)), Some((5, 155)));
    }
}
