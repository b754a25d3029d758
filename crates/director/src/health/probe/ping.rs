//! `PING_CHECK`: an echo request and its reply (RFC 792, RFC 4443).

use super::Errand;
use super::{connect, dns};
use protocols::health::Outcome;
use socket2::{Protocol, Socket, Type};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

const REQUEST: u8 = 8;
const REQUEST6: u8 = 128;
const REPLY: u8 = 0;
const REPLY6: u8 = 129;
/// Length of an echo message without its data, and the data.
const HEADER: usize = 8;
const DATA: [u8; 4] = *b"xlvs";

pub(super) async fn echo(task: &Errand<'_>) -> Result<Outcome, String> {
    let target = SocketAddr::new(connect::target(task).ip(), 0);
    let (socket, raw) = open(task, target)?;
    socket.connect(&target.into()).map_err(connect::explain)?;
    // To tokio a socket of datagrams is one of UDP, whatever is in them.
    let socket = UdpSocket::from_std(socket.into()).map_err(connect::explain)?;
    let identifier = dns::identifier().to_be_bytes();
    socket.send(&request(target.is_ipv4(), identifier)).await.map_err(connect::explain)?;
    let mut answer = [0; 1500];
    loop {
        let length = socket.recv(&mut answer).await.map_err(connect::explain)?;
        let message = answer.get(..length).unwrap_or_default();
        // With a raw socket the kernel hands over everybody's messages, IPv4 with its header.
        let ours = if raw && target.is_ipv4() { after_header(message) } else { message };
        if is_reply(ours, target.is_ipv4(), raw.then_some(identifier)) {
            return Ok(Outcome::Success);
        }
    }
}

/// A socket of the kernel's echo where this process may have one, or else a raw one, which needs the rights of a daemon.
fn open(task: &Errand<'_>, target: SocketAddr) -> Result<(Socket, bool), String> {
    let protocol = if target.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    if let Ok(socket) = connect::socket(task, target, Type::DGRAM, protocol) {
        return Ok((socket, false));
    }
    let socket = connect::socket(task, target, Type::RAW, protocol).map_err(|why| {
        format!("{why}; the daemon needs CAP_NET_RAW, or its group within the sysctl net.ipv4.ping_group_range")
    })?;
    Ok((socket, true))
}

/// An echo request. The kernel puts identifier and checksum into those of its own sockets, and the checksum into IPv6's.
fn request(is_ipv4: bool, [high, low]: [u8; 2]) -> Vec<u8> {
    let mut message = vec![if is_ipv4 { REQUEST } else { REQUEST6 }, 0, 0, 0, high, low, 0, 1];
    message.extend(DATA);
    if is_ipv4 {
        let sum = message.chunks(2).fold(0u32, |sum, pair| {
            let byte = |place: usize| u32::from(pair.get(place).copied().unwrap_or(0));
            sum + (byte(0) << 8 | byte(1))
        });
        let folded = (sum & 0xffff) + (sum >> 16);
        let checksum = !(((folded & 0xffff) + (folded >> 16)) as u16);
        message.splice(2..4, checksum.to_be_bytes());
    }
    message
}

fn after_header(packet: &[u8]) -> &[u8] {
    let length = packet.first().map_or(0, |first| usize::from(first & 0xf) * 4);
    packet.get(length..).unwrap_or_default()
}

/// An echo reply; to this identifier, where it is not the kernel that looks at it.
fn is_reply(message: &[u8], is_ipv4: bool, identifier: Option<[u8; 2]>) -> bool {
    let kind = if is_ipv4 { REPLY } else { REPLY6 };
    let identified = identifier.is_none_or(|identifier| message.get(4..6) == Some(&identifier));
    message.len() >= HEADER && message.first() == Some(&kind) && identified
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_a_checksum_and_replies_an_identifier() {
        let request = request(true, [0x12, 0x34]);
        let words = request.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
        let sum: u32 = words.sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        let mut packet = vec![0x45; 20];
        packet.extend([REPLY, 0, 0, 0, 0x12, 0x34, 0, 1]);
        assert!(is_reply(after_header(&packet), true, Some([0x12, 0x34])));
        assert!(!is_reply(after_header(&packet), true, Some([0x12, 0x35])));
        assert!(!is_reply(&request, true, None) && !is_reply(&[], true, None));
    }
}
