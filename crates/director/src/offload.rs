//! Whether frames of an interface arrive with checksums that were only begun. Pure.
//!
//! The programs tell such a checksum by its value, which a finished one has by chance once in 65536 frames: one frame
//! proves nothing, and few among many prove nothing either. Only where the other end may be on this very host is one of
//! the first frames enough: each second of doubt costs connections there, and chance would have to strike at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Frames are counted over this time, then anew.
const WINDOW: Duration = Duration::from_secs(10);
/// What is told to operators happened in this time.
const RECENT: Duration = Duration::from_secs(60);
/// Time between two notes for that.
const NOTE: Duration = Duration::from_secs(5);
/// Frames that are the first ones.
const FIRST: u64 = 4;
/// Drivers whose frames come from a stack that may be on this host: it leaves checksums to a device that there is none of.
const NEAR: [&str; 4] = ["veth", "virtio_net", "tun", "vif"];

/// True for a driver whose other end may be on this host.
pub(crate) fn is_near(driver: &str) -> bool {
    NEAR.contains(&driver)
}

/// Frames whose checksum was looked at, and those of them where it was only begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) checked: u64,
    pub(crate) partial: u64,
}

impl Seen {
    const fn since(self, before: Self) -> Self {
        Self {
            checked: self.checked.saturating_sub(before.checked),
            partial: self.partial.saturating_sub(before.partial),
        }
    }

    /// True when chance no longer explains it.
    const fn is_telling(self) -> bool {
        let Self { checked, partial } = self;
        (partial >= 2 && partial * 4 >= checked) || (partial >= 3 && partial * 50 >= checked)
    }

    /// True when there is one among the first frames that were ever looked at: enough for a near sender.
    pub(crate) const fn is_early(self) -> bool {
        self.partial > 0 && self.checked <= FIRST
    }
}

/// What one interface has shown.
#[derive(Debug)]
pub(crate) struct Suspicion {
    before: Seen,
    since: Instant,
    /// Counts of the last minute, oldest first.
    notes: VecDeque<(Instant, Seen)>,
}

impl Suspicion {
    /// Counts from `seen` on.
    pub(crate) fn new(seen: Seen, now: Instant) -> Self {
        Self { before: seen, since: now, notes: VecDeque::from([(now, seen)]) }
    }

    /// True when chance no longer explains what was seen in the present window.
    pub(crate) fn is_confirmed(&mut self, seen: Seen, now: Instant) -> bool {
        let shown = seen.since(self.before);
        if now.saturating_duration_since(self.since) >= WINDOW {
            (self.before, self.since) = (seen, now);
        }
        self.note(seen, now);
        shown.is_telling()
    }

    fn note(&mut self, seen: Seen, now: Instant) {
        let is_due = |(last, _): &(Instant, Seen)| now.saturating_duration_since(*last) >= NOTE;
        if self.notes.back().is_none_or(is_due) {
            self.notes.push_back((now, seen));
        }
        while self.notes.len() > 1
            && self.notes.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > RECENT)
        {
            self.notes.pop_front();
        }
    }

    /// Unfinished checksums of the last minute; none while chance explains them.
    pub(crate) fn recent(&self, seen: Seen) -> u64 {
        let shown = seen.since(self.notes.front().map_or(seen, |(_, before)| *before));
        if shown.is_telling() { shown.partial } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seen(checked: u64, partial: u64) -> Seen {
        Seen { checked, partial }
    }

    #[test]
    fn chance_is_told_from_offload() {
        let rows = [
            (1, 1, false),
            (2, 2, true),
            (8, 2, true),
            (9, 2, false),
            (150, 3, true),
            (200, 3, false),
            (1_000_000, 100, false),
            (1_000_000, 20_000, true),
            (0, 0, false),
        ];
        for (checked, partial, expected) in rows {
            let now = Instant::now();
            let mut suspicion = Suspicion::new(seen(50, 5), now);
            let after = seen(50 + checked, 5 + partial);
            assert_eq!(suspicion.is_confirmed(after, now), expected, "{partial} of {checked}");
        }
    }

    #[test]
    fn a_window_ends() {
        let begin = Instant::now();
        let mut suspicion = Suspicion::new(Seen::default(), begin);
        assert!(!suspicion.is_confirmed(seen(1, 1), begin + WINDOW));
        assert!(!suspicion.is_confirmed(seen(2, 2), begin + WINDOW + Duration::from_secs(1)), "one in each window");
        assert!(suspicion.is_confirmed(seen(3, 3), begin + WINDOW + Duration::from_secs(2)));
    }

    #[test]
    fn the_first_frames_tell_more_of_a_near_sender() {
        for (counts, expected) in
            [(seen(1, 1), true), (seen(4, 1), true), (seen(5, 1), false), (seen(1, 0), false), (seen(0, 0), false)]
        {
            assert_eq!(counts.is_early(), expected, "{counts:?}");
        }
        assert!(is_near("veth") && !is_near("ixgbe"));
    }

    #[test]
    fn what_is_over_for_a_minute_is_no_longer_told() {
        let begin = Instant::now();
        let mut suspicion = Suspicion::new(Seen::default(), begin);
        let mut counts = Seen::default();
        for second in 0..200_u64 {
            if second < 10 {
                counts = seen(counts.checked + 1, counts.partial + 1);
            } else {
                counts.checked += 1;
            }
            suspicion.is_confirmed(counts, begin + Duration::from_secs(second));
            match second {
                5 => assert_eq!(suspicion.recent(counts), 6),
                30 => assert_eq!(suspicion.recent(counts), 10),
                90.. => assert_eq!(suspicion.recent(counts), 0, "after {second} s"),
                _ => {}
            }
        }
        assert!(suspicion.notes.len() < 20);
    }
}
