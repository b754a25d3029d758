//! The shape that all machines have.

use forward::Time;

/// Something that decides, and only decides.
pub trait Machine {
    /// What can happen.
    type Input;
    /// What shall be done.
    type Output;

    /// Takes notice of what happened at `now`, and says what shall be done.
    fn handle(&mut self, input: Self::Input, now: Time, emit: &mut dyn FnMut(Self::Output));

    /// When to come back with the time alone, if nothing happens before.
    fn next_deadline(&self) -> Option<Time>;
}
