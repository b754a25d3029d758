//! What the programs of both lanes have in common, written once.

use crate::tables::{LIVE, REHEARSAL};
use crate::{capture, hold, maps};
use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_coarse_ns};
use forward::classify::{self, Lead, NETWORK};
use forward::parse::Parse;
use forward::{
    Counter, Frame, Next, Shared, Tables, Time, Verdict, decide, establish, fragment, fullnat, passage, relate, steer,
    unwrap,
};

/// A kind of program that frames come to.
pub(crate) trait Lane: Frame + Sized {
    /// What a program returns.
    type Action;

    /// True when this host sends the frame itself, and no program of ours has sent it on.
    fn is_own(&self) -> bool;

    /// Has it pass for a frame that was sent on here: no program of ours looks at it again.
    fn set_sent_on(&mut self);

    /// Makes the headers readable, before anything else.
    fn prepare(&mut self);

    /// Continues in another program; returns only when that is not there.
    fn jump(&self, index: u32);

    /// Copies its first `length` bytes.
    fn copy_to(&self, to: *mut u8, length: u32) -> Option<()>;

    /// [`crate::capture::arrived`], in a function of its own.
    fn capture_arrived(&self);

    /// [`crate::capture::concluded`], in a function of its own.
    fn capture_concluded(&self, verdict: Verdict);

    /// The one place of this lane where a verdict becomes an action.
    fn action(&self, verdict: Verdict) -> Self::Action;
}

/// Every frame of an attached interface begins here.
#[inline(always)]
pub(crate) fn entry<L: Lane>(mut frame: L) -> L::Action {
    frame.prepare();
    if capture::is_on() {
        frame.capture_arrived();
    }
    match classify::classify(&frame, &LIVE) {
        Ok(lead) => follow(&frame, lead),
        Err(counter) => refuse(&frame, counter),
    }
}

/// Frames that leave by an interface: those that this host sends itself, which are not counted unless they are ours.
#[inline(always)]
pub(crate) fn exit<L: Lane>(mut frame: L) -> L::Action {
    if frame.is_own() {
        frame.prepare();
        if let Ok(lead) = classify::classify(&frame, &LIVE) {
            if capture::is_on() {
                frame.capture_arrived();
            }
            return follow(&frame, lead);
        }
    }
    frame.action(Verdict::because(Counter::PassNotOurs))
}

/// Frames that leave by an interface towards servers that are checked on the way of clients.
#[inline(always)]
pub(crate) fn check_out<L: Lane>(mut frame: L) -> L::Action {
    if !frame.is_own() {
        return frame.action(Verdict::because(Counter::PassNotOurs));
    }
    frame.prepare();
    let verdict = passage::outward(&mut frame, &LIVE, now());
    if verdict.counter != Counter::PassNotOurs {
        frame.set_sent_on();
    }
    frame.action(verdict)
}

/// Frames that come in from them.
#[inline(always)]
pub(crate) fn check_in<L: Lane>(mut frame: L) -> L::Action {
    frame.prepare();
    let verdict = passage::inward(&mut frame, &LIVE, now());
    frame.action(verdict)
}

/// Known flows of one family, in frames with or without a tag.
#[inline(always)]
pub(crate) fn steer<A: Parse, L: Lane>(mut frame: L, tagged: bool) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let lead = Lead { family: A::FAMILY, next: Next::Steer, tagged };
    match steer::steer::<A, _, _>(&mut frame, lead.network(), &LIVE, now()) {
        Ok(verdict) => conclude(frame, lead.network(), verdict),
        Err(next) => follow(&frame, Lead { next, ..lead }),
    }
}

/// New flows of one family.
#[inline(always)]
pub(crate) fn establish<A: Parse, L: Lane>(mut frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    match establish::establish::<A, _, _>(&mut frame, network, &LIVE, now()) {
        Ok(verdict) => conclude(frame, network, verdict),
        Err(next) => follow(&frame, Lead { family: A::FAMILY, next, tagged: network != NETWORK }),
    }
}

/// Known FullNAT flows of one family.
#[inline(always)]
pub(crate) fn full_nat<A: Parse, L: Lane>(mut frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    match fullnat::steer::<A, _, _>(&mut frame, network, &LIVE, now()) {
        Ok(verdict) => conclude(frame, network, verdict),
        Err(next) => follow(&frame, Lead { family: A::FAMILY, next, tagged: network != NETWORK }),
    }
}

/// New FullNAT flows of one family.
#[inline(always)]
pub(crate) fn bind<A: Parse, L: Lane>(frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    match fullnat::bind::<A, _, _>(&frame, network, &LIVE, now()) {
        Ok(verdict) => conclude(frame, network, verdict),
        Err(next) => follow(&frame, Lead { family: A::FAMILY, next, tagged: network != NETWORK }),
    }
}

/// Errors about packets of FullNAT flows of one family.
#[inline(always)]
pub(crate) fn relate_full_nat<A: Parse, L: Lane>(mut frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    let verdict = fullnat::relate::<A, _, _>(&mut frame, network, &LIVE, now());
    conclude(frame, network, verdict)
}

/// Errors about packets of one family.
#[inline(always)]
pub(crate) fn relate<A: Parse, L: Lane>(mut frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    match relate::relate::<A, _, _>(&mut frame, network, &LIVE, now()) {
        Ok(verdict) => conclude(frame, network, verdict),
        Err(next) => follow(&frame, Lead { family: A::FAMILY, next, tagged: network != NETWORK }),
    }
}

/// Errors about packets in tunnels of one family.
#[inline(always)]
pub(crate) fn unwrap<A: Parse, L: Lane>(mut frame: L) -> L::Action {
    let network = maps::network();
    match unwrap::unwrap::<A, _, _>(&mut frame, network, &LIVE, now()) {
        Ok(verdict) => conclude(frame, network, verdict),
        Err(next) => follow(&frame, Lead { family: A::FAMILY, next, tagged: network != NETWORK }),
    }
}

/// Errors about packets of no flow of one family.
#[inline(always)]
pub(crate) fn invite<A: Parse, L: Lane>(frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    match relate::invite::<A, _, _>(&frame, network, &LIVE, now()) {
        Ok(()) => follow(&frame, Lead { family: A::FAMILY, next: Next::Relate, tagged: network != NETWORK }),
        Err(counter) => refuse(&frame, counter),
    }
}

/// First fragments of one family.
#[inline(always)]
pub(crate) fn lead<A: Parse, L: Lane>(frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    match fragment::lead::<A, _, _>(&frame, network, &LIVE, now()) {
        Ok(next) => follow(&frame, Lead { family: A::FAMILY, next, tagged: network != NETWORK }),
        Err(counter) => refuse(&frame, counter),
    }
}

/// First fragments of FullNAT flows of one family.
#[inline(always)]
pub(crate) fn lead_full_nat<A: Parse, L: Lane>(frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    match fullnat::lead::<A, _, _>(&frame, network, &LIVE, now()) {
        Ok(next) => follow(&frame, Lead { family: A::FAMILY, next, tagged: network != NETWORK }),
        Err(counter) => refuse(&frame, counter),
    }
}

/// First fragments of no flow of one family: they begin one, and lead then.
#[inline(always)]
pub(crate) fn admit<A: Parse, L: Lane>(frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    match fragment::admit::<A, _, _>(&frame, network, &LIVE, now()) {
        Ok(next) => follow(&frame, Lead { family: A::FAMILY, next, tagged: network != NETWORK }),
        Err(counter) => conclude(frame, network, establish::refusal(counter)),
    }
}

/// Fragments of datagrams whose first has led.
#[inline(always)]
pub(crate) fn follow_first<A: Parse, L: Lane>(mut frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    let network = maps::network();
    match fragment::follow::<A, _, _>(&mut frame, network, &LIVE, now()) {
        Ok(verdict) => conclude(frame, network, verdict),
        Err(next) => follow(&frame, Lead { family: A::FAMILY, next, tagged: network != NETWORK }),
    }
}

/// Fragments of one family that came before their first.
#[inline(always)]
pub(crate) fn hold<A: Parse, L: Lane>(frame: L) -> L::Action
where
    crate::tables::Live: Tables<A>,
{
    refuse(&frame, hold::hold::<A, L>(&frame, maps::network()))
}

/// What would become of a frame: the same steps over tables that remember nothing. The reason goes to `EXPLANATION`.
#[inline(always)]
pub(crate) fn explain<L: Lane>(mut frame: L) -> L::Action {
    frame.prepare();
    let verdict = decide::consider(&mut frame, &REHEARSAL, now());
    maps::explain(verdict.counter);
    frame.action(verdict)
}

/// Tail-calls; a missing program (never, once loaded) is counted and drops the packet rather than passing it unrewritten.
#[inline(always)]
fn follow<L: Lane>(frame: &L, lead: Lead) -> L::Action {
    if lead.next != Next::Steer {
        maps::tell_network(lead.network());
    }
    frame.jump(maps::place(lead));
    refuse(frame, Counter::DropInconsistent)
}

/// The end of a packet's way through the programs.
#[inline(always)]
fn conclude<L: Lane>(mut frame: L, network: usize, verdict: Verdict) -> L::Action {
    let verdict = decide::conclude(&mut frame, network, verdict, &LIVE, now);
    act(&frame, verdict)
}

/// The same for one that is passed or dropped without a word.
#[inline(always)]
fn refuse<L: Lane>(frame: &L, counter: Counter) -> L::Action {
    LIVE.count(counter);
    act(frame, Verdict::because(counter))
}

/// The end of every packet's way.
#[inline(always)]
fn act<L: Lane>(frame: &L, verdict: Verdict) -> L::Action {
    if capture::is_on() {
        frame.capture_concluded(verdict);
    }
    frame.action(verdict)
}

/// The coarse clock. It moves once a jiffy: what it said is kept until the next, since looking at the jiffies is a load
/// and asking the clock a call.
#[inline(always)]
pub(crate) fn now() -> Time {
    // SAFETY: a helper without arguments.
    let jiffies = unsafe { bpf_jiffies64() };
    let kept = maps::CLOCK.get(0);
    if let Some(kept) = kept
        && kept.jiffies.get() == jiffies
    {
        return Time(kept.time.get());
    }
    // SAFETY: as above.
    let time = unsafe { bpf_ktime_get_coarse_ns() };
    if let Some(kept) = kept {
        // In this order: whoever sees the new jiffies finds the new time.
        kept.time.set(time);
        kept.jiffies.set(jiffies);
    }
    Time(time)
}
