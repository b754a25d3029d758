//! The whole load balancer on one page: what a frame goes through, in order.
//!
//! In the kernel the same steps run as programs that tail-call each other (`ebpf`); here they stand together, for the
//! host and for the reader.

use crate::abi::{Address4, Address6};
use crate::classify::{self, NETWORK};
use crate::parse::Parse;
use crate::{Answer, Family, Frame, Next, Shared, Tables, Time, Verdict, establish, relate, steer};

/// Decides about a frame and rewrites it; counts the verdict, and tells the sender of a dropped packet what he shall
/// know.
#[inline(always)]
pub fn process<F: Frame, T: Tables<Address4> + Tables<Address6>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    let verdict = consider(frame, tables, now);
    conclude(frame, NETWORK, verdict, tables, now)
}

/// Decides about a frame and rewrites it.
#[inline(always)]
pub fn consider<F: Frame, T: Tables<Address4> + Tables<Address6>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    match classify::classify(frame, tables) {
        Err(counter) => Verdict::because(counter),
        Ok((Family::Ipv4, next)) => serve::<Address4, F, T>(frame, next, tables, now),
        Ok((Family::Ipv6, next)) => serve::<Address6, F, T>(frame, next, tables, now),
    }
}

/// A packet of one family: by its connection, by a new one, or as an error about a packet of one.
#[inline(always)]
fn serve<A: Parse, F: Frame, T: Tables<A>>(frame: &mut F, first: Next, tables: &T, now: Time) -> Verdict {
    let next = match first {
        Next::Steer => match steer::steer(frame, NETWORK, tables, now) {
            Ok(verdict) => return verdict,
            Err(next) => next,
        },
        next => next,
    };
    match next {
        Next::Relate => relate::relate(frame, NETWORK, tables, now),
        _ => establish::establish(frame, NETWORK, tables, now),
    }
}

/// Counts a verdict. Where the sender of a dropped packet shall know why, the frame becomes the message to him.
#[inline(always)]
pub fn conclude<F: Frame, T: Shared>(
    frame: &mut F,
    network: usize,
    verdict: Verdict,
    tables: &T,
    now: Time,
) -> Verdict {
    tables.count(verdict.counter);
    if verdict.answer != Answer::NOTHING && frame.answer(network, verdict.answer, tables, now) {
        return Verdict::forward(verdict.counter, frame.ingress());
    }
    verdict
}
