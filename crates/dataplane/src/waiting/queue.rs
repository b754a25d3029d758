//! Who waits: datagrams whose first fragment has not come yet. Nothing here knows a kernel.

use std::time::{Duration, Instant};

/// How long fragments wait for their first.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);
/// Datagrams that wait at a time.
pub(crate) const MOST: usize = 64;
/// Fragments of one datagram: 64 KB in pieces of 1400 bytes.
pub(crate) const MOST_PIECES: usize = 48;

/// A fragment as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) interface: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Fragments of one datagram.
#[derive(Debug)]
pub(crate) struct Datagram<K> {
    pub(crate) key: K,
    /// Its sender.
    source: [u64; 2],
    since: Instant,
    pub(crate) pieces: Vec<Piece>,
}

/// All that wait, the oldest first.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    waiting: Vec<Datagram<K>>,
}

impl<K: PartialEq + Copy> Queue<K> {
    pub(crate) const fn new() -> Self {
        Self { waiting: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a fragment in. Where there is no room, the sender with the most datagrams here loses its oldest. Returns how
    /// many fragments were lost.
    pub(crate) fn admit(&mut self, key: K, source: [u64; 2], piece: Piece, now: Instant) -> usize {
        if let Some(datagram) = self.waiting.iter_mut().find(|datagram| datagram.key == key) {
            if datagram.pieces.len() >= MOST_PIECES {
                return 1;
            }
            datagram.pieces.push(piece);
            return 0;
        }
        let lost = if self.waiting.len() < MOST { 0 } else { self.make_room(source) };
        self.waiting.push(Datagram { key, source, since: now, pieces: vec![piece] });
        lost
    }

    fn make_room(&mut self, newcomer: [u64; 2]) -> usize {
        let of = |source: [u64; 2]| self.waiting.iter().filter(|datagram| datagram.source == source).count();
        let own = of(newcomer) + 1;
        let greediest = self.waiting.iter().map(|datagram| datagram.source).max_by_key(|source| of(*source));
        let victim = greediest.filter(|source| of(*source) > own).unwrap_or(newcomer);
        let place = self.waiting.iter().position(|datagram| datagram.source == victim).unwrap_or(0);
        self.waiting.remove(place).pieces.len()
    }

    /// Those whose first has come, which `has_come` knows.
    pub(crate) fn release(&mut self, mut has_come: impl FnMut(&K) -> bool) -> Vec<Datagram<K>> {
        self.waiting.extract_if(.., |datagram| has_come(&datagram.key)).collect()
    }

    /// Lets those go that have waited in vain. Returns how many fragments were lost.
    pub(crate) fn expire(&mut self, now: Instant) -> usize {
        let late = |datagram: &mut Datagram<K>| now.saturating_duration_since(datagram.since) > PATIENCE;
        self.waiting.extract_if(.., late).map(|datagram| datagram.pieces.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(number: u8) -> Piece {
        Piece { interface: 1, bytes: vec![number] }
    }

    #[test]
    fn fragments_wait_together_and_leave_together_in_their_order() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        for number in 0..3 {
            assert_eq!(queue.admit(7, [1, 0], piece(number), now), 0);
        }
        queue.admit(8, [1, 0], piece(9), now);
        let released = queue.release(|key| *key == 7);
        assert_eq!(released.iter().map(|datagram| datagram.pieces.len()).collect::<Vec<_>>(), [3]);
        assert_eq!(released[0].pieces, [piece(0), piece(1), piece(2)]);
        assert!(!queue.is_empty());
    }

    #[test]
    fn patience_ends() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.admit(7, [1, 0], piece(0), now);
        assert_eq!(queue.expire(now + PATIENCE), 0);
        assert_eq!(queue.expire(now + PATIENCE + Duration::from_millis(1)), 1);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_greedy_sender_makes_room_for_others() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        let lost: usize = (0..1000).map(|key| queue.admit(key, [1, 0], piece(0), now)).sum();
        assert_eq!(lost, 1000 - MOST);
        let lost: usize = (1000..1010).map(|key| queue.admit(key, [2, 0], piece(0), now)).sum();
        assert_eq!(lost, 10);
        assert_eq!(queue.release(|key| *key >= 1000).len(), 10);
        assert_eq!(queue.release(|_| true).len(), MOST - 10);
    }

    #[test]
    fn a_datagram_has_so_many_pieces() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        let lost: usize = (0..100).map(|_| queue.admit(1, [1, 0], piece(0), now)).sum();
        assert_eq!(lost, 100 - MOST_PIECES);
    }
}
