//! Time as the forwarding path sees it: nanoseconds in, ticks in the tables.

/// Nanoseconds since boot, from the coarse monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Time(pub u64);

impl Time {
    /// A tick is 2^26 ns, about 67 ms: fine enough for time-outs of seconds, coarse enough that a busy
    /// connection is written to about fifteen times a second and not with every packet.
    pub const TICK_SHIFT: u32 = 26;

    /// The tick this moment lies in. Wraps after nine years of uptime, and so do the differences of [`age`](Self::age).
    #[inline(always)]
    pub const fn tick(self) -> u32 {
        (self.0 >> Self::TICK_SHIFT) as u32
    }

    /// Ticks in so many seconds, rounded up.
    pub const fn ticks(seconds: u32) -> u32 {
        ((seconds as u64 * 1_000_000_000 + (1 << Self::TICK_SHIFT) - 1) >> Self::TICK_SHIFT) as u32
    }

    /// Whole seconds in so many ticks.
    pub const fn seconds(ticks: u32) -> u32 {
        (((ticks as u64) << Self::TICK_SHIFT) / 1_000_000_000) as u32
    }

    /// Ticks gone by since `then`; a `then` in the near future (another CPU was ahead) counts as now.
    #[inline(always)]
    pub const fn age(self, then: u32) -> u32 {
        let age = self.tick().wrapping_sub(then);
        if age > u32::MAX / 2 { 0 } else { age }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_round_up_and_ages_never_run_backwards() {
        assert_eq!(Time::ticks(1), 15);
        assert_eq!(Time::ticks(900), 13_412);
        assert_eq!([14, 15, 13_412].map(Time::seconds), [0, 1, 900]);
        let now = Time(100 << Time::TICK_SHIFT);
        assert_eq!(now.age(90), 10);
        assert_eq!(now.age(101), 0);
    }
}
