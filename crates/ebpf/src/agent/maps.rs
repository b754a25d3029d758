//! The agent's maps.

use aya_ebpf::btf_maps::SkStorage;
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray};
use forward::agent::abi::{Endpoints, MOST_ADDRESSES, MOST_FLOWS, MOST_PIECES, Piece, Settings, Way};
use forward::agent::{Address, Client, Reception, Server, toa};
use wire::Be16;

/// BPF_F_NO_PREALLOC, without which there are no tries.
const UNALLOCATED: u32 = 1;

#[map]
static DIRECTORS4: LpmTrie<u32, u32> = LpmTrie::with_max_entries(MOST_ADDRESSES, UNALLOCATED);
#[map]
static DIRECTORS6: LpmTrie<[u64; 2], u32> = LpmTrie::with_max_entries(MOST_ADDRESSES, UNALLOCATED);
#[map]
static VIRTUAL4: HashMap<u32, u32> = HashMap::with_max_entries(MOST_ADDRESSES, 0);
#[map]
static VIRTUAL6: HashMap<[u64; 2], u32> = HashMap::with_max_entries(MOST_ADDRESSES, 0);
#[map]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);
#[map]
static RECEPTION: PerCpuArray<u64> = PerCpuArray::with_max_entries(Reception::COUNT, 0);
/// The clients of connections, beside their sockets: gone with them.
#[btf_map]
pub(crate) static CLIENTS: SkStorage<Client> = SkStorage::new();

/// Clients of datagrams, by the flow as it comes from a director.
#[map]
pub(crate) static DATAGRAMS: LruHashMap<Endpoints, Client> = LruHashMap::with_max_entries(MOST_FLOWS, 0);
/// Ways back, by the flow as an application sees it.
#[map]
pub(crate) static WAYS: LruHashMap<Endpoints, Way> = LruHashMap::with_max_entries(MOST_FLOWS, 0);
#[map]
pub(crate) static PIECES: LruHashMap<Piece, Way> = LruHashMap::with_max_entries(MOST_PIECES, 0);

/// Room for a TCP header that is looked at, and for the client it names.
#[repr(C)]
pub(crate) struct Scratch {
    pub(crate) header: [u8; SCRATCH],
    pub(crate) client: Client,
}

/// A power of two, so that an offset is bounded by its bits.
pub(crate) const SCRATCH: usize = 64;

#[map]
static HEADER: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

const _: () = assert!(SCRATCH >= toa::LONGEST_HEADER);

/// The scratch space of this CPU.
#[inline(always)]
pub(crate) fn scratch() -> Option<*mut Scratch> {
    HEADER.get_ptr_mut(0)
}

/// Counts what happened.
#[inline(always)]
pub(crate) fn count(reception: Reception) {
    if let Some(counter) = RECEPTION.get_ptr_mut(reception as u32) {
        // SAFETY: a value of this CPU, which nobody else writes at the same time.
        unsafe { *counter += 1 };
    }
}

/// What user space has said.
pub(crate) struct Told;

impl Server for Told {
    #[inline(always)]
    fn trusts(&self, address: Address) -> bool {
        match address {
            Address::V4(address) => DIRECTORS4.get(Key::new(32, address.bits())).is_some(),
            Address::V6(address) => DIRECTORS6.get(Key::new(128, address.bits())).is_some(),
        }
    }

    #[inline(always)]
    fn serves(&self, address: Address) -> bool {
        // SAFETY: only the presence of an element is asked for.
        unsafe {
            match address {
                Address::V4(address) => VIRTUAL4.get(address.bits()).is_some(),
                Address::V6(address) => VIRTUAL6.get(address.bits()).is_some(),
            }
        }
    }

    #[inline(always)]
    fn gue_port(&self) -> Be16 {
        Be16::from_bits(SETTINGS.get(0).map_or(0, |settings| settings.gue_port))
    }

    #[inline(always)]
    fn kinds(&self) -> [u8; 2] {
        SETTINGS.get(0).map_or([0; 2], |settings| settings.kinds)
    }
}
