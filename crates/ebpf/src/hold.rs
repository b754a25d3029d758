//! Fragments that came before their first: copies for the daemon, which brings them back when it is there.

use crate::lane::{Lane, now};
use crate::tables::{LIVE, Live};
use aya_ebpf::helpers::generated::bpf_ringbuf_output;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{PerCpuArray, RingBuf};
use forward::capture::SNAP;
use forward::fragment::{self, Held};
use forward::parse::Parse;
use forward::{Counter, Tables};

#[map]
static HELD: RingBuf = RingBuf::with_byte_size(1 << 20, 0);
#[map]
static HELD_SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// A record, put together.
#[repr(C)]
struct Scratch {
    held: Held,
    bytes: [u8; SNAP],
}

/// Copies the frame, if its sender has not sent too many; says how it is to be counted.
#[inline(always)]
pub(crate) fn hold<A: Parse, L: Lane>(frame: &L, network: usize) -> Counter
where
    Live: Tables<A>,
{
    // SAFETY: this CPU's own element; the programs of a lane do not interrupt each other.
    let Some(scratch) = HELD_SCRATCH.get_ptr_mut(0).map(|place| unsafe { &mut *place }) else {
        return Counter::DropFragment;
    };
    match fragment::hold::<A, _, _>(frame, network, &LIVE, now(), &mut scratch.held) {
        Ok(()) if send(frame, scratch).is_some() => Counter::HoldFragment,
        Ok(()) => Counter::DropFragment,
        Err(counter) => counter,
    }
}

#[inline(always)]
fn send<L: Lane>(frame: &L, scratch: &mut Scratch) -> Option<()> {
    let last = frame.length().wrapping_sub(1);
    scratch.held.length = if last < SNAP as u32 { last } else { return None };
    // Read back and masked, the verifier sees that it is neither zero nor too much.
    // SAFETY: a reference is valid.
    let length = (unsafe { (&raw const scratch.held.length).read_volatile() } & (SNAP as u32 - 1)) + 1;
    scratch.held.length = length;
    frame.copy_to(scratch.bytes.as_mut_ptr(), length)?;
    let from = (&raw const scratch.held).cast_mut();
    let size = size_of::<Held>() as u64 + length as u64;
    // SAFETY: the record is followed by SNAP bytes; the verifier follows the length.
    (unsafe { bpf_ringbuf_output((&raw const HELD).cast_mut().cast(), from.cast(), size, 0) } == 0).then_some(())
}
