//! A frame's headers, read once.

use crate::abi::{Address4, Address6, FlowKey, Port};
use crate::encapsulate::{Headers, Inside, ends};
use crate::fragment::Piece;
use crate::{Address, Counter, Family, Frame};
use wire::{Be16, Be32, Checksum, Ethernet, Icmp, Ipv4, Ipv6, Ipv6Extension, Tcp, TcpFlags, Udp, protocol};

/// What the forwarding path needs to know of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<A> {
    /// Its addresses, ports and protocol.
    pub flow: FlowKey<A>,
    /// Offset of the network header in the frame.
    pub network: usize,
    /// Offset of the transport header in the frame.
    pub transport: usize,
    /// Length from the network header on, in bytes: what IPVS counts.
    pub bytes: u32,
    /// Hops left.
    pub hops: u8,
    /// Control bits of a TCP segment; none for UDP.
    pub flags: TcpFlags,
    /// The first fragment of a larger datagram.
    pub fragment: bool,
}

impl<A: Address> Packet<A> {
    /// A packet not read yet. Headers are read into a packet that exists: a large result by value would be copied with
    /// undefined contents when it is an error, which the BPF verifier refuses.
    #[inline(always)]
    pub fn unread() -> Self {
        let nowhere = A::from_words([0, 0]);
        Self {
            flow: FlowKey {
                source: nowhere,
                destination: nowhere,
                source_port: Port(0),
                destination_port: Port(0),
                protocol: 0,
                kind: FlowKey::<A>::FLOW,
                reserved: 0,
            },
            network: 0,
            transport: 0,
            bytes: 0,
            hops: 0,
            flags: TcpFlags(0),
            fragment: false,
        }
    }
}

/// A family whose packets can be parsed.
pub trait Parse: Address {
    /// Which family it is.
    const FAMILY: Family;
    /// Number of its control protocol.
    const ICMP: u8;

    /// Reads the network header; what cannot be a packet for a transport protocol here ends here.
    fn network<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter>;

    /// The same of a header that an error quotes: nobody vouches for its checksum, and its payload is cut off.
    fn quoted<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter>;

    /// Reads a fragment, from the network header to where it says which.
    fn piece<F: Frame>(frame: &F, network: usize, piece: &mut Piece<Self>) -> Result<(), Counter>;

    /// True when routers on the way may fragment the packet.
    fn may_be_fragmented<F: Frame>(frame: &F, network: usize) -> bool;

    /// True for the kind of a message about a packet that failed, as IPVS takes them (ip_vs_core.c).
    fn is_error(kind: u8) -> bool;

    /// Number of its packets as the contents of another one.
    const INSIDE: u8;
    /// Its ether type.
    const ETHER_TYPE: Be16;

    /// What a packet around this one takes over; its headers are known to be where `headers` says.
    fn inside<F: Frame>(frame: &F, headers: Headers) -> Option<Inside>;

    /// Sum over a packet whose transport checksum holds, without a look at its payload: that checksum makes transport
    /// header, payload and pseudo-header nothing. `None`: there are extension headers.
    fn sum_inside<F: Frame>(frame: &F, headers: Headers) -> Option<Checksum>;
}

/// Reads network and transport header; what cannot be balanced ends here.
#[inline(always)]
pub fn parse<A: Parse, F: Frame>(frame: &F, network: usize, packet: &mut Packet<A>) -> Result<(), Counter> {
    A::network(frame, network, packet)?;
    transport(frame, packet)
}

/// The same for a packet that another program has parsed: its header checksum holds.
#[inline(always)]
pub fn parse_again<A: Parse, F: Frame>(frame: &F, network: usize, packet: &mut Packet<A>) -> Result<(), Counter> {
    A::quoted(frame, network, packet)?;
    transport(frame, packet)
}

/// Words of IPv4 options, at most.
const MAX_OPTION_WORDS: usize = 10;
/// Extension headers that are looked behind, at most.
const MAX_EXTENSIONS: usize = 6;
/// A transport header further into the frame than this is not looked for.
const MAX_TRANSPORT: usize = 1200;

const MALFORMED: Counter = Counter::DropMalformed;
const PROTOCOL: Counter = Counter::PassProtocol;
const LATER_FRAGMENT: Counter = Counter::PassLaterFragment;

impl Parse for Address4 {
    const FAMILY: Family = Family::Ipv4;
    const ICMP: u8 = protocol::ICMP;

    #[inline(always)]
    fn network<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv4>(offset).ok_or(MALFORMED)?;
        if !ip.is_valid() || !is_intact(frame, offset, &ip) {
            return Err(MALFORMED);
        }
        take4(&ip, offset, packet)?;
        if packet.bytes == 0 {
            packet.bytes = joined(frame, offset);
        }
        Ok(())
    }

    #[inline(always)]
    fn quoted<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv4>(offset).ok_or(MALFORMED)?;
        if !ip.is_valid() {
            return Err(MALFORMED);
        }
        take4(&ip, offset, packet)
    }

    #[inline(always)]
    fn piece<F: Frame>(frame: &F, network: usize, piece: &mut Piece<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv4>(network).ok_or(MALFORMED)?;
        if !ip.is_valid() || !is_intact(frame, network, &ip) {
            return Err(MALFORMED);
        }
        piece.key.source = Self(ip.source.bits());
        piece.key.destination = Self(ip.destination.bits());
        piece.key.identification = ip.identification.bits() as u32;
        piece.key.protocol = ip.protocol;
        piece.protocol = ip.protocol;
        piece.offset = ip.fragment_offset();
        piece.at = network;
        piece.bytes = ip.total_length.get() as u32;
        piece.hops = ip.time_to_live;
        Ok(())
    }

    #[inline(always)]
    fn may_be_fragmented<F: Frame>(frame: &F, network: usize) -> bool {
        frame.read::<Ipv4>(network).is_some_and(|ip| ip.may_be_fragmented())
    }

    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        matches!(kind, Icmp::UNREACHABLE | Icmp::SOURCE_QUENCH | Icmp::TIME_EXCEEDED)
    }

    const INSIDE: u8 = protocol::IPV4;
    const ETHER_TYPE: Be16 = Ethernet::IPV4;

    #[inline(always)]
    fn inside<F: Frame>(frame: &F, headers: Headers) -> Option<Inside> {
        let ip = frame.read::<Ipv4>(headers.network())?;
        Some(Inside {
            traffic_class: ip.traffic_class,
            hops: ip.time_to_live,
            bytes: ip.total_length.get(),
            whole: !ip.may_be_fragmented(),
            fragment: ip.is_fragment(),
            identification: ip.identification.get(),
            ends: ends(Self(ip.source.bits()), Self(ip.destination.bits())),
        })
    }

    /// (The header's own checksum makes the header nothing.)
    #[inline(always)]
    fn sum_inside<F: Frame>(frame: &F, headers: Headers) -> Option<Checksum> {
        let ip = frame.read::<Ipv4>(headers.network())?;
        if ip.protocol == protocol::ICMP {
            return Some(Checksum::new());
        }
        let length = ip.total_length.get() as usize - (headers.transport() - headers.network());
        let sum = Checksum::new().remove32(ip.source.bits()).remove32(ip.destination.bits());
        Some(sum.remove16((ip.protocol as u16).to_be()).remove16((length as u16).to_be()))
    }
}

/// Length of a packet whose header does not say it, because it is larger than it could (BIG TCP).
#[inline(always)]
fn joined<F: Frame>(frame: &F, network: usize) -> u32 {
    frame.joined().saturating_sub(network as u32)
}

#[inline(always)]
fn take4(ip: &Ipv4, offset: usize, packet: &mut Packet<Address4>) -> Result<(), Counter> {
    if ip.is_later_fragment() {
        return Err(LATER_FRAGMENT);
    }
    packet.flow.source = Address4(ip.source.bits());
    packet.flow.destination = Address4(ip.destination.bits());
    packet.flow.protocol = ip.protocol;
    packet.network = offset;
    packet.transport = offset + ip.header_length();
    packet.bytes = ip.total_length.get() as u32;
    packet.hops = ip.time_to_live;
    packet.fragment = ip.is_fragment();
    Ok(())
}

impl Parse for Address6 {
    const FAMILY: Family = Family::Ipv6;
    const ICMP: u8 = protocol::ICMPV6;

    #[inline(always)]
    fn network<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv6>(offset).ok_or(MALFORMED)?;
        if !ip.is_valid() {
            return Err(MALFORMED);
        }
        packet.flow.source = Self(ip.source.bits());
        packet.flow.destination = Self(ip.destination.bits());
        packet.flow.protocol = ip.next_header;
        packet.network = offset;
        packet.transport = offset + Ipv6::LENGTH;
        packet.bytes = Ipv6::LENGTH as u32 + ip.payload_length.get() as u32;
        packet.hops = ip.hop_limit;
        if packet.flow.protocol != protocol::TCP && packet.flow.protocol != protocol::UDP {
            skip_extensions(frame, packet)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn quoted<F: Frame>(frame: &F, offset: usize, packet: &mut Packet<Self>) -> Result<(), Counter> {
        Self::network(frame, offset, packet)
    }

    #[inline(always)]
    fn piece<F: Frame>(frame: &F, network: usize, piece: &mut Piece<Self>) -> Result<(), Counter> {
        let ip = frame.read::<Ipv6>(network).ok_or(MALFORMED)?;
        let walk = frame.walk_to_fragment(network);
        let header = frame.read::<Ipv6Extension>(walk.place()).filter(|_| walk.is_found()).ok_or(MALFORMED)?;
        piece.at = walk.place();
        if !ip.is_valid() {
            return Err(MALFORMED);
        }
        piece.key.source = Self(ip.source.bits());
        piece.key.destination = Self(ip.destination.bits());
        piece.key.identification = header.rest.bits();
        piece.protocol = header.next_header;
        piece.offset = header.fragment_offset();
        piece.bytes = Ipv6::LENGTH as u32 + ip.payload_length.get() as u32;
        piece.hops = ip.hop_limit;
        Ok(())
    }

    #[inline(always)]
    fn may_be_fragmented<F: Frame>(_frame: &F, _network: usize) -> bool {
        false
    }

    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        kind & Icmp::INFORMATIONAL6 == 0
    }

    const INSIDE: u8 = protocol::IPV6;
    const ETHER_TYPE: Be16 = Ethernet::IPV6;

    /// It has no word about fragments. The transport checksum is what differs most, of a fragment its own header.
    #[inline(always)]
    fn inside<F: Frame>(frame: &F, headers: Headers) -> Option<Inside> {
        let field = match headers.protocol() {
            protocol::TCP => core::mem::offset_of!(Tcp, checksum),
            protocol::UDP => core::mem::offset_of!(Udp, checksum),
            _ => core::mem::offset_of!(Icmp, checksum),
        };
        let identification = if headers.protocol() == 0 {
            let header = frame.read::<Ipv6Extension>(headers.transport());
            header.map_or(0, |header| header.rest.get() as u16 ^ header.fragment.get())
        } else {
            frame.read::<Be16>(headers.transport() + field).map_or(0, |sum| sum.get())
        };
        let ip = frame.read::<Ipv6>(headers.network())?;
        Some(Inside {
            traffic_class: (ip.version_and_flow.get() >> 20) as u8,
            hops: ip.hop_limit,
            bytes: ip.payload_length.get().saturating_add(Ipv6::LENGTH as u16),
            whole: false,
            fragment: false,
            identification,
            ends: ends(Self(ip.source.bits()), Self(ip.destination.bits())),
        })
    }

    /// (The addresses are in the header and in the pseudo-header. A fragment's protocol is zero here.)
    #[inline(always)]
    fn sum_inside<F: Frame>(frame: &F, headers: Headers) -> Option<Checksum> {
        if headers.protocol() == 0 || headers.transport() != headers.network() + Ipv6::LENGTH {
            return None;
        }
        let ip = frame.read::<Ipv6>(headers.network())?;
        let next = u16::from_ne_bytes([ip.next_header, ip.hop_limit]);
        let header = Checksum::new().add32(ip.version_and_flow.bits()).add16(ip.payload_length.bits()).add16(next);
        let length = ip.payload_length.bits();
        Some(header.remove16((headers.protocol() as u16).to_be()).remove16(length))
    }
}

/// The header checksum holds. A router has to look (RFC 1812 §5.2.2), or it would send on an address nobody wrote.
#[inline(always)]
fn is_intact<F: Frame>(frame: &F, network: usize, ip: &Ipv4) -> bool {
    let mut sum = ip.sum();
    let mut offset = Ipv4::LENGTH;
    for _ in 0..MAX_OPTION_WORDS {
        if offset >= ip.header_length() {
            break;
        }
        let Some(word) = frame.read::<Be32>(network + offset) else { return false };
        sum = sum.add32(word.bits());
        offset += size_of::<Be32>();
    }
    sum.fold() == 0xffff
}

const _: () = assert!(MAX_TRANSPORT <= Walk::OFFSET as usize);

/// What lies behind the extension headers of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walk(u32);

impl Walk {
    const MALFORMED: Self = Self(1 << 30);
    const LATER_FRAGMENT: Self = Self(1 << 29);
    const TOO_LONG: Self = Self(1 << 28);
    const FRAGMENT: u32 = 1 << 24;
    const OFFSET: u32 = 0x7ff;

    const fn to(offset: usize, protocol: u8, fragment: bool) -> Self {
        Self(offset as u32 & Self::OFFSET | (protocol as u32) << 16 | if fragment { Self::FRAGMENT } else { 0 })
    }

    /// From the word that a BPF function returns.
    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// As one word.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// True when there is something at its place.
    #[inline(always)]
    pub const fn is_found(self) -> bool {
        self.0 & (Self::MALFORMED.0 | Self::LATER_FRAGMENT.0 | Self::TOO_LONG.0) == 0
    }

    /// Where that is: bounded by a mask, which every verifier understands, not by a comparison.
    #[inline(always)]
    pub const fn place(self) -> usize {
        (self.0 & Self::OFFSET) as usize
    }

    /// An offset that a BPF function was given: bounded by a mask, since the verifier knows nothing about it.
    #[inline(always)]
    pub const fn offset(argument: u32) -> usize {
        (argument & Self::OFFSET) as usize
    }
}

/// Walks from the network header to the transport header behind extension headers (RFC 8200 §4.1).
#[inline(always)]
pub fn walk_extensions<F: Frame>(frame: &F, network: usize) -> Walk {
    let Some(ip) = frame.read::<Ipv6>(network) else { return Walk::MALFORMED };
    let (mut kind, mut offset, mut fragment) = (ip.next_header, network + Ipv6::LENGTH, false);
    for _ in 0..MAX_EXTENSIONS {
        let skippable = matches!(kind, Ipv6Extension::HOP_BY_HOP | Ipv6Extension::ROUTING | Ipv6Extension::DESTINATION);
        if !skippable && kind != Ipv6Extension::FRAGMENT {
            break;
        }
        let Some(extension) = frame.read::<Ipv6Extension>(offset) else { return Walk::MALFORMED };
        kind = extension.next_header;
        if skippable {
            offset += extension.bytes();
        } else {
            if extension.is_later_fragment() {
                return Walk::LATER_FRAGMENT;
            }
            fragment |= extension.is_fragment();
            offset += size_of::<Ipv6Extension>();
        }
        if offset > MAX_TRANSPORT {
            return Walk::TOO_LONG;
        }
    }
    Walk::to(offset, kind, fragment)
}

/// Walks from the network header to the fragment header, before which no other can be than those for routers.
#[inline(always)]
pub fn walk_to_fragment<F: Frame>(frame: &F, network: usize) -> Walk {
    let Some(ip) = frame.read::<Ipv6>(network) else { return Walk::MALFORMED };
    let (mut kind, mut offset) = (ip.next_header, network + Ipv6::LENGTH);
    for _ in 0..MAX_EXTENSIONS {
        if kind == Ipv6Extension::FRAGMENT {
            return Walk::to(offset, kind, true);
        }
        if !matches!(kind, Ipv6Extension::HOP_BY_HOP | Ipv6Extension::ROUTING | Ipv6Extension::DESTINATION) {
            break;
        }
        let Some(extension) = frame.read::<Ipv6Extension>(offset) else { return Walk::MALFORMED };
        kind = extension.next_header;
        offset += extension.bytes();
        if offset > MAX_TRANSPORT {
            return Walk::TOO_LONG;
        }
    }
    Walk::MALFORMED
}

/// Takes over what a walk found.
#[inline(always)]
fn skip_extensions<F: Frame>(frame: &F, packet: &mut Packet<Address6>) -> Result<(), Counter> {
    match frame.walk_extensions(packet.network) {
        Walk::MALFORMED => return Err(MALFORMED),
        Walk::LATER_FRAGMENT => return Err(LATER_FRAGMENT),
        Walk::TOO_LONG => return Err(PROTOCOL),
        Walk(found) => {
            packet.transport = Walk(found).place();
            packet.flow.protocol = (found >> 16) as u8;
            packet.fragment = found & Walk::FRAGMENT != 0;
        }
    }
    Ok(())
}

/// Reads the transport header.
#[inline(always)]
fn transport<A: Parse, F: Frame>(frame: &F, packet: &mut Packet<A>) -> Result<(), Counter> {
    let headers = packet.transport - packet.network;
    let bytes = packet.bytes as usize;
    if bytes < headers || !frame.has(packet.network + bytes) {
        return Err(MALFORMED);
    }
    let available = bytes - headers;
    match packet.flow.protocol {
        protocol::TCP => {
            let tcp = frame.read::<Tcp>(packet.transport).ok_or(MALFORMED)?;
            let length = (tcp.data_offset >> 4) as usize * 4;
            if length < Tcp::LENGTH || length > available {
                return Err(MALFORMED);
            }
            packet.flow.source_port = Port(tcp.source.bits());
            packet.flow.destination_port = Port(tcp.destination.bits());
            packet.flags = tcp.flags;
            Ok(())
        }
        protocol::UDP => {
            let udp = frame.read::<Udp>(packet.transport).ok_or(MALFORMED)?;
            if available < Udp::LENGTH {
                return Err(MALFORMED);
            }
            packet.flow.source_port = Port(udp.source.bits());
            packet.flow.destination_port = Port(udp.destination.bits());
            Ok(())
        }
        number if number == A::ICMP => Err(Counter::PassIcmp),
        _ => Err(PROTOCOL),
    }
}

/// True when the transport checksum holds only the pseudo-header's sum: the sender left the rest to its device. A
/// finished checksum looks like that once in 65536.
#[inline(always)]
pub fn has_partial_checksum<A: Address, F: Frame>(frame: &F, packet: &Packet<A>) -> bool {
    let field = match packet.flow.protocol {
        protocol::TCP => core::mem::offset_of!(Tcp, checksum),
        _ => core::mem::offset_of!(Udp, checksum),
    };
    let length = (packet.bytes - (packet.transport - packet.network) as u32) as u16;
    let addresses = packet.flow.source.sum().join(packet.flow.destination.sum());
    let pseudo = addresses.add16((packet.flow.protocol as u16).to_be()).add16(length.to_be()).fold();
    frame.read::<Be16>(packet.transport + field).is_some_and(|found| found.bits() == pseudo)
}
