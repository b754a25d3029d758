//! What processes have used: time of the processor, and memory.

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};
use std::fs;
use std::time::Duration;

/// Of some processes together, at one moment.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct Usage {
    ticks: u64,
    kilobytes: u64,
}

impl Usage {
    /// Of these processes now.
    pub(crate) fn of(processes: impl IntoIterator<Item = u32>) -> Result<Self> {
        processes.into_iter().try_fold(Self::default(), |sum, process| {
            let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}"));
            let ticks = ticks(&read("stat")?).with_context(|| format!("/proc/{process}/stat"))?;
            let kilobytes = resident(&read("status")?).with_context(|| format!("/proc/{process}/status"))?;
            Ok(Self { ticks: sum.ticks + ticks, kilobytes: sum.kilobytes + kilobytes })
        })
    }

    /// Per cent of one core, over the time since `before`.
    pub(crate) fn share_since(&self, before: &Self, time: Duration) -> f64 {
        100.0 * self.seconds_since(before) / time.as_secs_f64()
    }

    /// Time of the processor since `before`.
    pub(crate) fn seconds_since(&self, before: &Self) -> f64 {
        let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
        self.ticks.saturating_sub(before.ticks) as f64 / a_second
    }

    /// Resident memory.
    pub(crate) fn megabytes(&self) -> f64 {
        self.kilobytes as f64 / 1024.0
    }
}

/// User and system time of all threads.
fn ticks(stat: &str) -> Option<u64> {
    // A name in brackets may have blanks and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 1 2 3 4 40 2 5 6 20 0 3 0 99 100 200\n";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2048));
        assert_eq!((ticks("7"), resident("Name:\tx\n")), (None, None));
        let own = Usage::of([std::process::id()]).unwrap();
        assert!(own.megabytes() > 0.5);
        let later = Usage { ticks: own.ticks + 50, ..own };
        assert!(later.share_since(&own, Duration::from_secs(1)) > 0.0);
    }
}
