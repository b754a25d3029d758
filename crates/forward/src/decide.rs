//! The whole load balancer on one page: what a frame goes through, in order.
//!
//! In the kernel the same steps run as programs that tail-call each other (`ebpf`); here they stand together, for the
//! host and for the reader.

use crate::abi::{Address4, Address6};
use crate::classify::{self, NETWORK};
use crate::parse::Parse;
use crate::{Family, Frame, Shared, Tables, Time, Verdict, establish, steer};

/// Decides about a frame and rewrites it; counts the verdict.
#[inline(always)]
pub fn process<F: Frame, T: Tables<Address4> + Tables<Address6>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    let verdict = match classify::classify(frame, tables) {
        Err(counter) => Verdict::because(counter),
        Ok(Family::Ipv4) => serve::<Address4, F, T>(frame, tables, now),
        Ok(Family::Ipv6) => serve::<Address6, F, T>(frame, tables, now),
    };
    conclude(verdict, tables)
}

/// A packet of one family: by its connection, or by a new one.
#[inline(always)]
fn serve<A: Parse, F: Frame, T: Tables<A>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    match steer::steer(frame, NETWORK, tables, now) {
        Some(verdict) => verdict,
        None => establish::establish(frame, NETWORK, tables, now),
    }
}

/// Counts a verdict.
#[inline(always)]
pub fn conclude<T: Shared>(verdict: Verdict, tables: &T) -> Verdict {
    tables.count(verdict.counter);
    verdict
}
