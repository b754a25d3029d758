//! The allocator of schedule slots: lists and hash tables of all services share one array.
//!
//! What is given back rests for a while first: a program may still be reading the list it found a moment ago.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How long slots (and other things that programs may hold) rest before they are used again.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// A run of slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

/// Free, taken and resting slots.
#[derive(Debug)]
pub(crate) struct Slots {
    size: u32,
    /// Free runs: start to length; neighbours are merged.
    free: BTreeMap<u32, u32>,
    resting: VecDeque<(Instant, Span)>,
}

impl Slots {
    /// All of `size` slots free.
    pub(crate) fn new(size: u32) -> Self {
        Self { size, free: [(0, size)].into(), resting: VecDeque::new() }
    }

    pub(crate) const fn size(&self) -> u32 {
        self.size
    }

    /// A run of `length` free slots, the lowest there is. An empty run always exists.
    pub(crate) fn take(&mut self, length: u32, now: Instant) -> Option<Span> {
        if length == 0 {
            return Some(Span::default());
        }
        self.settle(now);
        let (start, room) = self.free.iter().find(|(_, room)| **room >= length).map(|(start, room)| (*start, *room))?;
        self.free.remove(&start);
        if room > length {
            self.free.insert(start + length, room - length);
        }
        Some(Span { start, length })
    }

    /// Marks a run as taken that is found in use; false when it overlaps another or lies outside.
    pub(crate) fn reserve(&mut self, span: Span) -> bool {
        if span.length == 0 {
            return true;
        }
        let Some((start, room)) = self.free.range(..=span.start).next_back().map(|(start, room)| (*start, *room))
        else {
            return false;
        };
        let before = span.start - start;
        let Some(after) = room.checked_sub(before).and_then(|left| left.checked_sub(span.length)) else { return false };
        self.free.remove(&start);
        self.give_back(Span { start, length: before });
        self.give_back(Span { start: span.start + span.length, length: after });
        true
    }

    /// Gives a run back that programs may still read.
    pub(crate) fn release(&mut self, span: Span, now: Instant) {
        if span.length > 0 {
            self.resting.push_back((now + REST, span));
        }
    }

    /// Gives a run back that no program has seen.
    pub(crate) fn give_back(&mut self, span: Span) {
        let Span { mut start, mut length } = span;
        if length == 0 {
            return;
        }
        if let Some(after) = self.free.remove(&(start + length)) {
            length += after;
        }
        if let Some((before, room)) = self.free.range(..start).next_back().map(|(before, room)| (*before, *room))
            && before + room == start
        {
            (start, length) = (before, room + length);
        }
        self.free.insert(start, length);
    }

    /// Frees what has rested long enough.
    pub(crate) fn settle(&mut self, now: Instant) {
        while let Some((due, span)) = self.resting.front().copied()
            && due <= now
        {
            self.resting.pop_front();
            self.give_back(span);
        }
    }

    /// How long until resting slots are free, if any rest.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Duration> {
        self.resting.front().map(|(due, _)| due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(slots: &Slots) -> Vec<(u32, u32)> {
        slots.free.iter().map(|(start, length)| (*start, *length)).collect()
    }

    #[test]
    fn runs_are_taken_from_below_and_merge_when_given_back() {
        let now = Instant::now();
        let mut slots = Slots::new(100);
        let [a, b, c] = [10, 20, 30].map(|length| slots.take(length, now).unwrap());
        assert_eq!((a.start, b.start, c.start), (0, 10, 30));
        slots.give_back(a);
        slots.give_back(c);
        assert_eq!(free(&slots), [(0, 10), (30, 70)]);
        slots.give_back(b);
        assert_eq!(free(&slots), [(0, 100)]);
    }

    #[test]
    fn what_is_released_rests_before_it_is_taken_again() {
        let now = Instant::now();
        let mut slots = Slots::new(10);
        let all = slots.take(10, now).unwrap();
        slots.release(all, now);
        assert_eq!(slots.take(1, now), None);
        assert_eq!(slots.next_due(now), Some(REST));
        assert_eq!(slots.take(1, now + REST), Some(Span { start: 0, length: 1 }));
    }

    #[test]
    fn exhaustion_takes_nothing() {
        let now = Instant::now();
        let mut slots = Slots::new(10);
        assert_eq!(slots.take(11, now), None);
        assert_eq!(free(&slots), [(0, 10)]);
        assert_eq!(slots.take(0, now), Some(Span::default()));
    }

    #[test]
    fn reserving_refuses_overlaps_and_strangers() {
        let mut slots = Slots::new(10);
        assert!(slots.reserve(Span { start: 2, length: 3 }));
        assert_eq!(free(&slots), [(0, 2), (5, 5)]);
        assert!(!slots.reserve(Span { start: 4, length: 2 }));
        assert!(!slots.reserve(Span { start: 8, length: 3 }));
        assert!(!slots.reserve(Span { start: 10, length: 1 }));
        assert!(slots.reserve(Span { start: 0, length: 2 }) && slots.reserve(Span { start: 5, length: 5 }));
        assert_eq!(free(&slots), []);
    }
}
