//! The client's address in an option of IP, for UDP (docs/toa.md): what arrives is shown as the client's, and what is
//! answered goes back to the director.

use super::abi::{Client, Endpoints, Piece, Way};
use super::{Address, Bytes, Reception, Server};
use wire::number::Bytes16;
use wire::{Be16, Be32, EtherType, Ipv4, Ipv6, Ipv6Extension, Udp, protocol};

/// What is remembered of datagrams.
pub trait Datagrams {
    /// The client of a flow from a director.
    fn client(&self, from_director: &Endpoints) -> Option<Client>;

    /// Remembers a flow: as it comes from the director, whose it is, and the way back.
    fn learn(&self, from_director: &Endpoints, client: &Client, to_client: &Endpoints, way: &Way);

    /// The way back to the director for an answer.
    fn way(&self, to_client: &Endpoints) -> Option<Way>;

    /// The same for a later fragment of an answer.
    fn way_of_piece(&self, piece: &Piece) -> Option<Way>;

    /// Remembers the way of an answer's first fragment.
    fn remember_piece(&self, piece: &Piece, way: &Way);
}

/// What becomes of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Nothing.
    Ordinary,
    /// Nothing, but it is counted.
    Pass(Reception),
    /// It is changed.
    Change(Change),
}

/// What is to be changed in a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// What to count it as.
    pub reception: Reception,
    /// IPv6
    pub six: bool,
    /// Bytes to be cut out behind the fixed IP header.
    pub cut: usize,
    /// What follows the fixed header then (IPv6).
    pub next: u8,
    /// The address and port that stand there.
    pub before: Client,
    /// Those that take their place.
    pub after: Client,
    /// Where the UDP header is once the option is cut out; 0 in a later fragment, which has none.
    pub transport: usize,
    /// Interface it leaves by; 0 for one that has come in.
    pub interface: u32,
}

/// Type of the option and its length: IPv4.
pub(crate) const OPTION4: [u8; 2] = [31, 8];
/// The same inside the destination options of IPv6.
pub(crate) const OPTION6: [u8; 2] = [0x1e, 0x12];
/// Length of the whole destination options header.
pub(crate) const HEADER6: usize = 24;
/// The same as its length field says it.
pub(crate) const LENGTH6: u8 = 2;

/// The IP header of a datagram, and what it says about it.
struct Datagram {
    six: bool,
    source: [u32; 4],
    destination: [u32; 4],
    transport: usize,
    named: Option<Client>,
    /// How much the option takes, and what follows it.
    cut: usize,
    next: u8,
    fragment: Fragment,
    identification: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fragment {
    Whole,
    First,
    Later,
}

/// Looks at a packet that comes in by `interface`.
#[inline(always)]
pub fn incoming<B: Bytes, S: Server, D: Datagrams>(
    packet: &B,
    ether_type: Be16,
    network: usize,
    interface: u32,
    server: &S,
    datagrams: &D,
) -> Fate {
    // A fragment is left as it is: its pieces must stay of one source, and a director names nobody in them.
    let Some(datagram) = read(packet, ether_type, network).filter(|it| it.fragment == Fragment::Whole) else {
        return Fate::Ordinary;
    };
    let Some(udp) = packet.read::<Udp>(datagram.transport) else { return Fate::Ordinary };
    if !server.trusts(address(datagram.six, datagram.source)) {
        return if datagram.named.is_some() { Fate::Pass(Reception::UoaUntrusted) } else { Fate::Ordinary };
    }
    let (own_port, peer_port) = (udp.destination.bits(), udp.source.bits());
    let before = client(datagram.six, datagram.source, peer_port);
    let from_director = endpoints(&before, datagram.destination, own_port);
    let (after, reception) = match datagram.named {
        Some(named) => {
            let to_client = endpoints(&named, datagram.destination, own_port);
            datagrams.learn(&from_director, &named, &to_client, &Way { local: before, interface });
            (named, Reception::UoaNamed)
        }
        None => match datagrams.client(&from_director) {
            Some(known) => (known, Reception::UoaKnown),
            None => return Fate::Pass(Reception::UoaMissing),
        },
    };
    let Datagram { six, cut, next, transport, .. } = datagram;
    Fate::Change(Change { reception, six, cut, next, before, after, transport: transport - cut, interface: 0 })
}

/// Looks at a packet that goes out.
#[inline(always)]
pub fn outgoing<B: Bytes, D: Datagrams>(packet: &B, ether_type: Be16, network: usize, datagrams: &D) -> Fate {
    let Some(datagram) = read(packet, ether_type, network).filter(|it| it.named.is_none()) else {
        return Fate::Ordinary;
    };
    let (six, next) = (datagram.six, datagram.next);
    let piece = Piece {
        peer: datagram.destination,
        own: datagram.source,
        identification: datagram.identification,
        family: family(six) as u32,
    };
    if datagram.fragment == Fragment::Later {
        let Some(way) = datagrams.way_of_piece(&piece) else { return Fate::Ordinary };
        let before = client(six, datagram.destination, 0);
        let (reception, after, interface) = (Reception::UoaAnswered, way.local, way.interface);
        return Fate::Change(Change { reception, six, cut: 0, next, before, after, transport: 0, interface });
    }
    let Some(udp) = packet.read::<Udp>(datagram.transport) else { return Fate::Ordinary };
    let before = client(six, datagram.destination, udp.destination.bits());
    let Some(way) = datagrams.way(&endpoints(&before, datagram.source, udp.source.bits())) else {
        return Fate::Ordinary;
    };
    if datagram.fragment == Fragment::First {
        datagrams.remember_piece(&piece, &way);
    }
    let (reception, after, interface) = (Reception::UoaAnswered, way.local, way.interface);
    Fate::Change(Change { reception, six, cut: 0, next, before, after, transport: datagram.transport, interface })
}

#[inline(always)]
fn read<B: Bytes>(packet: &B, ether_type: Be16, network: usize) -> Option<Datagram> {
    match EtherType::parse(ether_type) {
        EtherType::Ipv4 => read4(packet, network),
        EtherType::Ipv6 => read6(packet, network),
        _ => None,
    }
}

#[inline(always)]
fn read4<B: Bytes>(packet: &B, network: usize) -> Option<Datagram> {
    let header = packet.read::<Ipv4>(network).filter(|it| it.is_valid() && it.protocol == protocol::UDP)?;
    let mut datagram = Datagram {
        six: false,
        source: [header.source.bits(), 0, 0, 0],
        destination: [header.destination.bits(), 0, 0, 0],
        transport: network + header.header_length(),
        named: None,
        cut: 0,
        next: header.protocol,
        fragment: match (header.is_fragment(), header.is_later_fragment()) {
            (false, _) => Fragment::Whole,
            (_, false) => Fragment::First,
            _ => Fragment::Later,
        },
        identification: header.identification.get() as u32,
    };
    if header.header_length() >= Ipv4::LENGTH + OPTION4[1] as usize {
        let at = network + Ipv4::LENGTH;
        let kind = packet.read::<Be16>(at)?;
        if kind == Be16::new(u16::from_be_bytes(OPTION4)) {
            let address = [packet.read::<Be32>(at + 4)?.bits(), 0, 0, 0];
            datagram.named = Some(client(false, address, packet.read::<Be16>(at + 2)?.bits()));
            datagram.cut = OPTION4[1] as usize;
        }
    }
    Some(datagram)
}

#[inline(always)]
fn read6<B: Bytes>(packet: &B, network: usize) -> Option<Datagram> {
    let header = packet.read::<Ipv6>(network).filter(Ipv6::is_valid)?;
    let mut datagram = Datagram {
        six: true,
        source: words(header.source),
        destination: words(header.destination),
        transport: network + Ipv6::LENGTH,
        named: None,
        cut: 0,
        next: header.next_header,
        fragment: Fragment::Whole,
        identification: 0,
    };
    if header.next_header == Ipv6Extension::DESTINATION {
        let at = network + Ipv6::LENGTH;
        let options = packet.read::<Ipv6Extension>(at)?;
        if options.length != LENGTH6 || options.fragment != Be16::new(u16::from_be_bytes(OPTION6)) {
            return None;
        }
        let named = words(packet.read::<Bytes16>(at + 6)?);
        datagram.named = Some(client(true, named, packet.read::<Be16>(at + 4)?.bits()));
        (datagram.cut, datagram.next) = (HEADER6, options.next_header);
        datagram.transport += HEADER6;
    } else if header.next_header == Ipv6Extension::FRAGMENT {
        let fragment = packet.read::<Ipv6Extension>(network + Ipv6::LENGTH)?;
        datagram.next = fragment.next_header;
        datagram.transport += fragment_length();
        datagram.identification = fragment.rest.get();
        datagram.fragment = match (fragment.is_fragment(), fragment.is_later_fragment()) {
            (false, _) => Fragment::Whole,
            (_, false) => Fragment::First,
            _ => Fragment::Later,
        };
    }
    (datagram.next == protocol::UDP).then_some(datagram)
}

const fn fragment_length() -> usize {
    size_of::<Ipv6Extension>()
}

#[inline(always)]
fn words(address: Bytes16) -> [u32; 4] {
    let [high, low] = address.bits();
    let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) = (high.to_ne_bytes(), low.to_ne_bytes());
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(u32::from_ne_bytes)
}

#[inline(always)]
fn address(six: bool, words: [u32; 4]) -> Address {
    let [a, b, c, d] = words;
    if six {
        Address::V6(Bytes16::from_bits([super::joined(a, b), super::joined(c, d)]))
    } else {
        Address::V4(Be32::from_bits(a))
    }
}

const fn family(six: bool) -> u16 {
    if six { 6 } else { 4 }
}

#[inline(always)]
fn client(six: bool, address: [u32; 4], port: u16) -> Client {
    Client { address, port, family: family(six) }
}

#[inline(always)]
fn endpoints(peer: &Client, own: [u32; 4], own_port: u16) -> Endpoints {
    Endpoints { peer: peer.address, own, peer_port: peer.port, own_port, family: peer.family as u32 }
}

#[cfg(test)]
#[path = "uoa_tests.rs"]
mod tests;
