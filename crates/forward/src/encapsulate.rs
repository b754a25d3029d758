//! Packets inside packets, for servers that are reached by tunnel (ip_vs_xmit.c, `ip_vs_tunnel_xmit`).
//!
//! The packet inside loses a hop and keeps all else; the header around it takes over what routers look at: hops, traffic
//! class, "don't fragment". An outer checksum is found without a look at the payload: a packet whose own checksum holds
//! sums up to what its pseudo-header lacks.

mod outer;

use crate::abi::{NextHop, Outer};
use crate::parse::Parse;
use crate::{Address, Answer, Cell64, Counter, Frame, Packet, Shared, Verdict};
use outer::{Spread, Wrapping};
use wire::{Be16, Be32, Checksum, Ethernet, Udp, Vlan, protocol};

/// What the outer header takes from the packet inside.
#[derive(Clone, Copy)]
pub struct Inside {
    /// Differentiated services and ECN.
    pub traffic_class: u8,
    /// Hops left, the one here not taken.
    pub hops: u8,
    /// Length from the network header on.
    pub bytes: u16,
    /// No router may fragment it.
    pub whole: bool,
    /// It is a fragment.
    pub fragment: bool,
    /// Differs from packet to packet of a flow, as far as the packet has such a thing.
    pub identification: u16,
    /// [`ends`] of its addresses.
    pub ends: u32,
}

/// Where the headers of a packet are that was parsed before, as one word for a BPF function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Headers(u32);

impl Headers {
    const OFFSET_BITS: u32 = 11;
    const OFFSET: u32 = (1 << Self::OFFSET_BITS) - 1;
    const LATER: u32 = 1 << 22;

    /// Of a packet.
    #[inline(always)]
    pub const fn of<A>(packet: &Packet<A>) -> Self {
        let offsets = packet.network as u32 | (packet.transport as u32) << Self::OFFSET_BITS;
        // All fragments of a datagram take the same way: without ports, which the first one alone has.
        let protocol = if packet.fragment { 0 } else { packet.flow.protocol };
        Self(offsets | (protocol as u32) << 24)
    }

    /// Of a later fragment; `at` is where something stands that differs from one to the next.
    #[inline(always)]
    pub const fn of_later_fragment(network: usize, at: usize) -> Self {
        Self(network as u32 | (at as u32 & Self::OFFSET) << Self::OFFSET_BITS | Self::LATER)
    }

    /// True for a fragment other than the first.
    #[inline(always)]
    pub const fn is_later_fragment(self) -> bool {
        self.0 & Self::LATER != 0
    }

    /// From the word that a BPF function was given.
    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// As one word.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// Offset of the network header; bounded by a mask, for the verifier.
    #[inline(always)]
    pub const fn network(self) -> usize {
        (self.0 & Self::OFFSET) as usize
    }

    /// Offset of the transport header.
    #[inline(always)]
    pub const fn transport(self) -> usize {
        (self.0 >> Self::OFFSET_BITS & Self::OFFSET) as usize
    }

    /// Its protocol; 0 of a fragment.
    #[inline(always)]
    pub const fn protocol(self) -> u8 {
        (self.0 >> 24) as u8
    }
}

/// Puts the packet into one for its server, by the server's id, and sends that.
#[inline(always)]
pub fn encapsulate<A: Parse, F: Frame, T: Shared>(frame: &mut F, headers: Headers, server: u32, tables: &T) -> Verdict {
    let (Some(tunnel), Some(server)) = (tables.tunnel(server), tables.server(server)) else {
        return Verdict::because(Counter::DropInconsistent);
    };
    // No header around it could say the length of one whose own cannot.
    let Some(inside) = A::inside(frame, headers).filter(|inside| inside.bytes != 0) else {
        return Verdict::because(Counter::DropMalformed);
    };
    // No error is told about an error, nor about a later fragment (RFC 1122 §3.2.2).
    let is_error = headers.protocol() == A::ICMP;
    let silent = is_error || headers.is_later_fragment();
    let drop = |counter, answer| if silent { Verdict::because(counter) } else { Verdict::telling(counter, answer) };
    if inside.hops <= 1 {
        return drop(Counter::DropTimeToLive, Answer::TIME_EXCEEDED);
    }
    let (bytes, mtu) = (inside.bytes as u32, server.mtu.get());
    if mtu != 0 && bytes > mtu && frame.exceeds(bytes, mtu) {
        return drop(Counter::DropTooBig, Answer::too_big(mtu));
    }
    let (ends, outer) = (Ends { source: &tunnel.source, destination: &server.address }, Outer(tunnel.outer.get()));
    if wrap::<A, F>(frame, headers, &inside, ends, outer, || server.hop.get()).is_none() {
        return Verdict::because(Counter::DropRewriteFailed);
    }
    let counter = if is_error { Counter::ForwardIcmpIn } else { Counter::ForwardIn };
    Verdict::forward(counter, server.hop.get().index())
}

/// The ends of a tunnel, IPv4 in the first words.
#[derive(Clone, Copy)]
pub struct Ends<'a> {
    /// This host.
    pub source: &'a [Cell64; 2],
    /// The server.
    pub destination: &'a [Cell64; 2],
}

/// Takes a hop off, puts the headers around, and addresses the frame to the next hop, which is asked for when needed.
#[inline(always)]
pub fn wrap<A: Parse, F: Frame>(
    frame: &mut F,
    headers: Headers,
    inside: &Inside,
    ends: Ends<'_>,
    wanted: Outer,
    hop: impl Fn() -> NextHop,
) -> Option<()> {
    A::readdress(frame, headers.network(), None, None, 1)?;
    let spread = Spread::new(spread(frame, headers, inside.ends), inside.identification);
    let sum = if wanted.has_checksum() { sum_inside::<A, F>(frame, headers, inside) } else { None };
    let outer = if sum.is_some() { wanted } else { wanted.unchecked() };
    let tag = untag(frame, headers.network(), hop())?;
    frame.make_tunnel_room(outer, headers.protocol())?;
    let sum = sum.unwrap_or_default();
    let (protocol, ether_type) = (A::INSIDE, A::ETHER_TYPE);
    let wrapping = Wrapping { outer, ends, inside, spread, protocol, ether_type, sum };
    let ether_type = wrapping.write(frame, Ethernet::LENGTH)?;
    let hop = hop();
    frame.write(0, Ethernet { destination: hop.destination, source: hop.source, ether_type })?;
    if hop.vlan() == 0 { Some(()) } else { frame.push_tag(tag) }
}

/// Takes the frame's tag out; what the next hop's shall say, which keeps the priority.
#[inline(always)]
fn untag<F: Frame>(frame: &mut F, network: usize, hop: NextHop) -> Option<u16> {
    if network == Ethernet::LENGTH {
        return Some(hop.vlan());
    }
    // Copied: the compiler knows that a frame with a network header behind a tag has the tag, the verifier does not.
    let tag = frame.copy::<Vlan>(Ethernet::LENGTH)?;
    frame.discard_tag()?;
    Some(tag.with_identifier(hop.vlan()).control.get())
}

/// Two addresses in one word.
#[inline(always)]
pub fn ends<A: Address>(source: A, destination: A) -> u32 {
    source.fold() ^ destination.fold().rotate_left(16)
}

/// A number that is the same for all packets of a flow.
#[inline(always)]
fn spread<F: Frame>(frame: &F, headers: Headers, ends: u32) -> u32 {
    let ports = match headers.protocol() {
        protocol::TCP | protocol::UDP => frame.read::<Be32>(headers.transport()).map_or(0, |ports| ports.get()),
        _ => 0,
    };
    mix(ends, ports)
}

/// Spreads addresses and ports over a word.
#[inline(always)]
pub const fn mix(ends: u32, ports: u32) -> u32 {
    let mixed = (ends.wrapping_mul(0x9e37_79b1) ^ ports).wrapping_mul(0x85eb_ca6b);
    mixed ^ mixed >> 15
}

/// The sum over the packet. None where it is not known without a look at the payload: of a datagram without a checksum, a
/// fragment, a packet with extension headers, a frame that will be parted into several.
#[inline(always)]
fn sum_inside<A: Parse, F: Frame>(frame: &F, headers: Headers, inside: &Inside) -> Option<Checksum> {
    if inside.fragment || frame.is_joined() {
        return None;
    }
    if headers.protocol() == protocol::UDP {
        let field = headers.transport() + core::mem::offset_of!(Udp, checksum);
        frame.read::<Be16>(field).filter(|sum| sum.bits() != 0)?;
    }
    A::sum_inside(frame, headers)
}
