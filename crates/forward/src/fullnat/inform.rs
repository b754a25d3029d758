//! What changes in the TCP header of a FullNAT packet besides its ports: the client's address is told to the server, a
//! client's own claims are blanked, sequence numbers are shifted.

use super::options::{self, ADDRESS4_LENGTH, ADDRESS6_LENGTH, LONGEST, Options, TIMESTAMPS_LENGTH};
use crate::abi::{Address4, Address6, Port};
use crate::shift::{MOST_BEFORE, MOST_BEHIND};
use crate::{Address, Frame, Packet};
use core::mem::offset_of;
use wire::{Be16, Be32, Checksum, Ipv4, Ipv6, Tcp, number::Bytes16};

/// What shall be done; for a BPF function, which takes few arguments. 56 bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Task {
    /// Address of the client (IPv4 in the first word).
    pub address: [u64; 2],
    /// Offset of the network header in the frame.
    pub network: u32,
    /// Offset of the transport header in the frame.
    pub transport: u32,
    /// Length from the network header on, in bytes.
    pub bytes: u32,
    /// [`Task::TELL`] and others.
    pub work: u32,
    /// Added to sequence numbers, taken from acknowledgements.
    pub shift: u32,
    /// Kinds of the option: of IPv4 in the lowest byte, of IPv6 in the next. 0: nobody is told.
    pub kinds: u32,
    /// Port of the client in network order.
    pub port: u32,
    /// Not 0 for IPv6.
    pub six: u32,
    /// Zero.
    pub reserved: u64,
}

impl Task {
    /// Tell the server the client's address.
    pub const TELL: u32 = 1;
    /// Blank what the client claims.
    pub const BLANK: u32 = 2;
    /// Lower the maximum segment size by what telling takes.
    pub const LOWER: u32 = 4;
    /// Blank timestamps.
    pub const TIMELESS: u32 = 8;
    /// Shift the sequence number.
    pub const FORWARDS: u32 = 16;
    /// Shift acknowledgements back.
    pub const BACKWARDS: u32 = 32;

    /// True when any of `work` shall be done.
    #[inline(always)]
    pub(super) const fn has(&self, work: u32) -> bool {
        self.work & work != 0
    }

    /// True for a client of IPv6.
    #[inline(always)]
    pub(super) const fn is_six(&self) -> bool {
        self.six != 0
    }

    #[inline(always)]
    const fn length(&self) -> usize {
        if self.is_six() { ADDRESS6_LENGTH } else { ADDRESS4_LENGTH }
    }

    #[inline(always)]
    const fn kind(&self) -> u8 {
        if self.is_six() { (self.kinds >> 8) as u8 } else { self.kinds as u8 }
    }
}

const _: () = assert!(size_of::<Task>() == 56);

/// True when the client's address has room in the packet: in its header, on its way, and where the lane can make it.
#[inline(always)]
pub(super) fn has_room<A: Address, F: Frame>(frame: &F, packet: &Packet<A>, tcp: &Tcp, mtu: u32) -> bool {
    let length = length_of::<A>();
    let mtu = if mtu == 0 { 1500 } else { mtu };
    let (header, bytes) = ((tcp.data_offset >> 4) as usize * 4, packet.bytes as usize);
    header + length <= LONGEST
        && bytes + length <= mtu as usize
        && bytes <= MOST_BEHIND
        && packet.transport + Tcp::LENGTH <= MOST_BEFORE
        && frame.can_grow()
}

/// The kinds of the option, if servers are told clients of this family at all; otherwise 0.
#[inline(always)]
pub(super) const fn kinds_for<A: Address>(kinds: u32) -> u32 {
    let six = size_of::<A>() == size_of::<Address6>();
    let kind = if six { kinds >> 8 } else { kinds } & 0xff;
    if kind == 0 { 0 } else { kinds }
}

/// Length of the option for clients of this family.
#[inline(always)]
pub(super) const fn length_of<A: Address>() -> usize {
    if size_of::<A>() == size_of::<Address6>() { ADDRESS6_LENGTH } else { ADDRESS4_LENGTH }
}

const _: () = assert!(length_of::<Address4>() == ADDRESS4_LENGTH && length_of::<Address6>() == ADDRESS6_LENGTH);

/// Does all of it. None when the frame cannot be written.
#[inline(always)]
pub fn inform<F: Frame>(frame: &mut F, task: &Task) -> Option<()> {
    let transport = crate::parse::Walk::offset(task.transport);
    let mut delta = Checksum::new();
    if task.has(Task::FORWARDS | Task::BACKWARDS) {
        delta = delta.join(shift(frame, transport, task)?);
    }
    if task.has(Task::BLANK | Task::LOWER | Task::TIMELESS | Task::BACKWARDS) {
        delta = delta.join(edit(frame, transport, task)?);
    }
    let field = transport + offset_of!(Tcp, checksum);
    frame.adjust_checksum(field, delta, Checksum::new(), false)?;
    if task.has(Task::TELL) { tell(frame, transport, task) } else { Some(()) }
}

/// The header's own numbers.
#[inline(always)]
fn shift<F: Frame>(frame: &mut F, transport: usize, task: &Task) -> Option<Checksum> {
    let mut tcp = frame.read::<Tcp>(transport)?;
    let mut delta = Checksum::new().remove32(tcp.sequence.bits()).remove32(tcp.acknowledgement.bits());
    if task.has(Task::FORWARDS) {
        tcp.sequence = Be32::new(tcp.sequence.get().wrapping_add(task.shift));
    } else {
        tcp.acknowledgement = Be32::new(tcp.acknowledgement.get().wrapping_sub(task.shift));
    }
    delta = delta.add32(tcp.sequence.bits()).add32(tcp.acknowledgement.bits());
    frame.write(transport, tcp)?;
    Some(delta)
}

/// Options that are there.
#[inline(always)]
fn edit<F: Frame>(frame: &mut F, transport: usize, task: &Task) -> Option<Checksum> {
    let mut delta = Checksum::new();
    let found = frame.walk_options(transport, task.kinds);
    if task.has(Task::LOWER) && found.segment_size() != 0 {
        delta = delta.join(lower(frame, transport, found.segment_size(), task.length())?);
    }
    if task.has(Task::TIMELESS) && found.timestamps() != 0 {
        delta = delta.join(frame.blank(transport, found.timestamps(), TIMESTAMPS_LENGTH)?);
    }
    if task.has(Task::BACKWARDS) {
        delta = delta.join(shift_edges(frame, transport, found, task.shift)?);
    }
    if task.has(Task::BLANK) {
        delta = delta.join(disprove(frame, transport, found, task.kinds)?);
    }
    Some(delta)
}

/// Blanks the addresses that a client claims: as many as have room.
#[inline(always)]
fn disprove<F: Frame>(frame: &mut F, transport: usize, mut found: Options, kinds: u32) -> Option<Checksum> {
    let mut delta = Checksum::new();
    for _ in 0..(LONGEST - Tcp::LENGTH) / ADDRESS4_LENGTH {
        let (at, length) = found.address();
        if at == 0 {
            break;
        }
        delta = delta.join(frame.blank(transport, at, length)?);
        found = frame.walk_options(transport, kinds);
    }
    Some(delta)
}

#[inline(always)]
fn lower<F: Frame>(frame: &mut F, transport: usize, at: usize, by: usize) -> Option<Checksum> {
    let place = at + 2;
    let old = frame.read::<Be16>(transport + place)?;
    let new = Be16::new(old.get().saturating_sub(by as u16).max(LEAST_SEGMENT).min(old.get()));
    frame.write(transport + place, new)?;
    Some(options::at_place(Checksum::new().remove16(old.bits()).add16(new.bits()), place))
}

/// A maximum segment size is not made smaller than this.
const LEAST_SEGMENT: u16 = 64;

/// The edges of selective acknowledgements.
#[inline(always)]
fn shift_edges<F: Frame>(frame: &mut F, transport: usize, found: Options, shift: u32) -> Option<Checksum> {
    let (at, length) = found.selective();
    let mut delta = Checksum::new();
    for edge in 0..8 {
        let place = at + 2 + edge * size_of::<Be32>();
        if at == 0 || (edge + 1) * size_of::<Be32>() > length {
            break;
        }
        let old = frame.read::<Be32>(transport + place)?;
        let new = Be32::new(old.get().wrapping_sub(shift));
        frame.write(transport + place, new)?;
        delta = delta.join(options::at_place(Checksum::new().remove32(old.bits()).add32(new.bits()), place));
    }
    Some(delta)
}

/// Puts the client's address before all other options.
#[inline(always)]
fn tell<F: Frame>(frame: &mut F, transport: usize, task: &Task) -> Option<()> {
    let length = task.length();
    let network = (task.network & 0x1f) as usize;
    let at = transport + Tcp::LENGTH;
    frame.insert(at, length)?;
    let start = Be16::from_bits(u16::from_ne_bytes([task.kind(), length as u8]));
    let port = Be16::from_bits(task.port as u16);
    frame.write(at, start)?;
    frame.write(at + 2, port)?;
    let mut delta = Checksum::new().add16(start.bits()).add16(port.bits());
    if task.six == 0 {
        let [address, _] = task.address;
        frame.write(at + 4, Be32::from_bits(address as u32))?;
        delta = delta.add32(address as u32);
        lengthen4(frame, network, length)?;
    } else {
        let [first, second] = task.address;
        frame.write(at + 4, Bytes16::from_bits(task.address))?;
        delta = delta.add64(first).add64(second);
        lengthen6(frame, network, length)?;
    }
    let mut tcp = frame.read::<Tcp>(transport)?;
    let word = |tcp: &Tcp| u16::from_ne_bytes([tcp.data_offset, tcp.flags.0]);
    delta = delta.remove16(word(&tcp));
    tcp.data_offset = tcp.data_offset.wrapping_add((length as u8 / 4) << 4);
    delta = delta.add16(word(&tcp));
    frame.write(transport, tcp)?;
    let old = (task.bytes as usize + network).wrapping_sub(transport) as u16;
    let pseudo = Checksum::new().remove16(old.to_be()).add16(old.wrapping_add(length as u16).to_be());
    frame.adjust_checksum(transport + offset_of!(Tcp, checksum), delta.join(pseudo), pseudo, false)
}

#[inline(always)]
fn lengthen4<F: Frame>(frame: &mut F, network: usize, by: usize) -> Option<()> {
    let mut ip = frame.read::<Ipv4>(network)?;
    let old = ip.total_length;
    ip.total_length = Be16::new(old.get().wrapping_add(by as u16));
    ip.checksum = Checksum::new().remove16(old.bits()).add16(ip.total_length.bits()).update(ip.checksum);
    frame.write(network, ip)
}

#[inline(always)]
fn lengthen6<F: Frame>(frame: &mut F, network: usize, by: usize) -> Option<()> {
    let mut ip = frame.read::<Ipv6>(network)?;
    ip.payload_length = Be16::new(ip.payload_length.get().wrapping_add(by as u16));
    frame.write(network, ip)
}

/// The task for a packet of a client with this address and port.
#[inline(always)]
pub(super) fn task<A: Address>(packet: &Packet<A>, (address, port): (A, Port), kinds: u32) -> Task {
    Task {
        address: address.words(),
        network: packet.network as u32,
        transport: packet.transport as u32,
        bytes: packet.bytes,
        kinds,
        port: port.0 as u32,
        six: (size_of::<A>() == size_of::<Address6>()) as u32,
        ..Task::default()
    }
}
