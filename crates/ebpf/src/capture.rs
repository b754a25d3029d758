//! Copies of frames for a reader. Ordinary programs have none of it: `CAPTURE` is a constant of theirs when they are
//! loaded, and the verifier takes out what it forbids. A generation with `CAPTURE` set stands behind the links only
//! while somebody captures.

use crate::lane::{self, Lane};
use aya_ebpf::helpers::generated::{bpf_ktime_get_ns, bpf_ringbuf_output};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, RingBuf};
use core::ptr::addr_of;
use forward::capture::{Ends, Missed, Record, SNAP, Wanted};
use forward::{Action, Verdict};

/// Set by the loader.
#[unsafe(no_mangle)]
static CAPTURE: u32 = 0;

/// The loader makes it larger where it is used.
#[map]
static CAPTURE_RING: RingBuf = RingBuf::with_byte_size(4096, 0);
#[map]
static CAPTURE_WANTED: Array<Wanted> = Array::with_max_entries(1, 0);
#[map]
static CAPTURE_MISSED: PerCpuArray<u64> = PerCpuArray::with_max_entries(2, 0);
#[map]
static CAPTURE_SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// What a CPU keeps between the arrival of a packet and its verdict.
#[repr(C)]
struct Scratch {
    ends: Ends,
    /// The second that `taken` belongs to.
    second: u64,
    taken: u32,
    /// 1: the record holds the frame that is under way.
    armed: u32,
    record: Record,
    bytes: [u8; SNAP],
}

/// True in programs that were loaded for a capture.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    // SAFETY: a static of our own, read as the loader has left it.
    unsafe { addr_of!(CAPTURE).read_volatile() != 0 }
}

#[inline(always)]
fn scratch() -> Option<&'static mut Scratch> {
    // SAFETY: this CPU's own element; the programs of a lane do not interrupt each other.
    CAPTURE_SCRATCH.get_ptr_mut(0).map(|place| unsafe { &mut *place })
}

/// A frame has arrived: it is copied, if it may be wanted.
#[inline(always)]
pub(crate) fn arrived<L: Lane>(frame: &L) -> Option<()> {
    let (scratch, wanted) = (scratch()?, CAPTURE_WANTED.get(0)?);
    scratch.armed = 0;
    if !wanted.is_current(lane::now().0) {
        return None;
    }
    scratch.ends = Ends::of(frame);
    if wanted.may_take(frame.ingress(), &scratch.ends) {
        scratch.record.interface = frame.ingress();
        scratch.record.look = Record::ARRIVED;
        keep(frame, scratch)?;
        scratch.armed = 1;
    }
    Some(())
}

/// What becomes of it is known: the copy goes to the reader, and another one of what leaves.
#[inline(always)]
pub(crate) fn concluded<L: Lane>(frame: &L, verdict: Verdict) -> Option<()> {
    let (scratch, wanted) = (scratch()?, CAPTURE_WANTED.get(0)?);
    if scratch.armed == 0 || !wanted.takes(verdict, &scratch.ends, &Ends::of(frame)) {
        return None;
    }
    scratch.armed = 0;
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    if !may_go(scratch, wanted, now) {
        miss(Missed::Rate);
        return None;
    }
    scratch.record.time = now;
    scratch.record.counter = verdict.counter as u32;
    scratch.record.outlet = verdict.interface;
    send(scratch)?;
    if matches!(verdict.action, Action::Forward) {
        scratch.record.interface = verdict.interface;
        scratch.record.look = Record::LEAVES;
        keep(frame, scratch)?;
        send(scratch)?;
    }
    Some(())
}

/// So many a second and CPU, and no more.
#[inline(always)]
fn may_go(scratch: &mut Scratch, wanted: &Wanted, now: u64) -> bool {
    let second = now >> 30;
    if scratch.second != second {
        scratch.second = second;
        scratch.taken = 0;
    }
    scratch.taken += 1;
    scratch.taken <= wanted.rate
}

#[inline(always)]
fn keep<L: Lane>(frame: &L, scratch: &mut Scratch) -> Option<()> {
    let length = frame.length();
    let last = length.wrapping_sub(1);
    scratch.record.length = length;
    scratch.record.captured = if last < SNAP as u32 { last } else { SNAP as u32 - 1 };
    // Read back and masked, the verifier sees that it is neither zero nor too much; of a plain comparison the compiler
    // leaves nothing.
    // SAFETY: a reference is valid.
    let captured = (unsafe { (&raw const scratch.record.captured).read_volatile() } & (SNAP as u32 - 1)) + 1;
    scratch.record.captured = captured;
    frame.copy_to(scratch.bytes.as_mut_ptr(), captured)
}

/// Puts the record and its bytes into the ring.
#[inline(always)]
fn send(scratch: &Scratch) -> Option<()> {
    let captured = scratch.record.captured;
    if captured > SNAP as u32 {
        return None;
    }
    let from = (&raw const scratch.record).cast_mut();
    let length = size_of::<Record>() as u64 + captured as u64;
    // SAFETY: the record is followed by SNAP bytes; the verifier follows the length.
    if unsafe { bpf_ringbuf_output((&raw const CAPTURE_RING).cast_mut().cast(), from.cast(), length, 0) } != 0 {
        miss(Missed::Full);
        return None;
    }
    Some(())
}

#[inline(always)]
fn miss(why: Missed) {
    if let Some(place) = CAPTURE_MISSED.get_ptr_mut(why as u32) {
        // SAFETY: this CPU's own element.
        unsafe { *place += 1 };
    }
}
