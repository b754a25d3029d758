//! Which bytes of a frame the forwarding path reads: where frames come in pieces, these must lie in the first one.

use crate::Frame;
use wire::{EtherType, Ethernet, Ipv4, Ipv6, Tcp, protocol};

/// Bytes that decide how many more are wanted: the shortest headers of TCP over IPv4.
pub const LEAST: usize = Ethernet::LENGTH + Ipv4::LENGTH + size_of::<Tcp>();
/// Bytes wanted where headers stand behind headers (extension headers, the packet inside an ICMP error).
pub const MOST: usize = 256;

/// Bytes from the beginning of the frame to the end of its transport header.
#[inline(always)]
pub fn wanted<F: Frame>(frame: &F, network: usize) -> usize {
    let Some(ethernet) = frame.read::<Ethernet>(0) else { return LEAST };
    let transport = match EtherType::parse(ethernet.ether_type) {
        EtherType::Ipv4 => frame.read::<Ipv4>(network).map(|ip| (network + ip.header_length(), ip.protocol)),
        EtherType::Ipv6 => frame.read::<Ipv6>(network).map(|ip| (network + Ipv6::LENGTH, ip.next_header)),
        _ => return LEAST,
    };
    match transport {
        Some((offset, protocol::TCP)) => offset + frame.read::<Tcp>(offset).map_or(size_of::<Tcp>(), length),
        Some((offset, protocol::UDP)) => offset + size_of::<Tcp>(),
        Some(_) => MOST,
        None => LEAST,
    }
}

/// Of a TCP header with its options.
#[inline(always)]
fn length(tcp: Tcp) -> usize {
    ((tcp.data_offset >> 4) as usize * 4).max(size_of::<Tcp>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::NETWORK;
    use crate::host::packet;
    use core::net::IpAddr;

    const FOUR: [IpAddr; 2] = [IpAddr::V4(core::net::Ipv4Addr::LOCALHOST); 2];
    const SIX: [IpAddr; 2] = [IpAddr::V6(core::net::Ipv6Addr::LOCALHOST); 2];

    #[test]
    fn the_headers_are_wanted_and_the_payload_is_not() {
        let frame = |[from, to]: [IpAddr; 2]| packet().ip(from, to).tcp(1, 2).payload(&[0; 1000]).build();
        assert_eq!(wanted(&frame(FOUR), NETWORK), 54);
        assert_eq!(wanted(&frame(SIX), NETWORK), 74);
        let mut options = frame(FOUR);
        options.bytes[NETWORK] = 0x4f;
        assert_eq!(wanted(&options, NETWORK), 94);
    }

    #[test]
    fn what_has_headers_inside_is_wanted_further() {
        let mut icmp = packet().ip(FOUR[0], FOUR[1]).udp(1, 2).payload(&[0; 1000]).build();
        icmp.bytes[NETWORK + 9] = 1;
        assert_eq!(wanted(&icmp, NETWORK), MOST);
        icmp.bytes.truncate(20);
        assert_eq!(wanted(&icmp, NETWORK), LEAST);
    }
}
