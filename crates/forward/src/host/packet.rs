//! A fluent builder of frames: `packet().ipv4("10.0.0.2", "10.0.0.100").tcp(4000, 80).syn().build()`.

mod bytes;

use super::SliceFrame;
use super::outer::Around;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::vec::Vec;
use wire::{MacAddress, TcpFlags};

/// Link-layer address of the client's side of the director's link, as the cases see it.
pub const CLIENT_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
/// Link-layer address of the director.
pub const DIRECTOR_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

/// A frame in the making.
#[derive(Clone, Debug)]
pub struct PacketBuilder {
    destination_mac: MacAddress,
    source_mac: MacAddress,
    tag: Option<u16>,
    source: IpAddr,
    destination: IpAddr,
    hops: u8,
    traffic_class: u8,
    identification: u16,
    options: Vec<u8>,
    fragment: u16,
    transport: Transport,
    numbers: (u32, u32),
    tcp_options: Vec<u8>,
    payload: Vec<u8>,
    partial_checksum: bool,
    no_checksum: bool,
    joined: bool,
    around: Option<Around>,
}

#[derive(Clone, Debug)]
enum Transport {
    Tcp { source: u16, destination: u16, flags: u8 },
    Udp { source: u16, destination: u16 },
    Icmp { kind: u8, code: u8, rest: u32 },
    Other(u8),
}

/// What a packet shows of itself.
pub(super) struct Shown {
    pub(super) ends: (IpAddr, IpAddr),
    pub(super) ports: u32,
    pub(super) traffic_class: u8,
    pub(super) hops: u8,
    pub(super) identification: u16,
    pub(super) whole: bool,
    pub(super) ethernet: (MacAddress, MacAddress),
    pub(super) tag: Option<u16>,
    pub(super) protocol: u8,
    /// It is a fragment, the first or another.
    pub(super) piece: Option<bool>,
    /// Where the transport header begins.
    pub(super) transport: usize,
}

/// A UDP datagram from 0.0.0.0:0 to 0.0.0.0:0, to begin with.
pub fn packet() -> PacketBuilder {
    PacketBuilder {
        destination_mac: DIRECTOR_MAC,
        source_mac: CLIENT_MAC,
        tag: None,
        source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        hops: 64,
        traffic_class: 0,
        identification: 0x1234,
        options: Vec::new(),
        fragment: 0,
        transport: Transport::Udp { source: 0, destination: 0 },
        numbers: (1, 2),
        tcp_options: Vec::new(),
        payload: Vec::new(),
        partial_checksum: false,
        no_checksum: false,
        joined: false,
        around: None,
    }
}

impl PacketBuilder {
    /// Link-layer addresses.
    pub fn ethernet(mut self, source: MacAddress, destination: MacAddress) -> Self {
        (self.source_mac, self.destination_mac) = (source, destination);
        self
    }

    /// A tag of 802.1Q: priority and VLAN identifier.
    pub fn tag(mut self, control: u16) -> Self {
        self.tag = Some(control);
        self
    }

    /// The same, or none.
    pub fn tagged(mut self, control: Option<u16>) -> Self {
        self.tag = control;
        self
    }

    /// Network addresses, both of one family.
    pub fn ip(mut self, source: IpAddr, destination: IpAddr) -> Self {
        (self.source, self.destination) = (source, destination);
        self
    }

    /// IPv4 addresses.
    pub fn ipv4(self, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        self.ip(source.into(), destination.into())
    }

    /// IPv6 addresses.
    pub fn ipv6(self, source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        self.ip(source.into(), destination.into())
    }

    /// A TCP segment, with ACK set.
    pub fn tcp(mut self, source: u16, destination: u16) -> Self {
        self.transport = Transport::Tcp { source, destination, flags: TcpFlags::ACK };
        self
    }

    /// A UDP datagram.
    pub fn udp(mut self, source: u16, destination: u16) -> Self {
        self.transport = Transport::Udp { source, destination };
        self
    }

    /// An error of the family's control protocol; `rest` is what stands in its last four bytes.
    pub fn icmp(mut self, kind: u8, code: u8, rest: u32) -> Self {
        self.transport = Transport::Icmp { kind, code, rest };
        self
    }

    /// The first `bytes` bytes of another packet, from its network header on, as payload.
    pub fn quote(self, packet: &Self, bytes: usize) -> Self {
        let whole = Self { tag: None, ..packet.clone() }.build().bytes;
        self.payload(whole.get(14..whole.len().min(14 + bytes)).unwrap_or_default())
    }

    /// The beginning of what the receiver of this packet would tell its sender.
    pub fn to_sender(&self) -> Self {
        let to = packet().ip(self.destination, self.source).ethernet(self.destination_mac, self.source_mac);
        let to = Self { tag: self.tag, ..to };
        if self.source.is_ipv4() { to.of_router() } else { to }
    }

    /// Bytes of this packet that an error quotes: as many as keep it within 576 bytes, in IPv6 1280.
    pub fn most_quoted(&self) -> usize {
        if self.source.is_ipv4() { 548 } else { 1232 }
    }

    /// A payload of another protocol.
    pub fn protocol(mut self, number: u8) -> Self {
        self.transport = Transport::Other(number);
        self
    }

    /// Control bits of the TCP segment, instead of ACK.
    pub fn flags(mut self, bits: u8) -> Self {
        if let Transport::Tcp { flags, .. } = &mut self.transport {
            *flags = bits;
        }
        self
    }

    /// Sequence number and acknowledgement of the TCP segment, instead of 1 and 2.
    pub fn numbers(mut self, sequence: u32, acknowledgement: u32) -> Self {
        self.numbers = (sequence, acknowledgement);
        self
    }

    /// Options of the TCP segment, a multiple of four bytes.
    pub fn tcp_options(mut self, bytes: &[u8]) -> Self {
        self.tcp_options = bytes.to_vec();
        self
    }

    /// SYN and nothing else.
    pub fn syn(self) -> Self {
        self.flags(TcpFlags::SYN)
    }

    /// Hops left.
    pub fn hops(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// As a router's own IPv4 messages are: precedence "internetwork control", no identification.
    pub fn of_router(mut self) -> Self {
        (self.traffic_class, self.identification) = (0xc0, 0);
        self
    }

    /// IPv4 options (a multiple of four bytes), or whole IPv6 extension headers whose first byte is the number of the
    /// *first* one and whose chain must end in the transport protocol.
    pub fn options(mut self, bytes: &[u8]) -> Self {
        self.options = bytes.to_vec();
        self
    }

    /// IPv4 flags and fragment offset as they stand on the wire.
    pub fn fragment(mut self, bits: u16) -> Self {
        self.fragment = bits;
        self
    }

    /// Differentiated services and ECN.
    pub fn traffic_class(mut self, class: u8) -> Self {
        self.traffic_class = class;
        self
    }

    /// Identification of an IPv4 packet.
    pub fn identification(mut self, number: u16) -> Self {
        self.identification = number;
        self
    }

    /// In a tunnel's headers, which take over what they must.
    pub fn inside(mut self, around: Around) -> Self {
        self.around = Some(around);
        self
    }

    /// Bytes behind the transport header.
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload = bytes.to_vec();
        self
    }

    /// The transport checksum as a sender with checksum offload leaves it: the pseudo-header's sum.
    pub fn partial_checksum(mut self) -> Self {
        self.partial_checksum = true;
        self
    }

    /// Joined from several packets to one whose header cannot say its length: it is zero.
    pub fn joined(mut self) -> Self {
        self.joined = true;
        self
    }

    /// UDP over IPv4 without a checksum.
    pub fn no_checksum(mut self) -> Self {
        self.no_checksum = true;
        self
    }

    /// The frame as this host sends it itself.
    pub fn own(&self) -> SliceFrame {
        SliceFrame { ingress: 0, ..self.build() }
    }

    /// The frame, on interface 1.
    pub fn build(&self) -> SliceFrame {
        match &self.around {
            Some(around) => around.wrap(&Self { around: None, ..self.clone() }).build(),
            None => self.build_plain(),
        }
    }

    /// What headers around it take over.
    pub(super) fn shown(&self) -> Shown {
        let (source, destination) = match self.transport {
            Transport::Tcp { source, destination, .. } | Transport::Udp { source, destination } => {
                (source, destination)
            }
            Transport::Icmp { .. } | Transport::Other(_) => (0, 0),
        };
        Shown {
            ends: (self.source, self.destination),
            ports: if self.piece().is_some() { 0 } else { u32::from(source) << 16 | u32::from(destination) },
            piece: self.piece(),
            traffic_class: self.traffic_class,
            hops: self.hops,
            identification: self.identification,
            whole: if self.source.is_ipv4() { self.fragment & 0x4000 != 0 } else { self.network_length() > 1280 },
            ethernet: (self.source_mac, self.destination_mac),
            tag: self.tag,
            protocol: self.protocol_number(),
            transport: match self.source {
                IpAddr::V4(_) => 20 + self.options.len(),
                IpAddr::V6(_) => 40 + self.options.len().saturating_sub(1),
            },
        }
    }

    /// Whether it is the first fragment of a datagram, if it is one.
    fn piece(&self) -> Option<bool> {
        let bits = match (self.source, self.options.get(..5)) {
            (IpAddr::V4(_), _) => self.fragment & 0x3fff,
            (IpAddr::V6(_), Some([44, _, _, high, low])) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        let offset = if self.source.is_ipv4() { 0x1fff } else { 0xfff8 };
        (bits != 0).then_some(bits & offset == 0)
    }
}
