//! A host in a VLAN, on a kernel that need not have 802.1Q: programs at its device put the tag around what leaves and
//! take it out of what arrives. ARP and neighbour discovery stay as they are, since the other side's stack answers them.

use super::Device;
use super::program::{Place, attach};
use anyhow::Result;
use std::os::fd::OwnedFd;

const INGRESS: Place = Place { kind: 3, load: 0, attach: 46, flags: 0 };
const EGRESS: Place = Place { kind: 3, load: 0, attach: 47, flags: 0 };

/// Both programs on one device; detached when dropped.
pub struct TagPrograms {
    _links: [OwnedFd; 2],
}

impl TagPrograms {
    /// Puts the host behind `device` into a VLAN.
    pub fn attach(device: &Device, vlan: u16) -> Result<Self> {
        Ok(Self { _links: [attach(device, INGRESS, &pop())?, attach(device, EGRESS, &push(vlan))?] })
    }
}

/// `operation destination, source, offset, immediate`
const fn instruction(operation: u8, destination: u8, source: u8, offset: u16, immediate: u32) -> u64 {
    operation as u64
        | (destination as u64) << 8
        | (source as u64) << 12
        | (offset as u64) << 16
        | (immediate as u64) << 32
}

const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const LOAD_WORD: u8 = 0x61;
const LOAD_PACKET_BYTE: u8 = 0x30;
const IF_EQUAL: u8 = 0x15;
const IF_DIFFERENT: u8 = 0x55;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// Helpers.
const VLAN_PUSH: u32 = 18;
const VLAN_POP: u32 = 19;
/// `__sk_buff.protocol`
const PROTOCOL: u16 = 16;
/// TCX_NEXT
const NEXT: u32 = u32::MAX;

const fn network(value: u16) -> u32 {
    value.to_be() as u32
}

/// Everything of IPv4, and of IPv6 what is not ICMPv6.
fn push(vlan: u16) -> [u64; 12] {
    [
        instruction(MOVE_REGISTER, 6, 1, 0, 0),
        instruction(LOAD_WORD, 1, 6, PROTOCOL, 0),
        instruction(IF_EQUAL, 1, 0, 3, network(0x0800)),
        instruction(IF_DIFFERENT, 1, 0, 6, network(0x86dd)),
        instruction(LOAD_PACKET_BYTE, 0, 0, 0, 20),
        instruction(IF_EQUAL, 0, 0, 4, 58),
        instruction(MOVE_REGISTER, 1, 6, 0, 0),
        instruction(MOVE, 2, 0, 0, network(0x8100)),
        instruction(MOVE, 3, 0, 0, u32::from(vlan)),
        instruction(CALL, 0, 0, 0, VLAN_PUSH),
        instruction(MOVE, 0, 0, 0, NEXT),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}

/// Where there is no tag the helper does nothing.
const fn pop() -> [u64; 3] {
    [instruction(CALL, 0, 0, 0, VLAN_POP), instruction(MOVE, 0, 0, 0, NEXT), instruction(EXIT, 0, 0, 0, 0)]
}
