//! Local addresses and ports by number.

use crate::abi::{LocalRange, Locals, Port};
use crate::{Address, address};

/// The address and port with this number among those of a service; none beyond the last.
#[inline(always)]
pub fn locate<A: Address>(locals: &Locals, mut number: u32) -> Option<(A, Port)> {
    for range in &locals.ranges {
        let places = size(range);
        if number < places {
            return Some(within(range, number));
        }
        number -= places;
    }
    None
}

/// Places of a range. The daemon sees to it that those of a service fit into 32 bits.
#[inline(always)]
pub(super) fn size(range: &LocalRange) -> u32 {
    range.addresses.get().wrapping_mul(range.ports.get() >> 16)
}

#[inline(always)]
fn within<A: Address>(range: &LocalRange, number: u32) -> (A, Port) {
    let (ports, first) = (range.ports.get(), address::load::<A>(&range.first));
    // The range has places, so it has ports; the machine would divide by zero, the verifier knows that it does not.
    let count = (ports >> 16).max(1);
    (first.plus(number / count), Port::new((ports + number % count) as u16))
}
