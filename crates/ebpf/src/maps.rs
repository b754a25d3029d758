//! The maps. Sizes are defaults; the loader sets the real ones.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray};
use forward::abi::{
    Address4, Address6, CLIENTS, Connection, DEFAULT_CONNECTIONS, FRAGMENTED_DATAGRAMS, FlowKey, Fragment, FragmentKey,
    INTERFACE_SLOTS, Interface, InterfaceCounters, Load, Locals, MAX_PASSAGES, MAX_SCHEDULE_SLOTS, MAX_SERVERS,
    MAX_SERVICES, NO_SERVER, Passage, RealServer, Service, ServiceKey, Settings, Signals, Statistics, TAIL_CALLED,
    Tunnel,
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

/// BPF_F_NO_PREALLOC (linux/bpf.h)
const UNALLOCATED: u32 = 1;

#[map]
pub(crate) static CONNECTIONS4: HashMap<FlowKey<Address4>, Connection> =
    HashMap::with_max_entries(DEFAULT_CONNECTIONS, 0);
#[map]
pub(crate) static CONNECTIONS6: HashMap<FlowKey<Address6>, Connection> =
    HashMap::with_max_entries(DEFAULT_CONNECTIONS, 0);
#[map]
pub(crate) static FRAGMENTS4: LruHashMap<FragmentKey<Address4>, Fragment> =
    LruHashMap::with_max_entries(FRAGMENTED_DATAGRAMS, 0);
#[map]
pub(crate) static FRAGMENTS6: LruHashMap<FragmentKey<Address6>, Fragment> =
    LruHashMap::with_max_entries(FRAGMENTED_DATAGRAMS, 0);
#[map]
pub(crate) static SERVICES4: HashMap<ServiceKey<Address4>, Service> = HashMap::with_max_entries(MAX_SERVICES, 0);
#[map]
pub(crate) static SERVICES6: HashMap<ServiceKey<Address6>, Service> = HashMap::with_max_entries(MAX_SERVICES, 0);
/// Not preallocated: most directors have no check here.
#[map]
pub(crate) static PASSAGES4: HashMap<ServiceKey<Address4>, Passage> =
    HashMap::with_max_entries(MAX_PASSAGES, UNALLOCATED);
#[map]
pub(crate) static PASSAGES6: HashMap<ServiceKey<Address6>, Passage> =
    HashMap::with_max_entries(MAX_PASSAGES, UNALLOCATED);
#[map]
pub(crate) static SERVERS: Array<RealServer> = Array::with_max_entries(MAX_SERVERS, MAPPED);
#[map]
pub(crate) static TUNNELS: Array<Tunnel> = Array::with_max_entries(MAX_SERVERS, MAPPED);
#[map]
pub(crate) static LOADS: Array<Load> = Array::with_max_entries(MAX_SERVERS, MAPPED);
/// What clients' connections tell of watched servers, and who those clients are.
#[map]
pub(crate) static SIGNALS: Array<Signals> = Array::with_max_entries(MAX_SERVERS, MAPPED);
#[map]
pub(crate) static CLIENT_PLACES: Array<Cell64> = Array::with_max_entries(CLIENTS, 0);
#[map]
pub(crate) static CURSORS: Array<Cell64> = Array::with_max_entries(MAX_SERVICES, MAPPED);
#[map]
pub(crate) static LOCALS: Array<Locals> = Array::with_max_entries(MAX_SERVICES, MAPPED);
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
static EXPLANATION: Array<u32> = Array::with_max_entries(2, MAPPED);
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
        (Next::FullNat, _) => 10 + six,
        (Next::Bind, _) => 12 + six,
        (Next::RelateFullNat, _) => 14 + six,
        (Next::Lead, _) => 16 + six,
        (Next::Follow, _) => 18 + six,
        (Next::Admit, _) => 20 + six,
        (Next::Hold, _) => 22 + six,
        (Next::Unwrap, _) => 24 + six,
        (Next::LeadFullNat, _) => 26 + six,
    }
}

/// An entry in the making.
#[map]
pub(crate) static DRAFT: PerCpuArray<Connection> = PerCpuArray::with_max_entries(1, 0);

/// What one program tells the next: where the network header is (known flows have programs of their own for frames with a
/// tag), and which server was chosen.
#[map]
static TOLD: PerCpuArray<u32> = PerCpuArray::with_max_entries(2, 0);
const NETWORK_OFFSET: u32 = 0;
const SERVER: u32 = 1;

#[inline(always)]
fn tell(place: u32, word: u32) {
    if let Some(place) = TOLD.get_ptr_mut(place) {
        // SAFETY: this CPU's own element.
        unsafe { place.write_volatile(word) };
    }
}

#[inline(always)]
fn told(place: u32) -> Option<u32> {
    // SAFETY: this CPU's own element.
    TOLD.get_ptr(place).map(|place| unsafe { place.read_volatile() })
}

/// Tells the next program where the network header is.
#[inline(always)]
pub(crate) fn tell_network(network: usize) {
    tell(NETWORK_OFFSET, network as u32);
}

/// What the program before told. Bounded by a mask, for the verifier.
#[inline(always)]
pub(crate) fn network() -> usize {
    told(NETWORK_OFFSET).map_or(NETWORK, |offset| offset as usize & 0x1f)
}

/// Tells the next program which server was chosen.
#[inline(always)]
pub(crate) fn tell_server(id: u32) {
    tell(SERVER, id);
}

/// What the program before told.
#[inline(always)]
pub(crate) fn server() -> u32 {
    told(SERVER).unwrap_or(NO_SERVER)
}

/// Leaves the reason of a rehearsed verdict for the daemon, and the server that was chosen where the frame does not show
/// it.
#[inline(always)]
pub(crate) fn explain(counter: Counter) {
    for (index, word) in [(0, counter as u32), (1, server())] {
        if let Some(place) = EXPLANATION.get_ptr_mut(index) {
            // SAFETY: a pointer to an element of the map.
            unsafe { place.write_volatile(word) };
        }
    }
}
