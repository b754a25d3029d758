//! The first packet of a client, as it would arrive on the wire.

use model::{Endpoint, Protocol};
use std::net::IpAddr;
use wire::{Checksum, Ethernet, Ipv4, Ipv6, MacAddress, Tcp, TcpFlags, Udp};

/// Time to live of the packet.
const HOPS: u8 = 64;

/// A SYN, or an empty UDP datagram, in an Ethernet frame. `None`: the families differ, or it is another protocol.
pub(crate) fn first_frame(
    protocol: Protocol,
    client: Endpoint,
    service: Endpoint,
    link: (MacAddress, MacAddress),
) -> Option<Vec<u8>> {
    let length = match protocol {
        Protocol::Tcp => Tcp::LENGTH,
        Protocol::Udp => Udp::LENGTH,
        Protocol::Sctp => return None,
    };
    let mut pseudo = Checksum::new().add16(u16::from(protocol.number()).to_be()).add16((length as u16).to_be());
    let (ether_type, network) = match (client.ip(), service.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let addresses = [source.octets(), destination.octets()].concat();
            pseudo = pseudo.add_bytes(&addresses);
            (0x0800_u16, ipv4(protocol, length, &addresses))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let addresses = [source.octets(), destination.octets()].concat();
            pseudo = pseudo.add_bytes(&addresses);
            (0x86dd, ipv6(protocol, length, &addresses))
        }
        _ => return None,
    };
    let (source, destination) = link;
    let mut frame = Vec::with_capacity(Ethernet::LENGTH + network.len() + length);
    frame.extend(destination.0);
    frame.extend(source.0);
    frame.extend(ether_type.to_be_bytes());
    frame.extend(network);
    frame.extend(transport(protocol, client.port(), service.port(), pseudo));
    Some(frame)
}

fn ipv4(protocol: Protocol, payload: usize, addresses: &[u8]) -> Vec<u8> {
    let total = ((Ipv4::LENGTH + payload) as u16).to_be_bytes();
    let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, HOPS, protocol.number(), 0, 0];
    header.extend(addresses);
    let sum = Checksum::new().add_bytes(&header).finish().get().to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    header
}

fn ipv6(protocol: Protocol, payload: usize, addresses: &[u8]) -> Vec<u8> {
    let length = (payload as u16).to_be_bytes();
    let mut header = Vec::with_capacity(Ipv6::LENGTH);
    header.extend([0x60, 0, 0, 0, length[0], length[1], protocol.number(), HOPS]);
    header.extend(addresses);
    header
}

fn transport(protocol: Protocol, source: u16, destination: u16, pseudo: Checksum) -> Vec<u8> {
    let mut header = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    let field = match protocol {
        Protocol::Tcp => {
            header.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, TcpFlags::SYN, 0xff, 0xff, 0, 0, 0, 0]);
            16
        }
        Protocol::Udp => {
            header.extend([0, Udp::LENGTH as u8, 0, 0]);
            6
        }
        Protocol::Sctp => return header,
    };
    let sum = pseudo.add_bytes(&header).finish().get().to_be_bytes();
    header[field..field + 2].copy_from_slice(&sum);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: (MacAddress, MacAddress) = (MacAddress([2; 6]), MacAddress([4; 6]));

    fn frame(protocol: Protocol, client: &str, service: &str) -> Vec<u8> {
        first_frame(protocol, client.parse().unwrap(), service.parse().unwrap(), LINK).unwrap()
    }

    /// A receiver's check: everything summed, fields included, gives all ones.
    fn sum_of(bytes: &[u8], protocol: u8, length: u16) -> u16 {
        Checksum::new().add16(u16::from(protocol).to_be()).add16(length.to_be()).add_bytes(bytes).fold()
    }

    #[test]
    fn a_syn_over_ipv4_is_valid() {
        let frame = frame(Protocol::Tcp, "198.51.100.7:40000", "192.0.2.1:80");
        assert_eq!(frame.len(), 14 + 20 + 20);
        assert_eq!(frame[..14], [4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 8, 0]);
        assert_eq!(Checksum::new().add_bytes(&frame[14..34]).fold(), 0xffff);
        assert_eq!(frame[34..38], [0x9c, 0x40, 0, 80]);
        assert_eq!(sum_of(&frame[26..], 6, 20), 0xffff);
    }

    #[test]
    fn a_datagram_over_ipv6_is_valid() {
        let frame = frame(Protocol::Udp, "[2001:db8::7]:40000", "[2001:db8::1]:53");
        assert_eq!(frame.len(), 14 + 40 + 8);
        assert_eq!(frame[12..14], [0x86, 0xdd]);
        assert_eq!(frame[20], 17);
        assert_eq!(sum_of(&frame[22..], 17, 8), 0xffff);
    }

    #[test]
    fn families_do_not_mix() {
        let (client, service) = ("198.51.100.7:1".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap());
        assert_eq!(first_frame(Protocol::Udp, client, service, LINK), None);
    }
}
