//! Frames: from a step, and back into a line of a transcript.

use super::names::{Names, Party};
use super::script::Kind;
use forward::host::packet::packet;
use forward::host::verify;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use wire::{MacAddress, TcpFlags, protocol};

/// The port of the frames that follow a packet through the director, to tell when it is through.
pub(super) const MARKER_PORT: u16 = 9;

/// A packet between two parties, as a frame from one link-layer address to another.
pub(super) fn build(
    names: &Names,
    macs: (MacAddress, MacAddress),
    from: (Party, u16),
    to: (Party, u16),
    kind: Kind,
) -> Vec<u8> {
    let (source, destination) = (names.address(from.0), names.address(to.0));
    let frame = packet().ethernet(macs.0, macs.1).ip(source, destination).payload(b"1234");
    let frame = match kind {
        Kind::Tcp(flags) => frame.tcp(from.1, to.1).flags(flags),
        Kind::Udp => frame.udp(from.1, to.1),
    };
    frame.build().bytes
}

/// A marker with a number.
pub(super) fn marker(macs: (MacAddress, MacAddress), from: Ipv4Addr, to: Ipv4Addr, number: u16) -> Vec<u8> {
    packet().ethernet(macs.0, macs.1).ipv4(from, to).udp(number, MARKER_PORT).build().bytes
}

/// A frame as it is seen.
pub(super) enum Seen {
    /// A marker, with its number.
    Marker(u16),
    /// A packet.
    Packet(Packet),
    /// Neighbour discovery and the like.
    Nothing,
}

/// A packet of IPv4 or IPv6.
pub(super) struct Packet {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    text: String,
}

impl Packet {
    /// As a transcript shows it.
    pub(super) fn line(&self, link: &str) -> String {
        format!("{link}: {}", self.text)
    }
}

struct Header<'f> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    hops: u8,
    rest: &'f [u8],
}

/// Reads a frame.
pub(super) fn read(frame: &[u8], names: &Names) -> Seen {
    let Some(header) = frame.get(14..).and_then(header) else { return Seen::Nothing };
    if header.protocol == protocol::UDP && word(header.rest, 2) == Some(MARKER_PORT) {
        return word(header.rest, 0).map_or(Seen::Nothing, Seen::Marker);
    }
    let Some(text) = describe(&header, names) else { return Seen::Nothing };
    let (source, destination) = ends(&header);
    let defect = match header.protocol {
        protocol::TCP | protocol::UDP => verify::defect(frame),
        _ => None,
    };
    let defect = defect.map(|what| format!(" wrong: {what}")).unwrap_or_default();
    Seen::Packet(Packet { source, destination, text: format!("{text} hops {}{defect}", header.hops) })
}

fn ends(header: &Header<'_>) -> (SocketAddr, SocketAddr) {
    let port = |at| word(header.rest, at).unwrap_or(0);
    (SocketAddr::new(header.source, port(0)), SocketAddr::new(header.destination, port(2)))
}

fn describe(header: &Header<'_>, names: &Names) -> Option<String> {
    let (source, destination) = ends(header);
    let end = |end: SocketAddr| format!("{}:{}", names.show(end.ip()), end.port());
    match header.protocol {
        protocol::TCP => {
            let flags = show_flags(*header.rest.get(13)?);
            Some(format!("tcp {} > {} {flags}", end(source), end(destination)))
        }
        protocol::UDP => Some(format!("udp {} > {}", end(source), end(destination))),
        // Errors only: ICMP 3, 11; ICMPv6 below 128.
        1 if matches!(header.rest.first()?, 3 | 11) => error(header, names),
        58 if *header.rest.first()? < 128 => error(header, names),
        _ => None,
    }
}

fn error(outer: &Header<'_>, names: &Names) -> Option<String> {
    let (kind, code) = (outer.rest.first()?, outer.rest.get(1)?);
    let inner = describe(&header(outer.rest.get(8..)?)?, names).unwrap_or_default();
    let (source, destination) = (names.show(outer.source), names.show(outer.destination));
    Some(format!("icmp {kind}/{code} {source} > {destination} about {inner}"))
}

fn show_flags(bits: u8) -> String {
    let names =
        [(TcpFlags::FIN, 'F'), (TcpFlags::SYN, 'S'), (TcpFlags::RST, 'R'), (TcpFlags::PSH, 'P'), (TcpFlags::ACK, 'A')];
    let mut text = String::new();
    for (_, letter) in names.iter().filter(|(bit, _)| bits & bit != 0) {
        let _ = text.write_char(*letter);
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

fn header(bytes: &[u8]) -> Option<Header<'_>> {
    match bytes.first()? >> 4 {
        4 => {
            let length = usize::from(bytes.first()? & 15) * 4;
            let source = IpAddr::from(array::<4>(bytes, 12)?);
            let destination = IpAddr::from(array::<4>(bytes, 16)?);
            let (protocol, hops, rest) = (*bytes.get(9)?, *bytes.get(8)?, bytes.get(length..)?);
            Some(Header { source, destination, protocol, hops, rest })
        }
        6 => {
            let source = IpAddr::from(array::<16>(bytes, 8)?);
            let destination = IpAddr::from(array::<16>(bytes, 24)?);
            let (protocol, hops, rest) = (*bytes.get(6)?, *bytes.get(7)?, bytes.get(40..)?);
            Some(Header { source, destination, protocol, hops, rest })
        }
        _ => None,
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_shown_by_names() {
        let macs = (MacAddress([2; 6]), MacAddress([4; 6]));
        for six in [false, true] {
            let names = Names::of("x/4m", six);
            let (from, to) = ((Party::Client(1), 4000), (Party::Virtual(0), 80));
            let frame = build(&names, macs, from, to, Kind::Tcp(TcpFlags::SYN | TcpFlags::ACK));
            let Seen::Packet(packet) = read(&frame, &names) else { panic!() };
            assert_eq!(packet.line("S1"), "S1: tcp C1:4000 > V:80 SA hops 64");
            let frame = build(&names, macs, from, to, Kind::Udp);
            let Seen::Packet(packet) = read(&frame, &names) else { panic!() };
            assert_eq!(packet.line("C"), "C: udp C1:4000 > V:80 hops 64");
            (0..frame.len()).for_each(|length| drop(read(&frame[..length], &names)));
        }
        let frame = marker(macs, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, 77);
        assert!(matches!(read(&frame, &Names::of("x", false)), Seen::Marker(77)));
    }
}
