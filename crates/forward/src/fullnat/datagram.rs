//! The client's address told in a datagram, where nothing answers and nothing is kept in order: an option of its IP
//! header (docs/toa.md), in the first datagrams of a flow and again every few seconds.

use super::inform::Task;
use crate::abi::Connection;
use crate::agent::uoa::{HEADER6, LENGTH6, OPTION4, OPTION6};
use crate::{Frame, Packet, Shared, Time};
use wire::number::Bytes16;
use wire::{Be16, Be32, Checksum, Ipv4, Ipv6, Ipv6Extension};

/// Datagrams at the beginning of a flow that tell it.
const FIRST: u32 = 3;
/// Ticks until another one does.
const AGAIN: u32 = Time::ticks(3);
/// Length of the option, IPv4.
const LENGTH4: usize = OPTION4[1] as usize;
/// Longest IPv4 header.
const LONGEST: usize = 60;
/// No operation, four times.
const NOTHING: Be32 = Be32::new(0x0101_0101);
/// Padding of as many bytes as the option of IPv6 has.
const PADDING6: [u8; 2] = [1, OPTION6[1]];

/// What a primary remembers of telling, in a word that would be a next hop in others: how often, and when last.
pub(super) struct Telling<'a>(pub(super) &'a Connection);

impl Telling<'_> {
    /// True when a datagram should tell.
    #[inline(always)]
    pub(super) fn is_due(&self, now: Time) -> bool {
        let word = self.0.hop.first().get();
        (word >> 32) < FIRST as u64 || now.age(word as u32) >= AGAIN
    }

    /// One does.
    #[inline(always)]
    pub(super) fn note<T: Shared>(&self, tables: &T, now: Time) {
        let count = (self.0.hop.first().get() >> 32) + 1;
        let count = if count > FIRST as u64 { FIRST as u64 } else { count };
        tables.store64(self.0.hop.first(), count << 32 | now.tick() as u64);
    }
}

/// True when there are IPv4 options or extension headers.
#[inline(always)]
pub(super) fn has_options<A>(packet: &Packet<A>, six: bool) -> bool {
    packet.transport - packet.network > if six { Ipv6::LENGTH } else { Ipv4::LENGTH }
}

/// True when the client's address has room in the datagram: in its header, on its way, and where the lane can make it. In
/// front of extension headers it has none: those for routers must be first, and a server looks directly before UDP.
#[inline(always)]
pub(super) fn has_room<A, F: Frame>(frame: &F, packet: &Packet<A>, six: bool, mtu: u32) -> bool {
    let length = if six { HEADER6 } else { LENGTH4 };
    let mtu = if mtu == 0 { 1500 } else { mtu };
    let headers = packet.transport - packet.network;
    let fits = if six { headers == Ipv6::LENGTH } else { headers + length <= LONGEST };
    fits && packet.bytes as usize + length <= mtu as usize && !packet.fragment && frame.can_grow()
}

/// Does it. None when the frame cannot be written.
#[inline(always)]
pub fn name_client<F: Frame>(frame: &mut F, task: &Task) -> Option<()> {
    let network = (task.network & 0x1f) as usize;
    if task.is_six() { name6(frame, network, task) } else { name4(frame, network, task) }
}

#[inline(always)]
fn name4<F: Frame>(frame: &mut F, network: usize, task: &Task) -> Option<()> {
    let at = network + Ipv4::LENGTH;
    let mut delta = Checksum::new();
    if task.has(Task::BLANK) {
        delta = delta.join(blank4(frame, network, at)?);
    }
    let tells = task.has(Task::TELL) && frame.insert_behind(network, Ipv4::LENGTH, LENGTH4).is_some();
    let mut ip = frame.read::<Ipv4>(network)?;
    if tells {
        let (kind, port) = (Be16::from_bits(u16::from_ne_bytes(OPTION4)), Be16::from_bits(task.port as u16));
        let [address, _] = task.address;
        frame.write(at, kind)?;
        frame.write(at + 2, port)?;
        frame.write(at + 4, Be32::from_bits(address as u32))?;
        delta = delta.add16(kind.bits()).add16(port.bits()).add32(address as u32);
        let word = |ip: &Ipv4| u16::from_ne_bytes([ip.version_and_length, ip.traffic_class]);
        delta = delta.remove16(word(&ip)).remove16(ip.total_length.bits());
        ip.version_and_length = ip.version_and_length.wrapping_add(LENGTH4 as u8 / 4);
        ip.total_length = Be16::new(ip.total_length.get().wrapping_add(LENGTH4 as u16));
        delta = delta.add16(word(&ip)).add16(ip.total_length.bits());
    }
    ip.checksum = delta.update(ip.checksum);
    frame.write(network, ip)
}

/// Blanks what a client claims in the place of the option. Returns what changed, for the checksum.
#[inline(always)]
fn blank4<F: Frame>(frame: &mut F, network: usize, at: usize) -> Option<Checksum> {
    let mut delta = Checksum::new();
    let has_room = frame.read::<Ipv4>(network)?.header_length() >= Ipv4::LENGTH + LENGTH4;
    if !has_room || frame.read::<Be16>(at)?.bits() != u16::from_ne_bytes(OPTION4) {
        return Some(delta);
    }
    for place in [at, at + size_of::<Be32>()] {
        delta = delta.remove32(frame.read::<Be32>(place)?.bits()).add32(NOTHING.bits());
        frame.write(place, NOTHING)?;
    }
    Some(delta)
}

#[inline(always)]
fn name6<F: Frame>(frame: &mut F, network: usize, task: &Task) -> Option<()> {
    let at = network + Ipv6::LENGTH;
    let mut delta = Checksum::new();
    if task.has(Task::BLANK) {
        delta = delta.join(blank6(frame, network, at)?);
    }
    if task.has(Task::TELL) && frame.insert_behind(network, Ipv6::LENGTH, HEADER6).is_some() {
        delta = delta.join(write6(frame, network, at, task)?);
    }
    frame.resummed(delta);
    Some(())
}

/// Fills the header in. Returns what changed.
#[inline(always)]
fn write6<F: Frame>(frame: &mut F, network: usize, at: usize, task: &Task) -> Option<Checksum> {
    let mut ip = frame.read::<Ipv6>(network)?;
    let [first, second] = task.address;
    let start = Be16::from_bits(u16::from_ne_bytes([ip.next_header, LENGTH6]));
    let kind = Be16::from_bits(u16::from_ne_bytes(OPTION6));
    let (port, end) = (Be16::from_bits(task.port as u16), Be16::new(0x0100));
    frame.write(at, start)?;
    frame.write(at + 2, kind)?;
    frame.write(at + 4, port)?;
    frame.write(at + 6, Bytes16::from_bits(task.address))?;
    frame.write(at + 22, end)?;
    let mut delta = Checksum::new().add16(start.bits()).add16(kind.bits()).add16(port.bits()).add16(end.bits());
    delta = delta.add64(first).add64(second);
    let word = |ip: &Ipv6| u16::from_ne_bytes([ip.next_header, ip.hop_limit]);
    delta = delta.remove16(word(&ip)).remove16(ip.payload_length.bits());
    ip.next_header = Ipv6Extension::DESTINATION;
    ip.payload_length = Be16::new(ip.payload_length.get().wrapping_add(HEADER6 as u16));
    delta = delta.add16(word(&ip)).add16(ip.payload_length.bits());
    frame.write(network, ip)?;
    Some(delta)
}

/// Makes padding of what a client claims. Returns what changed.
#[inline(always)]
fn blank6<F: Frame>(frame: &mut F, network: usize, at: usize) -> Option<Checksum> {
    if frame.read::<Ipv6>(network)?.next_header != Ipv6Extension::DESTINATION {
        return Some(Checksum::new());
    }
    let kind = frame.read::<Be16>(at + 2)?;
    if kind.bits() != u16::from_ne_bytes(OPTION6) {
        return Some(Checksum::new());
    }
    let padding = Be16::from_bits(u16::from_ne_bytes(PADDING6));
    frame.write(at + 2, padding)?;
    Some(Checksum::new().remove16(kind.bits()).add16(padding.bits()))
}
