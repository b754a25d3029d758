//! The bytes of a frame in the making.

use super::{PacketBuilder, Transport};
use crate::host::SliceFrame;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::vec::Vec;
use wire::{Checksum, protocol};

impl PacketBuilder {
    /// The frame without what is around it.
    pub(super) fn build_plain(&self) -> SliceFrame {
        let transport = self.transport_bytes();
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.destination_mac.0);
        bytes.extend_from_slice(&self.source_mac.0);
        if let Some(control) = self.tag {
            bytes.extend_from_slice(&[0x81, 0x00]);
            bytes.extend_from_slice(&control.to_be_bytes());
        }
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.ipv4_bytes(&mut bytes, source, destination, &transport)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.ipv6_bytes(&mut bytes, source, destination, &transport)
            }
            _ => {}
        }
        bytes.extend_from_slice(&transport);
        SliceFrame { bytes, ingress: 1, joined: self.joined }
    }

    pub(super) fn network_length(&self) -> usize {
        Self { tag: None, around: None, ..self.clone() }.build_plain().bytes.len() - 14
    }

    pub(super) fn protocol_number(&self) -> u8 {
        match self.transport {
            Transport::Tcp { .. } => protocol::TCP,
            Transport::Udp { .. } => protocol::UDP,
            Transport::Icmp { .. } if self.source.is_ipv4() => protocol::ICMP,
            Transport::Icmp { .. } => protocol::ICMPV6,
            Transport::Other(number) => number,
        }
    }

    fn length(&self, bytes: usize) -> [u8; 2] {
        if self.joined { [0, 0] } else { (bytes as u16).to_be_bytes() }
    }

    fn ipv4_bytes(&self, bytes: &mut Vec<u8>, source: Ipv4Addr, destination: Ipv4Addr, transport: &[u8]) {
        bytes.extend_from_slice(&[0x08, 0x00]);
        let length = 20 + self.options.len();
        let mut header = Vec::new();
        header.extend_from_slice(&[0x40 | (length / 4) as u8, self.traffic_class]);
        header.extend_from_slice(&self.length(length + transport.len()));
        header.extend_from_slice(&self.identification.to_be_bytes());
        header.extend_from_slice(&self.fragment.to_be_bytes());
        header.extend_from_slice(&[self.hops, self.protocol_number(), 0, 0]);
        header.extend_from_slice(&source.octets());
        header.extend_from_slice(&destination.octets());
        header.extend_from_slice(&self.options);
        let checksum = Checksum::new().add_bytes(&header).finish();
        header.splice(10..12, checksum.bits().to_ne_bytes());
        bytes.extend_from_slice(&header);
    }

    fn ipv6_bytes(&self, bytes: &mut Vec<u8>, source: Ipv6Addr, destination: Ipv6Addr, transport: &[u8]) {
        bytes.extend_from_slice(&[0x86, 0xdd, 0x60 | self.traffic_class >> 4, self.traffic_class << 4, 0, 0]);
        let (first, extensions) = match self.options.split_first() {
            Some((first, rest)) => (*first, rest),
            None => (self.protocol_number(), &[][..]),
        };
        bytes.extend_from_slice(&self.length(extensions.len() + transport.len()));
        bytes.extend_from_slice(&[first, self.hops]);
        bytes.extend_from_slice(&source.octets());
        bytes.extend_from_slice(&destination.octets());
        bytes.extend_from_slice(extensions);
    }

    fn transport_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let checksum_at = match self.transport {
            Transport::Tcp { source, destination, flags } => {
                bytes.extend_from_slice(&source.to_be_bytes());
                bytes.extend_from_slice(&destination.to_be_bytes());
                let (sequence, acknowledgement) = self.numbers;
                bytes.extend_from_slice(&sequence.to_be_bytes());
                bytes.extend_from_slice(&acknowledgement.to_be_bytes());
                let words = 5 + (self.tcp_options.len() / 4) as u8;
                bytes.extend_from_slice(&[words << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
                bytes.extend_from_slice(&self.tcp_options);
                16
            }
            Transport::Udp { source, destination } => {
                bytes.extend_from_slice(&source.to_be_bytes());
                bytes.extend_from_slice(&destination.to_be_bytes());
                bytes.extend_from_slice(&((8 + self.payload.len()) as u16).to_be_bytes());
                bytes.extend_from_slice(&[0, 0]);
                6
            }
            Transport::Icmp { kind, code, rest } => {
                bytes.extend_from_slice(&[kind, code, 0, 0]);
                bytes.extend_from_slice(&rest.to_be_bytes());
                2
            }
            Transport::Other(_) => {
                bytes.extend_from_slice(&self.payload);
                return bytes;
            }
        };
        bytes.extend_from_slice(&self.payload);
        let pseudo = self.pseudo_header(bytes.len());
        let checksum = if self.partial_checksum {
            pseudo.fold().to_ne_bytes()
        } else if self.no_checksum {
            [0, 0]
        } else {
            pseudo.add_bytes(&bytes).finish().bits().to_ne_bytes()
        };
        bytes.splice(checksum_at..checksum_at + 2, checksum);
        bytes
    }

    fn pseudo_header(&self, length: usize) -> Checksum {
        if self.protocol_number() == protocol::ICMP {
            return Checksum::new();
        }
        let sum = Checksum::new().add16((length as u16).to_be()).add16((self.protocol_number() as u16).to_be());
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                sum.add_bytes(&source.octets()).add_bytes(&destination.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                sum.add_bytes(&source.octets()).add_bytes(&destination.octets())
            }
            _ => sum,
        }
    }
}
