//! sh, mh and dh: a hash of an address names a slot, and the slot a server.

use super::STRETCH;
use crate::abi::{NO_SERVER, SchedulerKind, Service};
use crate::{Address, Packet, Shared};

const SOURCE_HASH: u8 = SchedulerKind::SourceHash as u8;
const DESTINATION_HASH: u8 = SchedulerKind::DestinationHash as u8;
const MAGLEV: u8 = SchedulerKind::Maglev as u8;

/// Slots of the tables of sh and dh.
const SOURCE_HASH_SLOTS: u32 = 256;
/// A fallback looks at so many other slots: sh at all it has, mh not. (The kernel at 4093, each with a hash of its own: more than a program may
/// do. While one server in ten is there, fewer than one flow in 10^11 finds none.)
const FALLBACKS: u32 = SOURCE_HASH_SLOTS;

/// The server in the slot that the packet falls on, where it has a weight.
#[inline(always)]
pub(super) fn choose<A: Address, T: Shared>(tables: &T, service: &Service, packet: &Packet<A>) -> u32 {
    let port = if service.flags & Service::HASH_PORT != 0 { packet.flow.source_port.get() as u32 } else { 0 };
    let client = packet.flow.source.fold().wrapping_add(port);
    let hash = match service.scheduler {
        SOURCE_HASH => source_hash(client),
        MAGLEV => maglev_hash(client),
        DESTINATION_HASH => source_hash(packet.flow.destination.fold()),
        _ => return NO_SERVER,
    };
    let server = server_at(tables, service, hash % service.table_size);
    if is_eligible(tables, server) {
        server
    } else if service.flags & Service::HASH_FALLBACK != 0 {
        tables.fall_back(service, client)
    } else {
        NO_SERVER
    }
}

/// sh-fallback and mh-fallback: the other slots of a client whose own has no server (`ip_vs_sh_get_fallback`,
/// `ip_vs_mh_get_fallback`).
#[inline(always)]
pub fn fall_back<T: Shared>(tables: &T, service: &Service, client: u32) -> u32 {
    let mut step = 0;
    while step < FALLBACKS {
        let server = tables.fall_back_on_stretch(service, client, step);
        if server != NO_SERVER {
            return server;
        }
        step += STRETCH;
    }
    NO_SERVER
}

/// The part of [`fall_back`] after `from` slots were looked at.
#[inline(always)]
pub fn fall_back_on_stretch<T: Shared>(tables: &T, service: &Service, client: u32, from: u32) -> u32 {
    match service.scheduler {
        SOURCE_HASH => along_source_hash(tables, service, client, from),
        MAGLEV => along_maglev(tables, service, client, from),
        _ => NO_SERVER,
    }
}

/// One slot after the other, from twice the client's own number on.
#[inline(always)]
fn along_source_hash<T: Shared>(tables: &T, service: &Service, client: u32, from: u32) -> u32 {
    let first = source_hash(client).wrapping_mul(2).wrapping_add(from);
    let mut step = 0;
    while step < STRETCH {
        let server = server_at(tables, service, first.wrapping_add(step) % SOURCE_HASH_SLOTS);
        if is_eligible(tables, server) {
            return server;
        }
        step += 1;
    }
    NO_SERVER
}

/// The slots of the numbers after the client's word, from as far behind it as its own slot's number says.
#[inline(always)]
fn along_maglev<T: Shared>(tables: &T, service: &Service, client: u32, from: u32) -> u32 {
    let size = service.table_size;
    if size == 0 {
        return NO_SERVER;
    }
    let first = (maglev_hash(client) % size).wrapping_add(from);
    let mut step = 0;
    while step < STRETCH {
        let offset = first.wrapping_add(step) % size;
        let server = server_at(tables, service, maglev_hash(client.wrapping_add(offset)) % size);
        if is_eligible(tables, server) {
            return server;
        }
        step += 1;
    }
    NO_SERVER
}

#[inline(always)]
fn server_at<T: Shared>(tables: &T, service: &Service, slot: u32) -> u32 {
    tables.slot(service.table_start.wrapping_add(slot)).unwrap_or(NO_SERVER)
}

#[inline(always)]
fn is_eligible<T: Shared>(tables: &T, server: u32) -> bool {
    tables.load(server).is_some_and(|load| load.weight.get() > 0)
}

/// The bucket of a client under sh: the kernel's `hash_32` to eight bits.
#[inline(always)]
pub const fn source_hash(client: u32) -> u32 {
    client.wrapping_mul(0x61c8_8647) >> 24
}

/// The hash of a client under mh: the kernel's `hsiphash` of one word (SipHash-1-3 on 64-bit machines) under mh's first key.
#[inline(always)]
pub const fn maglev_hash(client: u32) -> u32 {
    const KEY: u64 = 2_654_435_761;
    let state = [
        0x736f_6d65_7073_6575 ^ KEY,
        0x646f_7261_6e64_6f6d ^ KEY,
        0x6c79_6765_6e65_7261 ^ KEY,
        0x7465_6462_7974_6573 ^ KEY,
    ];
    let block = 4 << 56 | client as u64;
    let [a, b, c, d] = state;
    let [a, b, c, d] = sip_round([a, b, c, d ^ block]);
    let [a, b, c, d] = sip_round(sip_round(sip_round([a ^ block, b, c ^ 0xff, d])));
    (a ^ b ^ c ^ d) as u32
}

/// One round of SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF", §2.1).
#[inline(always)]
const fn sip_round([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    let a = a.wrapping_add(b);
    let b = b.rotate_left(13) ^ a;
    let a = a.rotate_left(32);
    let c = c.wrapping_add(d);
    let d = d.rotate_left(16) ^ c;
    let a = a.wrapping_add(d);
    let d = d.rotate_left(21) ^ a;
    let c = c.wrapping_add(b);
    let b = b.rotate_left(17) ^ c;
    let c = c.rotate_left(32);
    [a, b, c, d]
}
