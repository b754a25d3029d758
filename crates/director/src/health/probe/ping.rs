//! `PING_CHECK`: an echo request and its reply (RFC 792, RFC 4443).

use super::Errand;
use super::connect;
use protocols::health::Outcome;
use socket2::{Protocol, Type};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

const REQUEST: u8 = 8;
const REQUEST6: u8 = 128;
const REPLY: u8 = 0;
const REPLY6: u8 = 129;

/// The kernel fills in identifier and checksum, and hands over only what answers this socket.
pub(super) async fn echo(task: &Errand<'_>) -> Result<Outcome, String> {
    let target = SocketAddr::new(connect::target(task).ip(), 0);
    let (protocol, request, reply) = match target {
        SocketAddr::V4(_) => (Protocol::ICMPV4, REQUEST, REPLY),
        SocketAddr::V6(_) => (Protocol::ICMPV6, REQUEST6, REPLY6),
    };
    let socket = connect::socket(task, target, Type::DGRAM, protocol)
        .map_err(|why| format!("{why}; the daemon's group must be within the sysctl net.ipv4.ping_group_range"))?;
    socket.connect(&target.into()).map_err(connect::explain)?;
    // To tokio a socket of datagrams is one of UDP, whatever is in them.
    let socket = UdpSocket::from_std(socket.into()).map_err(connect::explain)?;
    socket.send(&[request, 0, 0, 0, 0, 0, 0, 1, b'x', b'l', b'v', b's']).await.map_err(connect::explain)?;
    let mut answer = [0; 64];
    loop {
        let length = socket.recv(&mut answer).await.map_err(connect::explain)?;
        if length > 0 && answer[0] == reply {
            return Ok(Outcome::Success);
        }
    }
}
