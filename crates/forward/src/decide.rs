//! The whole load balancer on one page: what a frame goes through, in order.
//!
//! In the kernel the same steps run as programs that tail-call each other (`ebpf`); here they stand together, for the
//! host and for the reader.

use crate::abi::{Address4, Address6};
use crate::classify::{self, Lead};
use crate::parse::Parse;
use crate::{Answer, Counter, Family, Frame, Next, Shared, Tables, Time, Verdict, establish, relate, steer};

/// Decides about a frame and rewrites it; counts the verdict, and tells the sender of a dropped packet what he shall
/// know.
#[inline(always)]
pub fn process<F: Frame, T: Tables<Address4> + Tables<Address6>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    match classify::classify(frame, tables) {
        Err(counter) => {
            tables.count(counter);
            Verdict::because(counter)
        }
        Ok(lead) => {
            let verdict = follow(frame, lead, tables, now);
            conclude(frame, lead.network(), verdict, tables, || now)
        }
    }
}

/// Decides about a frame and rewrites it, for somebody who only wants to know. Questions are about untagged frames.
#[inline(always)]
pub fn consider<F: Frame, T: Tables<Address4> + Tables<Address6>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    match classify::classify(frame, tables) {
        Err(counter) => Verdict::because(counter),
        Ok(Lead { tagged: true, .. }) => Verdict::because(Counter::PassNotOurs),
        Ok(lead) => follow(frame, lead, tables, now),
    }
}

#[inline(always)]
fn follow<F: Frame, T: Tables<Address4> + Tables<Address6>>(
    frame: &mut F,
    lead: Lead,
    tables: &T,
    now: Time,
) -> Verdict {
    match lead.family {
        Family::Ipv4 => serve::<Address4, F, T>(frame, lead, tables, now),
        Family::Ipv6 => serve::<Address6, F, T>(frame, lead, tables, now),
    }
}

/// A packet of one family: by its connection, by a new one, or as an error about a packet of one.
#[inline(always)]
fn serve<A: Parse, F: Frame, T: Tables<A>>(frame: &mut F, lead: Lead, tables: &T, now: Time) -> Verdict {
    let network = lead.network();
    let next = match lead.next {
        Next::Steer => match steer::steer(frame, network, tables, now) {
            Ok(verdict) => return verdict,
            Err(next) => next,
        },
        next => next,
    };
    if next != Next::Relate {
        return establish::establish(frame, network, tables, now);
    }
    if let Ok(verdict) = relate::relate(frame, network, tables, now) {
        return verdict;
    }
    match relate::invite(frame, network, tables, now) {
        Ok(()) => relate::relate(frame, network, tables, now).unwrap_or(Verdict::because(Counter::DropContended)),
        Err(counter) => Verdict::because(counter),
    }
}

/// Counts a verdict. Where the sender of a dropped packet shall know why, the frame becomes the message to him; only
/// then the clock is asked again. This host itself is not told.
#[inline(always)]
pub fn conclude<F: Frame, T: Shared>(
    frame: &mut F,
    network: usize,
    verdict: Verdict,
    tables: &T,
    now: impl FnOnce() -> Time,
) -> Verdict {
    tables.count(verdict.counter);
    let told = verdict.answer != Answer::NOTHING && frame.ingress() != 0;
    if told && frame.answer(network, verdict.answer, tables, now()) {
        return Verdict::forward(verdict.counter, frame.ingress());
    }
    verdict
}
