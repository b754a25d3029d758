//! A frame's headers, read once.

mod four;
mod six;
mod walk;

pub use walk::{Walk, walk_extensions, walk_to_fragment};

use crate::abi::{FlowKey, Port};
use crate::encapsulate::{Headers, Inside};
use crate::fragment::Piece;
use crate::{Address, Counter, Family, Frame};
use wire::{Be16, Checksum, Tcp, TcpFlags, Udp, protocol};

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

const MALFORMED: Counter = Counter::DropMalformed;
const PROTOCOL: Counter = Counter::PassProtocol;
const LATER_FRAGMENT: Counter = Counter::PassLaterFragment;

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
