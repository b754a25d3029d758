//! Twins of what the programs see, for tests and for comparison with the kernel.
#![expect(unsafe_code, reason = "copies headers from bytes")]

use super::abi::{Client, Endpoints, KINDS, Piece, Way};
use super::uoa::{Change, Datagrams};
use super::{Address, Bytes, Outcome, Server, decapsulate, rewrite};
use core::cell::RefCell;
use core::net::IpAddr;
use std::collections::{BTreeSet, HashMap};
use std::vec::Vec;
use wire::number::Bytes16;
use wire::{Be16, Be32, Checksum, Header, Ipv4, Ipv6};

impl Bytes for Vec<u8> {
    fn read<H: Header>(&self, offset: usize) -> Option<H> {
        let bytes = self.get(offset..offset.checked_add(size_of::<H>())?)?;
        // SAFETY: the bytes are there, `Header` promises alignment 1 and that every pattern is a value.
        Some(unsafe { bytes.as_ptr().cast::<H>().read() })
    }
}

/// A server in memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HostServer {
    /// Addresses of directors.
    pub directors: BTreeSet<IpAddr>,
    /// Virtual addresses.
    pub virtual_addresses: BTreeSet<IpAddr>,
}

fn plain(address: Address) -> IpAddr {
    match address {
        Address::V4(address) => IpAddr::V4(address.get().into()),
        Address::V6(address) => {
            let [high, low] = address.bits();
            let bytes = u128::from(u64::from_be(high)) << 64 | u128::from(u64::from_be(low));
            IpAddr::V6(bytes.into())
        }
    }
}

/// The address in the form of the wire.
pub fn on_the_wire(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::V4(Be32::new(address.to_bits())),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            Address::V6(Bytes16::from_bits([((bits >> 64) as u64).to_be(), (bits as u64).to_be()]))
        }
    }
}

impl Server for HostServer {
    fn trusts(&self, address: Address) -> bool {
        self.directors.contains(&plain(address))
    }

    fn serves(&self, address: Address) -> bool {
        self.virtual_addresses.contains(&plain(address))
    }

    fn gue_port(&self) -> Be16 {
        Be16::new(6080)
    }

    fn kinds(&self) -> [u8; 2] {
        KINDS
    }
}

/// What decapsulation makes of a frame: its fate, and its bytes afterwards.
pub fn decapsulated(frame: &[u8], server: &HostServer) -> (Outcome, Vec<u8>) {
    const NETWORK: usize = 14;
    let frame = frame.to_vec();
    let ether_type = frame.read::<Be16>(NETWORK - 2);
    let outcome = ether_type.map_or(Outcome::Ordinary, |it| decapsulate::look(&frame, it, NETWORK, server));
    let Outcome::Strip(strip) = outcome else { return (outcome, frame) };
    let mut bytes: Vec<u8> = frame.iter().take(NETWORK - 2).copied().collect();
    let ether_type = if strip.inner_six { [0x86, 0xdd] } else { [0x08, 0x00] };
    bytes.extend(ether_type);
    bytes.extend(frame.iter().skip(NETWORK + strip.bytes));
    if strip.congested {
        mark(bytes.get_mut(NETWORK..).unwrap_or_default());
    }
    (outcome, bytes)
}

/// What is remembered of datagrams, in memory.
#[derive(Default)]
pub struct Memory {
    clients: RefCell<HashMap<Endpoints, Client>>,
    ways: RefCell<HashMap<Endpoints, Way>>,
    pieces: RefCell<HashMap<Piece, Way>>,
}

impl Datagrams for Memory {
    fn client(&self, from_director: &Endpoints) -> Option<Client> {
        self.clients.borrow().get(from_director).copied()
    }

    fn learn(&self, from_director: &Endpoints, client: &Client, to_client: &Endpoints, way: &Way) {
        self.clients.borrow_mut().insert(*from_director, *client);
        self.ways.borrow_mut().insert(*to_client, *way);
    }

    fn way(&self, to_client: &Endpoints) -> Option<Way> {
        self.ways.borrow().get(to_client).copied()
    }

    fn way_of_piece(&self, piece: &Piece) -> Option<Way> {
        self.pieces.borrow().get(piece).copied()
    }

    fn remember_piece(&self, piece: &Piece, way: &Way) {
        self.pieces.borrow_mut().insert(*piece, *way);
    }
}

/// A datagram after a change of its source (one that comes in) or its destination.
pub fn changed(frame: &[u8], change: &Change, source: bool) -> Vec<u8> {
    const NETWORK: usize = 14;
    let fixed = if change.six { 40 } else { 20 };
    let mut bytes = frame.to_vec();
    let after_header = NETWORK + fixed;
    if change.six {
        let header = bytes.read::<Ipv6>(NETWORK).map(|header| rewrite::header6(header, change, source));
        put(&mut bytes, NETWORK, header);
    } else {
        let header = bytes.read::<Ipv4>(NETWORK).map(|header| rewrite::header4(header, change, source));
        put(&mut bytes, NETWORK, header);
    }
    bytes.drain(after_header..after_header + change.cut);
    if change.transport == 0 {
        return bytes;
    }
    let port = change.transport + if source { 0 } else { 2 };
    let sum = bytes.read::<Be16>(change.transport + 6).filter(|sum| sum.bits() != 0);
    let adjusted = sum.map(|sum| {
        let mut delta = Checksum::new().remove16(change.before.port).add16(change.after.port);
        for (before, after) in change.before.address.into_iter().zip(change.after.address) {
            delta = delta.remove32(before).add32(after);
        }
        crate::frame::adjusted(sum, delta, true)
    });
    put(&mut bytes, change.transport + 6, adjusted);
    put(&mut bytes, port, Some(Be16::from_bits(change.after.port)));
    bytes
}

fn put<H: Header>(bytes: &mut [u8], at: usize, header: Option<H>) {
    let place = bytes.get_mut(at..at + size_of::<H>());
    if let (Some(header), Some(place)) = (header, place) {
        // SAFETY: the room is there, `Header` promises alignment 1.
        unsafe { place.as_mut_ptr().cast::<H>().write(header) };
    }
}

/// What the kernel's helper does: congestion experienced, and the IPv4 checksum made good.
fn mark(packet: &mut [u8]) {
    match packet {
        [0x40..=0x4f, class, _, _, _, _, _, _, _, _, high, low, ..] => {
            let before = *class;
            *class |= 3;
            let delta =
                Checksum::new().remove16(u16::from_ne_bytes([0, before])).add16(u16::from_ne_bytes([0, *class]));
            [*high, *low] = delta.update(Be16::from_bits(u16::from_ne_bytes([*high, *low]))).bits().to_ne_bytes();
        }
        [_, class, ..] => *class |= 0x30,
        _ => {}
    }
}
