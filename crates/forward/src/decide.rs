//! The whole load balancer on one page: what a frame goes through, in order.
//!
//! In the kernel the same steps run as programs that tail-call each other (`ebpf`); here they stand together, for the
//! host and for the reader.

use crate::abi::{Address4, Address6};
use crate::classify::{self, Lead};
use crate::parse::Parse;
use crate::{
    Answer, Counter, Family, Frame, Next, Shared, Tables, Time, Verdict, establish, fragment, fullnat, relate, steer,
    unwrap,
};

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

/// Decides about a frame and rewrites it, for somebody who only wants to know. Questions are about untagged
/// frames and whole datagrams, never about errors. Those of FullNAT are left as they are, whose local port is not chosen for a question:
/// `hand` is told their server.
#[inline(always)]
pub fn consider<F: Frame, T: Tables<Address4> + Tables<Address6>>(frame: &mut F, tables: &T, now: Time) -> Verdict {
    match classify::classify(frame, tables) {
        Err(counter) => Verdict::because(counter),
        Ok(Lead { tagged: true, .. }) => Verdict::because(Counter::PassNotOurs),
        Ok(Lead { next: Next::Relate, .. }) => Verdict::because(Counter::PassIcmp),
        Ok(lead) => match lead.family {
            Family::Ipv4 => ponder::<Address4, F, T>(frame, lead, tables, now),
            Family::Ipv6 => ponder::<Address6, F, T>(frame, lead, tables, now),
        },
    }
}

#[inline(always)]
fn ponder<A: Parse, F: Frame, T: Tables<A>>(frame: &mut F, lead: Lead, tables: &T, now: Time) -> Verdict {
    tables.hand(0);
    let network = lead.network();
    let outcome = match steer::steer::<A, F, T>(frame, network, tables, now) {
        Err(Next::Establish) => establish::establish::<A, F, T>(frame, network, tables, now),
        outcome => outcome,
    };
    match outcome {
        Ok(verdict) => verdict,
        Err(Next::FullNat) => match fullnat::server_of::<A, F, T>(frame, network, tables) {
            Some(server) => by_full_nat(server, tables),
            None => Verdict::because(Counter::DropContended),
        },
        Err(Next::Bind) => by_full_nat(tables.handed(), tables),
        Err(Next::Lead | Next::Follow) => Verdict::because(Counter::PassLaterFragment),
        Err(_) => Verdict::because(Counter::PassIcmp),
    }
}

/// The verdict of FullNAT for a packet to this server, as far as it is not a matter of its local port.
#[inline(always)]
fn by_full_nat<T: Shared>(id: u32, tables: &T) -> Verdict {
    tables.hand(id);
    let hop = tables.server(id).map(|server| server.hop.get().index());
    hop.map_or(Verdict::because(Counter::DropInconsistent), |hop| Verdict::forward(Counter::ForwardIn, hop))
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
fn serve<A: Parse, F: Frame, T: Tables<A> + Tables<Address4> + Tables<Address6>>(
    frame: &mut F,
    lead: Lead,
    tables: &T,
    now: Time,
) -> Verdict {
    let network = lead.network();
    let mut outcome = advance::<A, F, T>(frame, lead, tables, now);
    // As programs follow each other: a flow that is over is established anew, and bound, before it is steered.
    for _ in 0..4 {
        outcome = match outcome {
            Ok(verdict) => return verdict,
            Err(Next::FullNat) => fullnat::steer::<A, F, T>(frame, network, tables, now),
            Err(Next::Bind) => fullnat::bind::<A, F, T>(frame, network, tables, now),
            Err(next @ (Next::Lead | Next::Follow)) => Ok(piece::<A, F, T>(frame, network, next, tables, now)),
            Err(Next::RelateFullNat) => Ok(fullnat::relate::<A, F, T>(frame, network, tables, now)),
            Err(Next::Unwrap) => unwrap::unwrap::<A, F, T>(frame, network, tables, now),
            Err(Next::Invite) => invite::<A, F, T>(frame, network, tables, now),
            Err(_) => establish::establish::<A, F, T>(frame, network, tables, now),
        };
    }
    outcome.unwrap_or(Verdict::because(Counter::DropContended))
}

/// The same up to where FullNAT has ways of its own.
#[inline(always)]
fn advance<A: Parse, F: Frame, T: Tables<A>>(
    frame: &mut F,
    lead: Lead,
    tables: &T,
    now: Time,
) -> Result<Verdict, Next> {
    let network = lead.network();
    let next = match lead.next {
        Next::Steer => match steer::steer(frame, network, tables, now) {
            Ok(verdict) => return Ok(verdict),
            Err(next) => next,
        },
        next => next,
    };
    match next {
        Next::FullNat | Next::Lead | Next::Follow => return Err(next),
        Next::Relate => {}
        _ => return establish::establish(frame, network, tables, now),
    }
    match relate::relate(frame, network, tables, now) {
        Err(Next::Invite) => invite(frame, network, tables, now),
        outcome => outcome,
    }
}

/// An error about a packet of no flow begins one, and is one about it then.
#[inline(always)]
fn invite<A: Parse, F: Frame, T: Tables<A>>(
    frame: &mut F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Verdict, Next> {
    match relate::invite(frame, network, tables, now) {
        Ok(()) => match relate::relate(frame, network, tables, now) {
            Ok(verdict) => Ok(verdict),
            Err(_) => Ok(Verdict::because(Counter::DropContended)),
        },
        Err(counter) => Ok(Verdict::because(counter)),
    }
}

/// A piece of a datagram: a first one leads, all follow.
#[inline(always)]
fn piece<A: Parse, F: Frame, T: Tables<A>>(
    frame: &mut F,
    network: usize,
    mut next: Next,
    tables: &T,
    now: Time,
) -> Verdict {
    // Lead, lead by FullNAT, admit, bind, lead by FullNAT, follow.
    for _ in 0..6 {
        let outcome = match next {
            Next::Lead => fragment::lead(frame, network, tables, now),
            Next::LeadFullNat => fullnat::lead(frame, network, tables, now),
            Next::Admit => fragment::admit(frame, network, tables, now),
            Next::Bind => match fullnat::bind(frame, network, tables, now) {
                Ok(verdict) => return verdict,
                Err(next) => Ok(next),
            },
            _ => match fragment::follow(frame, network, tables, now) {
                Ok(verdict) => return verdict,
                Err(_) => Err(wait(frame, network, tables, now)),
            },
        };
        match outcome {
            Ok(following) => next = following,
            Err(counter) => return establish::refusal(counter),
        }
    }
    Verdict::because(Counter::DropContended)
}

/// How a fragment is counted that came before its first.
#[inline(always)]
fn wait<A: Parse, F: Frame, T: Tables<A>>(frame: &F, network: usize, tables: &T, now: Time) -> Counter {
    let outcome = fragment::hold::<A, F, T>(frame, network, tables, now, &mut fragment::Held::default());
    outcome.err().unwrap_or(Counter::HoldFragment)
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
