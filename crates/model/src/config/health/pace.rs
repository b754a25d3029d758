//! When a check is made.

use crate::config::error::Fault;
use crate::config::table::Table;
use crate::health::Pace;
use std::time::Duration;

/// Longest interval or time-out: 31 days.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Successes in a row of a server that was down, and failures of one that was up.
const RISE: u32 = 2;
const FALL: u32 = 3;
/// Most of either.
const MOST: u32 = 10_000;

/// What the table of a check says, or what is usual.
pub(super) fn read(table: Option<&Table<'_>>) -> Result<Pace, Fault> {
    let get = |key| table.and_then(|table| table.get(key));
    let time = |key, least, usual| get(key).map_or(Ok(usual), |value| value.duration(least, LONGEST));
    let interval = time("interval", MILLISECOND, 2 * SECOND)?;
    let jitter = time("jitter", Duration::ZERO, Duration::ZERO)?;
    if let (true, Some(value)) = (jitter > interval, get("jitter")) {
        return Err(value.fault(format!("a jitter longer than the interval of {interval:?}; shorten it")));
    }
    let count = |key, usual| get(key).map_or(Ok(usual), |value| value.number(1, MOST));
    Ok(Pace {
        interval,
        timeout: time("timeout", MILLISECOND, SECOND)?,
        retries: count("fall", FALL)? - 1,
        delay_before_retry: time("delay_before_retry", Duration::ZERO, interval.min(SECOND))?,
        warmup: time("warmup", Duration::ZERO, interval)?,
        rise: count("rise", RISE)?,
        jitter,
    })
}
