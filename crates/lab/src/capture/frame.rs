//! What a recorded packet says: link-layer addresses, outer header if any, addresses, ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use wire::{MacAddress, protocol};

/// Where the laboratory's real servers take packets out of GUE.
const GUE: u16 = 6080;

/// The headers of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Link-layer source.
    pub eth_src: MacAddress,
    /// Link-layer destination.
    pub eth_dst: MacAddress,
    /// Addresses of the header around the packet, in a tunnel.
    pub outer: Option<(IpAddr, IpAddr)>,
    /// Source.
    pub source: SocketAddr,
    /// Destination.
    pub destination: SocketAddr,
    /// Transport protocol.
    pub protocol: u8,
    /// Bytes after the transport header.
    pub payload: usize,
}

struct Network<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    /// What follows, as far as recorded.
    rest: &'a [u8],
    /// How long that was on the wire.
    length: usize,
}

impl View {
    /// Reads the headers; `None` if it is not TCP or UDP over IP.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let destination = MacAddress(bytes.get(..6)?.try_into().ok()?);
        let source = MacAddress(bytes.get(6..12)?.try_into().ok()?);
        // 802.1Q
        let start = if word(bytes, 12)? == 0x8100 { 18 } else { 14 };
        let mut network = Network::parse(bytes.get(start..)?)?;
        let mut outer = None;
        if let Some(envelope) = network.envelope() {
            outer = Some((network.source, network.destination));
            network = Network::parse(network.rest.get(envelope..)?)?;
        }
        let header = match network.protocol {
            protocol::TCP => usize::from(network.rest.get(12)? >> 4) * 4,
            protocol::UDP => 8,
            _ => return None,
        };
        Some(Self {
            eth_src: source,
            eth_dst: destination,
            outer,
            source: SocketAddr::new(network.source, word(network.rest, 0)?),
            destination: SocketAddr::new(network.destination, word(network.rest, 2)?),
            protocol: network.protocol,
            payload: network.length.saturating_sub(header),
        })
    }
}

impl<'a> Network<'a> {
    /// Bytes between this header and the next one of its kind, if it is one around another packet.
    fn envelope(&self) -> Option<usize> {
        match self.protocol {
            protocol::IPV4 | protocol::IPV6 => Some(0),
            protocol::GRE => Some(if self.rest.first()? & 0x80 == 0 { 4 } else { 8 }),
            protocol::UDP if word(self.rest, 2)? == GUE => Some(8 + 4),
            _ => None,
        }
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => {
                let header = usize::from(bytes[0] & 15) * 4;
                Some(Self {
                    source: Ipv4Addr::from(array::<4>(bytes, 12)?).into(),
                    destination: Ipv4Addr::from(array::<4>(bytes, 16)?).into(),
                    protocol: *bytes.get(9)?,
                    rest: bytes.get(header..)?,
                    length: usize::from(word(bytes, 2)?).saturating_sub(header),
                })
            }
            6 => Some(Self {
                source: Ipv6Addr::from(array::<16>(bytes, 8)?).into(),
                destination: Ipv6Addr::from(array::<16>(bytes, 24)?).into(),
                protocol: *bytes.get(6)?,
                rest: bytes.get(40..)?,
                length: usize::from(word(bytes, 4)?),
            }),
            _ => None,
        }
    }
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset + N)?.try_into().ok()
}

fn word(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UDP 10.0.0.1:7 -> 10.0.0.2:9 with 4 bytes, inside IPIP 192.0.2.1 -> 192.0.2.2.
    fn tunnelled() -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        bytes.extend([0x45, 0, 0, 52, 0, 0, 0, 0, 64, 4, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        bytes.extend([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend([0, 7, 0, 9, 0, 12, 0, 0, 1, 2, 3, 4]);
        bytes
    }

    #[test]
    fn reads_through_a_tunnel_and_survives_every_truncation() {
        let view = View::parse(&tunnelled()).unwrap();
        assert_eq!(view.outer.unwrap().1, IpAddr::from([192, 0, 2, 2]));
        assert_eq!((view.source, view.destination), (([10, 0, 0, 1], 7).into(), ([10, 0, 0, 2], 9).into()));
        assert_eq!(view.payload, 4);
        for length in 0..tunnelled().len() {
            let _ = View::parse(&tunnelled()[..length]);
        }
    }
}
