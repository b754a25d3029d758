//! What an edit of a service's list does to its cursor, as in the kernel (ip_vs_rr.c, ip_vs_wrr.c).

use forward::schedule::Cursor;
use model::Scheduler;
use model::ring::{weight_step, weight_top};

/// An edit of the list of servers (newest first).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Edit {
    /// The service got this scheduler: its state starts anew.
    Begun,
    /// A server was put at the head.
    Added,
    /// The server at this position was taken out.
    Removed(u32),
    /// A server was edited, in whatever: its weight, its reach, or nothing at all.
    Edited,
}

/// wrr's step and top for the effective weights of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ladder {
    pub(crate) step: u32,
    pub(crate) top: u32,
}

impl Ladder {
    pub(crate) fn of(scheduler: Scheduler, weights: &[u32]) -> Self {
        if scheduler != Scheduler::WeightedRoundRobin {
            return Self::default();
        }
        Self { step: weight_step(weights), top: weight_top(weights) }
    }
}

/// The cursor after an edit; `ladder` is that of the list after it.
pub(crate) fn after(edit: Edit, scheduler: Scheduler, cursor: Cursor, ladder: Ladder) -> Cursor {
    match scheduler {
        Scheduler::RoundRobin => round_robin(edit, cursor),
        Scheduler::WeightedRoundRobin => weighted(edit, cursor, ladder),
        _ => Cursor::default(),
    }
}

/// rr remembers the server it chose last: it moves with that server, and back to its predecessor when it is removed.
fn round_robin(edit: Edit, cursor: Cursor) -> Cursor {
    let position = match edit {
        Edit::Begun => 0,
        Edit::Added if cursor.position > 0 => cursor.position + 1,
        Edit::Removed(at) if cursor.position > at => cursor.position - 1,
        Edit::Added | Edit::Removed(_) | Edit::Edited => cursor.position,
    };
    Cursor { position, weight: 0 }
}

/// wrr starts again at the head after every edit, at the weight it had reached, put back on the ladder.
const fn weighted(edit: Edit, cursor: Cursor, ladder: Ladder) -> Cursor {
    let fresh = matches!(edit, Edit::Begun) || cursor.weight == 0 || cursor.weight > ladder.top;
    let weight = if fresh {
        ladder.top
    } else if ladder.step > 1 {
        cursor.weight / ladder.step * ladder.step + 1
    } else {
        cursor.weight
    };
    Cursor { position: 0, weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rr(edit: Edit, position: u32) -> u32 {
        after(edit, Scheduler::RoundRobin, Cursor { position, weight: 0 }, Ladder::default()).position
    }

    #[test]
    fn rr_stays_with_its_server() {
        // The list is c b a; position 2 means that b was chosen last and a is next.
        assert_eq!(rr(Edit::Added, 2), 3, "d c b a: still b");
        assert_eq!(rr(Edit::Added, 0), 0, "at the head: the new server is next");
        assert_eq!(rr(Edit::Removed(0), 2), 1, "b a: still b");
        assert_eq!(rr(Edit::Removed(2), 2), 2, "c b: still b");
        assert_eq!(rr(Edit::Removed(1), 2), 1, "c a: back to c, a is next");
        assert_eq!(rr(Edit::Removed(0), 1), 0, "the first one removed: back to the head");
        assert_eq!(rr(Edit::Edited, 2), 2);
        assert_eq!(rr(Edit::Begun, 2), 0);
    }

    fn wrr(edit: Edit, weight: u32, weights: &[u32]) -> Cursor {
        let ladder = Ladder::of(Scheduler::WeightedRoundRobin, weights);
        after(edit, Scheduler::WeightedRoundRobin, Cursor { position: 2, weight }, ladder)
    }

    #[test]
    fn wrr_goes_back_to_the_head_and_stays_on_its_ladder() {
        assert_eq!(wrr(Edit::Added, 3, &[1, 2, 4]), Cursor { position: 0, weight: 3 });
        assert_eq!(wrr(Edit::Added, 9, &[1, 2, 4]).weight, 4, "over the top");
        assert_eq!(wrr(Edit::Added, 0, &[1, 2, 4]).weight, 4, "not begun");
        // Step 2, top 6 - 1 = 5: the ladder is 5, 3, 1.
        assert_eq!(wrr(Edit::Edited, 4, &[2, 4, 6]).weight, 5);
        assert_eq!(wrr(Edit::Edited, 3, &[2, 4, 6]).weight, 3);
        assert_eq!(wrr(Edit::Begun, 3, &[2, 4, 6]).weight, 5);
        assert_eq!(wrr(Edit::Removed(0), 3, &[]).weight, 0);
    }

    #[test]
    fn other_schedulers_have_no_cursor() {
        let cursor = after(Edit::Added, Scheduler::Maglev, Cursor { position: 3, weight: 2 }, Ladder::default());
        assert_eq!(cursor, Cursor::default());
    }
}
