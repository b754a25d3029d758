//! The client's address in an option of TCP: where it stands, whom to believe, and what an application is shown.

use super::{Address, Bytes, Client, joined};
use wire::number::{Byte, Bytes16};
use wire::{Be16, Be32};

/// Longest TCP header.
pub const LONGEST_HEADER: usize = 60;
const FIXED: usize = 20;
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const LENGTH4: u8 = 8;
const LENGTH6: u8 = 20;

/// The client that the options of a TCP header of `length` bytes name first.
#[inline(always)]
pub fn find<B: Bytes>(header: &B, length: usize, kinds: [u8; 2]) -> Option<Client> {
    let [kind4, kind6] = kinds;
    let mut at = FIXED;
    for _ in 0..LONGEST_HEADER - FIXED {
        let Byte(kind) = header.read(at)?;
        if kind == END || at >= length {
            return None;
        }
        if kind == NO_OPERATION {
            at += 1;
            continue;
        }
        let Byte(size) = header.read(at + 1)?;
        if size < 2 || at + size as usize > length {
            return None;
        }
        if kind == kind4 && size == LENGTH4 {
            return client4(header, at);
        }
        if kind == kind6 && size == LENGTH6 {
            return client6(header, at);
        }
        at += size as usize;
    }
    None
}

#[inline(always)]
fn client4<B: Bytes>(header: &B, at: usize) -> Option<Client> {
    let address = header.read::<Be32>(at + 4)?.bits();
    Some(Client { address: [address, 0, 0, 0], port: header.read::<Be16>(at + 2)?.bits(), family: 4 })
}

#[inline(always)]
fn client6<B: Bytes>(header: &B, at: usize) -> Option<Client> {
    let word = |number: usize| header.read::<Be32>(at + 4 + number * 4).map(Be32::bits);
    let address = [word(0)?, word(1)?, word(2)?, word(3)?];
    Some(Client { address, port: header.read::<Be16>(at + 2)?.bits(), family: 6 })
}

/// The third word of an IPv4 address in an IPv6 socket, as it stands on the wire.
const MAPPED: u32 = 0xffff_u32.to_be();

/// Who sends the packets of a socket: one of IPv6 has IPv4 peers, too.
#[inline(always)]
pub const fn peer(six: bool, address4: u32, address6: [u32; 4]) -> Address {
    let [a, b, c, d] = address6;
    if !six {
        Address::V4(Be32::from_bits(address4))
    } else if a == 0 && b == 0 && c == MAPPED {
        Address::V4(Be32::from_bits(d))
    } else {
        Address::V6(Bytes16::from_bits([joined(a, b), joined(c, d)]))
    }
}

/// The address that an application is shown, of its socket's family; `None` where the family has no such address.
#[inline(always)]
pub const fn shown(client: &Client, six: bool) -> Option<[u32; 4]> {
    let [first, ..] = client.address;
    match (client.family, six) {
        (4, true) => Some([0, 0, MAPPED, first]),
        (4, false) | (6, true) => Some(client.address),
        _ => None,
    }
}

#[cfg(test)]
#[path = "toa_tests.rs"]
mod tests;
