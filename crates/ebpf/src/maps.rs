//! The maps. Sizes are defaults; the loader sets the real ones.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, ProgramArray};
use forward::abi::{
    Address4, Address6, Connection, DEFAULT_CONNECTIONS, FlowKey, INTERFACE_SLOTS, Interface, InterfaceCounters, Load,
    MAX_SCHEDULE_SLOTS, MAX_SERVERS, MAX_SERVICES, RealServer, Service, ServiceKey, Settings, Statistics, TAIL_CALLED,
};
use forward::classify::{Lead, NETWORK};
use forward::filter::Filter;
use forward::{Cell64, Counter, Family, Next, pace};

/// The time at a jiffy.
pub(crate) struct Clock {
    pub(crate) jiffies: Cell64,
    pub(crate) time: Cell64,
}

/// BPF_F_MMAPABLE (linux/bpf.h): the daemon reads and writes these through its own memory.
const MAPPED: u32 = 1 << 10;

#[map]
pub(crate) static CONNECTIONS4: HashMap<FlowKey<Address4>, Connection> =
    HashMap::with_max_entries(DEFAULT_CONNECTIONS, 0);
#[map]
pub(crate) static CONNECTIONS6: HashMap<FlowKey<Address6>, Connection> =
    HashMap::with_max_entries(DEFAULT_CONNECTIONS, 0);
#[map]
pub(crate) static SERVICES4: HashMap<ServiceKey<Address4>, Service> = HashMap::with_max_entries(MAX_SERVICES, 0);
#[map]
pub(crate) static SERVICES6: HashMap<ServiceKey<Address6>, Service> = HashMap::with_max_entries(MAX_SERVICES, 0);
#[map]
pub(crate) static SERVERS: Array<RealServer> = Array::with_max_entries(MAX_SERVERS, MAPPED);
#[map]
pub(crate) static LOADS: Array<Load> = Array::with_max_entries(MAX_SERVERS, MAPPED);
#[map]
pub(crate) static CURSORS: Array<Cell64> = Array::with_max_entries(MAX_SERVICES, MAPPED);
#[map]
pub(crate) static BUCKETS: Array<Cell64> = Array::with_max_entries(pace::BUCKETS, 0);
#[map]
pub(crate) static SCHEDULE: Array<u32> = Array::with_max_entries(MAX_SCHEDULE_SLOTS, MAPPED);
#[map]
pub(crate) static SETTINGS: Array<Settings> = Array::with_max_entries(1, MAPPED);
#[map]
pub(crate) static FILTER: Array<Filter> = Array::with_max_entries(1, MAPPED);
#[map]
pub(crate) static INTERFACES: Array<Interface> = Array::with_max_entries(INTERFACE_SLOTS, MAPPED);
#[map]
pub(crate) static INTERFACE_COUNTERS: PerCpuArray<InterfaceCounters> =
    PerCpuArray::with_max_entries(INTERFACE_SLOTS, 0);
#[map]
pub(crate) static STATISTICS: PerCpuArray<Statistics> = PerCpuArray::with_max_entries(MAX_SERVERS, 0);
#[map]
pub(crate) static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT, 0);
/// What the coarse clock said last, for all CPUs.
#[map]
pub(crate) static CLOCK: Array<Clock> = Array::with_max_entries(1, 0);
#[map]
static EXPLANATION: Array<u32> = Array::with_max_entries(1, MAPPED);
#[map]
pub(crate) static JUMPS: ProgramArray = ProgramArray::with_max_entries(TAIL_CALLED.len() as u32, 0);
/// The same for the tc lane: an array holds programs of one kind.
#[map]
pub(crate) static TC_JUMPS: ProgramArray = ProgramArray::with_max_entries(TAIL_CALLED.len() as u32, 0);

/// The place in `JUMPS` and `TC_JUMPS` of the program that follows a lead.
#[inline(always)]
pub(crate) const fn place(lead: Lead) -> u32 {
    let six = matches!(lead.family, Family::Ipv6) as u32;
    match (lead.next, lead.tagged) {
        (Next::Steer, false) => six,
        (Next::Establish, _) => 2 + six,
        (Next::Relate, _) => 4 + six,
        (Next::Steer, true) => 6 + six,
        (Next::Invite, _) => 8 + six,
    }
}

/// Where the network header is: known flows have programs of their own for frames with a tag, the others are told.
#[map]
static NETWORK_OFFSET: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Tells the next program where the network header is.
#[inline(always)]
pub(crate) fn tell_network(network: usize) {
    if let Some(place) = NETWORK_OFFSET.get_ptr_mut(0) {
        // SAFETY: this CPU's own element.
        unsafe { place.write_volatile(network as u32) };
    }
}

/// What the program before told. Bounded by a mask, for the verifier.
#[inline(always)]
pub(crate) fn network() -> usize {
    let told = NETWORK_OFFSET.get_ptr(0);
    // SAFETY: this CPU's own element.
    told.map_or(NETWORK, |place| unsafe { place.read_volatile() } as usize & 0x1f)
}

/// Leaves the reason of a rehearsed verdict for the daemon.
#[inline(always)]
pub(crate) fn explain(counter: Counter) {
    if let Some(place) = EXPLANATION.get_ptr_mut(0) {
        // SAFETY: a pointer to an element of the map.
        unsafe { place.write_volatile(counter as u32) };
    }
}
