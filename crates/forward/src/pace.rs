//! How often something may be done: token buckets of one word each.
//!
//! The word is the time by which all tokens taken so far will have been earned (the "theoretical arrival time" of the
//! generic cell rate algorithm, ITU-T I.371): one compare and one exchange, nothing to refill.

use crate::{Shared, Time};

/// What is limited: the kernel's defaults (net.ipv4.icmp_msgs_per_sec, icmp_msgs_burst, icmp_ratelimit).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Errors together: 1000 a second, 50 at once.
    Errors,
    /// Messages about packets that are too big, as many again: others must not use up what path MTU discovery needs.
    TooBig,
    /// Errors to one receiver, by 32 bits of its address: one a second, six at once. Receivers may share a bucket.
    Receiver(u32),
    /// Fragments of one sender that wait for their first, by 32 bits of its address: 4096 a second, 2048 at once, which
    /// is 64 datagrams of 46 KB. Senders may share a bucket.
    Sender(u32),
}

/// Buckets that all limits share.
pub const BUCKETS: u32 = 2048;
/// The first of them that belongs to receivers.
const RECEIVERS: u32 = 2;
/// The first of them that belongs to senders.
const SENDERS: u32 = 1024;
const SECOND: u64 = 1_000_000_000;

impl Limit {
    /// Its bucket, the time that earns a token, and how many tokens there are at most.
    #[inline(always)]
    const fn parameters(self) -> (u32, u64, u64) {
        match self {
            Self::Errors => (0, SECOND / 1000, 50),
            Self::TooBig => (1, SECOND / 1000, 50),
            Self::Receiver(address) => {
                let hash = address.wrapping_mul(0x9e37_79b1) >> 16;
                (RECEIVERS + hash % (SENDERS - RECEIVERS), SECOND, 6)
            }
            Self::Sender(address) => {
                let hash = address.wrapping_mul(0x9e37_79b1) >> 16;
                (SENDERS + hash % (BUCKETS - SENDERS), SECOND / 4096, 2048)
            }
        }
    }
}

/// Takes a token; false when there is none.
#[inline(always)]
pub fn take<T: Shared>(tables: &T, limit: Limit, now: Time) -> bool {
    let (bucket, interval, burst) = limit.parameters();
    let Some(cell) = tables.bucket(bucket) else { return false };
    for _ in 0..2 {
        let earned = cell.get();
        let from = if earned > now.0 { earned } else { now.0 };
        if from - now.0 > interval * (burst - 1) {
            return false;
        }
        if tables.exchange(cell, earned, from + interval) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HashTables;

    #[test]
    fn a_burst_then_the_rate() {
        let tables = HashTables::new(1, 1);
        let at = |nanoseconds: u64| Time(SECOND * 1000 + nanoseconds);
        let taken = |now: Time| (0..1000).filter(|_| take(&tables, Limit::Errors, now)).count();
        assert_eq!(taken(at(0)), 50);
        assert_eq!(taken(at(999_999)), 0);
        assert_eq!(taken(at(1_000_000)), 1);
        assert_eq!(taken(at(11_000_000)), 10);
        assert_eq!(taken(at(SECOND)), 50);
        assert_eq!((0..1000).filter(|_| take(&tables, Limit::TooBig, at(0))).count(), 50);
    }

    #[test]
    fn receivers_have_buckets_of_their_own() {
        let tables = HashTables::new(1, 1);
        let taken = |receiver, now| (0..100).filter(|_| take(&tables, Limit::Receiver(receiver), Time(now))).count();
        assert_eq!(taken(0x0a00_0001, SECOND), 6);
        assert_eq!(taken(0x0a00_0002, SECOND), 6);
        assert_eq!(taken(0x0a00_0001, 4 * SECOND), 3);
    }

    #[test]
    fn every_bucket_exists() {
        let receivers = (0..100_000_u32).map(|number| Limit::Receiver(number.wrapping_mul(0x01f0_1f01)));
        assert!(receivers.chain([Limit::Errors, Limit::TooBig]).all(|limit| limit.parameters().0 < SENDERS));
        let mut senders = (0..100_000_u32).map(|number| Limit::Sender(number.wrapping_mul(0x01f0_1f01)));
        assert!(senders.all(|limit| (SENDERS..BUCKETS).contains(&limit.parameters().0)));
    }
}
