//! How full the connection tables are, as events: one when a line is crossed, not one a second.

use crate::events::Events;
use api::{ConnectionTableStatus, EventKind, Level};
use std::collections::BTreeMap;

/// Percent of the room from which on a step is reached.
const STEPS: [u64; 4] = [0, 80, 90, 100];
/// Percent that a table must fall below a step before it counts as left.
const SLACK: u64 = 5;

/// The step that was told last, by family.
#[derive(Debug, Default)]
pub(crate) struct Pressure(BTreeMap<u8, usize>);

impl Pressure {
    /// Tells of the tables that have changed their step.
    pub(crate) fn tell(&mut self, tables: &[ConnectionTableStatus], events: &Events) {
        for table in tables {
            let last = self.0.entry(table.family).or_default();
            let step = step(percent(table), *last);
            if step == *last {
                continue;
            }
            *last = step;
            let ConnectionTableStatus { family, used, size, .. } = *table;
            let (level, what) = match step {
                0 => (Level::Info, "has room again"),
                _ if used >= size => (Level::Error, "is full: new connections are dropped"),
                _ => (Level::Warn, "is filling up"),
            };
            let text = format!("the IPv{family} connection table {what}: {used} of {size} entries used");
            events.tell(level, EventKind::TablePressure { family, used, size }, text);
        }
    }
}

fn percent(table: &ConnectionTableStatus) -> u64 {
    table.used.saturating_mul(100).checked_div(table.size).unwrap_or_default()
}

/// The highest step reached; one that was reached before is left a little later.
fn step(percent: u64, last: usize) -> usize {
    let reached = |index: usize, from: u64| percent >= if index <= last { from.saturating_sub(SLACK) } else { from };
    STEPS.iter().enumerate().rev().find(|(index, from)| reached(*index, **from)).map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_once_in_each_direction() {
        let rows = [(10, 0), (79, 0), (80, 1), (76, 1), (79, 1), (80, 1), (95, 2), (86, 2), (84, 1), (100, 3), (74, 0)];
        let mut last = 0;
        for (percent, expected) in rows {
            last = step(percent, last);
            assert_eq!(last, expected, "{percent} %");
        }
    }
}
