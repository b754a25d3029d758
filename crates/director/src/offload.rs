//! Whether frames of an interface arrive with checksums that were only begun. Pure.
//!
//! The programs tell such a checksum by its value, which a finished one has by chance once in 65536 frames: one frame
//! proves nothing, and few among many prove nothing either.

use std::time::{Duration, Instant};

/// Frames are counted over this time, then anew.
const WINDOW: Duration = Duration::from_secs(10);

/// Frames whose checksum was looked at, and those of them where it was only begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) checked: u64,
    pub(crate) partial: u64,
}

/// What one interface has shown in the present window.
#[derive(Debug)]
pub(crate) struct Suspicion {
    before: Seen,
    since: Instant,
}

impl Suspicion {
    /// Counts from `seen` on.
    pub(crate) fn new(seen: Seen, now: Instant) -> Self {
        Self { before: seen, since: now }
    }

    /// True when chance no longer explains what was seen.
    pub(crate) fn is_confirmed(&mut self, seen: Seen, now: Instant) -> bool {
        let checked = seen.checked.saturating_sub(self.before.checked);
        let partial = seen.partial.saturating_sub(self.before.partial);
        if now.saturating_duration_since(self.since) >= WINDOW {
            *self = Self::new(seen, now);
        }
        (partial >= 2 && partial * 4 >= checked) || (partial >= 3 && partial * 50 >= checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let before = Seen { checked: 50, partial: 5 };
            let now = Instant::now();
            let mut suspicion = Suspicion::new(before, now);
            let seen = Seen { checked: 50 + checked, partial: 5 + partial };
            assert_eq!(suspicion.is_confirmed(seen, now), expected, "{partial} of {checked}");
        }
    }

    #[test]
    fn a_window_ends() {
        let begin = Instant::now();
        let mut suspicion = Suspicion::new(Seen::default(), begin);
        let one = Seen { checked: 1, partial: 1 };
        assert!(!suspicion.is_confirmed(one, begin + WINDOW));
        let two = Seen { checked: 2, partial: 2 };
        assert!(!suspicion.is_confirmed(two, begin + WINDOW + Duration::from_secs(1)), "one in each window");
        let three = Seen { checked: 3, partial: 3 };
        assert!(suspicion.is_confirmed(three, begin + WINDOW + Duration::from_secs(2)));
    }
}
