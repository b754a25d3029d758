//! What arrives at a real server in tunnels, and what must become of it: run on the host and by the loaded program.
//!
//! Outer headers are written here byte by byte, not by the code that a director encapsulates with.

use crate::agent::{Reception, host::HostServer};
use crate::host::packet::packet;
use std::format;
use std::net::IpAddr;
use std::string::String;
use std::vec::Vec;

/// A frame at a real server, and its fate.
pub struct Arrival {
    /// What it shows.
    pub name: String,
    /// What comes in.
    pub frame: Vec<u8>,
    /// What the stack gets; `None` if nothing.
    pub delivered: Option<Vec<u8>>,
    /// What is counted.
    pub counted: Option<Reception>,
}

const DIRECTORS: [&str; 2] = ["10.0.0.1", "fd00::1"];
const OWN: [&str; 2] = ["10.0.0.11", "fd00::11"];
const VIRTUAL: [&str; 2] = ["203.0.113.10", "2001:db8::10"];
const CLIENTS: [&str; 2] = ["198.51.100.7", "2001:db8:1::7"];
const ETHERNET: usize = 14;
/// Ether types, and the numbers of the families as protocols.
const TYPES: [[u8; 2]; 2] = [[0x08, 0x00], [0x86, 0xdd]];
const PROTOCOLS: [u8; 2] = [4, 41];
const CONGESTED: u8 = 3;
const CAPABLE: u8 = 2;

/// The server of all cases.
pub fn server() -> HostServer {
    HostServer { directors: DIRECTORS.map(address).into(), virtual_addresses: VIRTUAL.map(address).into() }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::V4(0.into()))
}

/// What is around a packet.
#[derive(Clone)]
struct Outer {
    six: bool,
    source: IpAddr,
    destination: IpAddr,
    /// Options of the outer header.
    options: Vec<u8>,
    class: u8,
    fragment: u16,
    protocol: u8,
    /// What stands between the outer header and the packet.
    between: Vec<u8>,
}

/// Encapsulations, by name: protocol of the outer header and what follows it.
fn encapsulations(inner_six: bool) -> Vec<(&'static str, u8, Vec<u8>)> {
    let (inner, [high, low]) = (PROTOCOLS[usize::from(inner_six)], TYPES[usize::from(inner_six)]);
    let udp = |length: u16| [&[0xc0, 0x01, 0x17, 0xc0][..], &length.to_be_bytes(), &[0, 0]].concat();
    std::vec![
        ("IP", inner, Vec::new()),
        ("GRE", 47, std::vec![0, 0, high, low]),
        ("GRE with a checksum", 47, std::vec![0x80, 0, high, low, 0x12, 0x34, 0, 0]),
        ("GRE with key and number", 47, [&[0x30, 0, high, low][..], &[7; 8]].concat()),
        ("GUE", 17, [udp(12 + 60), std::vec![0, inner, 0, 0]].concat()),
        ("GUE with private data", 17, [udp(20 + 60), std::vec![2, inner, 0, 0], std::vec![9; 8]].concat()),
    ]
}

impl Outer {
    fn new(six: bool, protocol: u8, between: Vec<u8>) -> Self {
        let (source, destination) = (address(DIRECTORS[usize::from(six)]), address(OWN[usize::from(six)]));
        Self { six, source, destination, options: Vec::new(), class: 0, fragment: 0, protocol, between }
    }

    /// A whole frame.
    fn around(&self, frame: &[u8]) -> Vec<u8> {
        let inside = &frame[ETHERNET..];
        let payload = self.options.len() * usize::from(self.six) + self.between.len() + inside.len();
        let mut bytes = [&frame[..ETHERNET - 2], &TYPES[usize::from(self.six)]].concat();
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let length = 20 + self.options.len();
                let mut header = std::vec![0x40 + (length / 4) as u8, self.class];
                header.extend(((length + payload) as u16).to_be_bytes());
                header.extend([0x12, 0x34]);
                header.extend(self.fragment.to_be_bytes());
                header.extend([64, self.protocol, 0, 0]);
                header.extend(source.octets().into_iter().chain(destination.octets()));
                header.extend(&self.options);
                let sum = header.chunks(2).fold(0_u32, |sum, pair| sum + u32::from(pair[0]) * 256 + u32::from(pair[1]));
                let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                bytes.extend(header);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let next = if self.options.is_empty() { self.protocol } else { 60 };
                bytes.extend([0x60 | self.class >> 4, self.class << 4, 0, 0]);
                bytes.extend((payload as u16).to_be_bytes());
                bytes.extend([next, 64]);
                bytes.extend(source.octets().into_iter().chain(destination.octets()));
                bytes.extend(&self.options);
            }
            _ => {}
        }
        bytes.extend(&self.between);
        bytes.extend(inside);
        bytes
    }
}

/// A packet of a client to a virtual address.
fn inner(six: bool, to: &str, class: u8, payload: usize) -> Vec<u8> {
    let from = address(CLIENTS[usize::from(six)]);
    let whole = packet().ip(from, address(to)).traffic_class(class);
    let whole = if payload == 0 { whole.udp(4000, 53) } else { whole.tcp(4000, 80) };
    whole.payload(&std::vec![0x5a; payload]).build().bytes
}

/// All of them.
pub fn all() -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    for (outer_six, inner_six) in [(false, false), (true, true), (false, true), (true, false)] {
        for (name, protocol, between) in encapsulations(inner_six) {
            let tunnel = Tunnel { name, outer: Outer::new(outer_six, protocol, between), inner_six };
            arrivals.extend(tunnel.taken_out());
            arrivals.extend(tunnel.left_alone());
        }
        arrivals.extend(congested(outer_six, inner_six));
    }
    arrivals.extend([false, true].into_iter().flat_map(no_tunnels));
    arrivals
}

struct Tunnel {
    name: &'static str,
    outer: Outer,
    inner_six: bool,
}

impl Tunnel {
    fn arrival(&self, what: &str, outer: &Outer, frame: &[u8], result: Result<(), Reception>) -> Arrival {
        let families = |six: bool| if six { 6 } else { 4 };
        let name = format!("{} in {} by {}: {what}", families(self.inner_six), families(outer.six), self.name);
        let whole = outer.around(frame);
        let (delivered, counted) = match result {
            Ok(()) => (frame.to_vec(), Reception::Decapsulated),
            Err(reception) => (whole.clone(), reception),
        };
        Arrival { name, frame: whole, delivered: Some(delivered), counted: Some(counted) }
    }

    fn to_virtual(&self, payload: usize) -> Vec<u8> {
        inner(self.inner_six, VIRTUAL[usize::from(self.inner_six)], 0, payload)
    }

    fn taken_out(&self) -> Vec<Arrival> {
        // An end of options; or an encapsulation limit and padding, as kernels write it.
        let options =
            if self.outer.six { std::vec![self.outer.protocol, 0, 4, 1, 4, 1, 1, 0] } else { std::vec![1, 1, 1, 0] };
        let with_options = Outer { options, ..self.outer.clone() };
        std::vec![
            self.arrival("a segment", &self.outer, &self.to_virtual(600), Ok(())),
            self.arrival("an empty datagram", &self.outer, &self.to_virtual(0), Ok(())),
            self.arrival("outer options", &with_options, &self.to_virtual(100), Ok(())),
        ]
    }

    fn left_alone(&self) -> Vec<Arrival> {
        let six = usize::from(self.outer.six);
        let stranger = Outer { source: address(CLIENTS[six]), ..self.outer.clone() };
        let to_service = Outer { destination: address(VIRTUAL[six]), ..self.outer.clone() };
        let own = inner(self.inner_six, OWN[usize::from(self.inner_six)], 0, 100);
        let frame = self.to_virtual(100);
        std::vec![
            self.arrival("of a stranger", &stranger, &frame, Err(Reception::TunnelUntrusted)),
            self.arrival("to the service itself", &to_service, &frame, Err(Reception::TunnelForOthers)),
            self.arrival("to no virtual address", &self.outer, &own, Err(Reception::TunnelForOthers)),
        ]
    }
}

/// Congestion inside the tunnel (RFC 6040): told where it can be, else the packet is lost as it would have been.
fn congested(outer_six: bool, inner_six: bool) -> Vec<Arrival> {
    let mut outer = Outer::new(outer_six, PROTOCOLS[usize::from(inner_six)], Vec::new());
    outer.class = CONGESTED;
    let tunnel = Tunnel { name: "IP", outer: outer.clone(), inner_six };
    let frame = |class| inner(inner_six, VIRTUAL[usize::from(inner_six)], class, 100);
    let marked =
        Arrival { delivered: Some(frame(CONGESTED)), ..tunnel.arrival("congested", &outer, &frame(CAPABLE), Ok(())) };
    let lost = Arrival {
        delivered: None,
        counted: Some(Reception::TunnelCongested),
        ..tunnel.arrival("congested, which the packet cannot tell", &outer, &frame(0), Ok(()))
    };
    let calm = tunnel.arrival("not congested", &Outer { class: CAPABLE, ..outer.clone() }, &frame(0), Ok(()));
    std::vec![marked, lost, calm]
}

/// What looks like a tunnel, and is none that is known.
fn no_tunnels(six: bool) -> Vec<Arrival> {
    let frame = inner(six, VIRTUAL[usize::from(six)], 0, 100);
    let (inside, [high, low]) = (PROTOCOLS[usize::from(six)], TYPES[usize::from(six)]);
    let udp = [0xc0, 0x01, 0x17, 0xc0, 0, 100, 0, 0];
    let gue = |first: u8, protocol: u8, flags: u8| [&udp[..], &[first, protocol, flags, 0]].concat();
    let other_port = [&[0xc0, 0x01, 0x17, 0xc1, 0, 100, 0, 0][..], &[0, inside, 0, 0]].concat();
    let whole = |name: &str, protocol: u8, between: Vec<u8>| {
        let bytes = Outer::new(six, protocol, between).around(&frame);
        Arrival { name: format!("{name}, {inside}"), frame: bytes.clone(), delivered: Some(bytes), counted: None }
    };
    let by = |name: &str, from: [&str; 2], to: [&str; 2], frame: &[u8]| {
        let (source, destination) = (address(from[usize::from(six)]), address(to[usize::from(six)]));
        let bytes = Outer { source, destination, ..Outer::new(six, 17, other_port.clone()) }.around(frame);
        Arrival { name: format!("{name}, {inside}"), frame: bytes.clone(), delivered: Some(bytes), counted: None }
    };
    let mut arrivals = std::vec![
        Arrival {
            name: format!("no tunnel, {inside}"),
            frame: frame.clone(),
            delivered: Some(frame.clone()),
            counted: None
        },
        Arrival {
            counted: Some(Reception::TunnelToOtherPort),
            ..whole("a director's GUE to another port", 17, other_port.clone())
        },
        by("GUE of a stranger to another port", CLIENTS, OWN, &frame),
        by("GUE to another port of the service", DIRECTORS, VIRTUAL, &frame),
        by("GUE to another port, to no virtual address", DIRECTORS, OWN, &inner(six, OWN[usize::from(six)], 0, 100)),
        whole("a control message of GUE", 17, gue(0x20, inside, 0)),
        whole("GUE of another variant", 17, gue(0x40, inside, 0)),
        whole("GUE with options", 17, gue(0, inside, 0x80)),
        whole("GUE with something else inside", 17, gue(0, 6, 0)),
        whole("GRE with routes", 47, std::vec![0x40, 0, high, low]),
        whole("GRE of another version", 47, std::vec![0, 1, high, low]),
        whole("GRE with something else inside", 47, std::vec![0, 0, 0x65, 0x58]),
        whole("an unknown protocol", 200, Vec::new()),
        whole("the other family inside than said", PROTOCOLS[usize::from(!six)], Vec::new()),
    ];
    if !six {
        for (name, fragment) in [("a first fragment", 0x2000), ("a later fragment", 0x0010)] {
            let bytes = Outer { fragment, ..Outer::new(six, inside, Vec::new()) }.around(&frame);
            arrivals.push(Arrival { name: name.into(), frame: bytes.clone(), delivered: Some(bytes), counted: None });
        }
    }
    arrivals
}

/// A datagram on its way in or out, and what becomes of it; each sees what those before have taught.
pub struct Passage {
    /// What it shows.
    pub name: String,
    /// It goes out.
    pub outgoing: bool,
    /// What goes in.
    pub frame: Vec<u8>,
    /// What comes out.
    pub changed: Vec<u8>,
    /// What is counted.
    pub counted: Option<Reception>,
}

const CLIENT_PORT: u16 = 4660;
const LOCAL_PORT: u16 = 20_000;

/// All of them, in order.
pub fn passages() -> Vec<Passage> {
    [false, true].into_iter().flat_map(passages_of).collect()
}

fn passages_of(six: bool) -> Vec<Passage> {
    let of = |list: [&str; 2]| address(list[usize::from(six)]);
    let (director, own, client) = (of(DIRECTORS), of(OWN), of(CLIENTS));
    let stranger = address(["10.0.0.2", "fd00::2"][usize::from(six)]);
    let asked = |from, port, text: &str| packet().ip(from, own).udp(port, 53).payload(text.as_bytes());
    let told = |to, port, size| packet().ip(own, to).udp(53, port).payload(&std::vec![0x5a; size]);
    let passage = |what: &str, outgoing, frame: Vec<u8>, changed: Vec<u8>, counted| {
        let name = format!("IPv{}: {what}", if six { 6 } else { 4 });
        Passage { name, outgoing, frame, changed, counted }
    };
    let same = |what: &str, outgoing, frame: Vec<u8>, counted| passage(what, outgoing, frame.clone(), frame, counted);
    let of_director = |text: &str| asked(director, LOCAL_PORT, text).build().bytes;
    let of_client = |text: &str| asked(client, CLIENT_PORT, text).build().bytes;
    let mut passages = std::vec![
        same("nobody was named yet", false, of_director("early"), Some(Reception::UoaMissing)),
        same("named by a stranger", false, named(stranger, own, client, "x"), Some(Reception::UoaUntrusted)),
        passage("named", false, named(director, own, client, "ask"), of_client("ask"), Some(Reception::UoaNamed)),
        passage("known", false, of_director("more"), of_client("more"), Some(Reception::UoaKnown)),
        passage("named again", false, named(director, own, client, "!"), of_client("!"), Some(Reception::UoaNamed)),
        same("another flow", false, asked(director, 20_001, "x").build().bytes, Some(Reception::UoaMissing)),
        same("of a stranger", false, asked(stranger, LOCAL_PORT, "x").build().bytes, None),
        same("no datagram", false, packet().ip(director, own).tcp(LOCAL_PORT, 53).build().bytes, None),
        passage(
            "an answer",
            true,
            told(client, CLIENT_PORT, 5).build().bytes,
            told(director, LOCAL_PORT, 5).build().bytes,
            Some(Reception::UoaAnswered),
        ),
        same("an answer to another port", true, told(client, 4661, 5).build().bytes, None),
        same("to the director itself", true, told(director, 20_001, 5).build().bytes, None),
    ];
    if !six {
        // Only the checksum of IP and the address change in a later fragment, which has no header of its own.
        let later = |to| packet().ip(own, to).protocol(17).fragment(0x0010).payload(&[7; 40]).build().bytes;
        let first = |to, port| told(to, port, 40).fragment(0x2000).build().bytes;
        let answered = Some(Reception::UoaAnswered);
        passages.extend([
            same("a fragment that comes", false, asked(director, LOCAL_PORT, "x").fragment(0x2000).build().bytes, None),
            same("a later fragment first", true, later(client), None),
            passage("a first fragment", true, first(client, CLIENT_PORT), first(director, LOCAL_PORT), answered),
            passage("a later fragment", true, later(client), later(director), answered),
        ]);
        let unchecked = |packet: crate::host::PacketBuilder| packet.no_checksum().build().bytes;
        let (comes, shown) = (asked(director, LOCAL_PORT, "?"), asked(client, CLIENT_PORT, "?"));
        passages.push(passage(
            "without a checksum",
            false,
            unchecked(comes),
            unchecked(shown),
            Some(Reception::UoaKnown),
        ));
    }
    passages
}

/// A datagram with the option (docs/toa.md), written by hand.
fn named(from: IpAddr, to: IpAddr, client: IpAddr, text: &str) -> Vec<u8> {
    let plain = packet().ip(from, to);
    let [high, low] = CLIENT_PORT.to_be_bytes();
    match client {
        IpAddr::V4(client) => {
            let option = [&[31, 8, high, low][..], &client.octets()].concat();
            plain.options(&option).udp(LOCAL_PORT, 53).payload(text.as_bytes()).build().bytes
        }
        IpAddr::V6(client) => {
            let header = [&[17, 2, 0x1e, 0x12, high, low][..], &client.octets(), &[1, 0]].concat();
            let plain = plain.udp(LOCAL_PORT, 53).payload(text.as_bytes()).build().bytes;
            let mut bytes = [&plain[..ETHERNET + 40], &header, &plain[ETHERNET + 40..]].concat();
            bytes[ETHERNET + 5] += header.len() as u8;
            bytes[ETHERNET + 6] = 60;
            bytes
        }
    }
}
