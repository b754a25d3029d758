//! What the kernel tells unasked: changes of links, addresses, routes and neighbours.
#![expect(unsafe_code, reason = "tokio's AsyncFd asks for a promise about the descriptor")]

use super::netlink::messages;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use tokio::io::unix::AsyncFd;

const GROUPS: [MulticastGroup; 8] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// What has changed since the last time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct News {
    /// These neighbours.
    pub(crate) neighbours: BTreeSet<IpAddr>,
    /// Links, addresses or routes; or more than the kernel could tell.
    pub(crate) everything: bool,
}

/// The socket that hears the news.
pub(crate) struct Events(AsyncFd<Socket>);

impl Events {
    /// Listens in the network namespace of the caller. Needs a tokio runtime.
    pub(crate) fn open() -> io::Result<Self> {
        let groups = GROUPS.iter().fold(0, |groups, group| groups | 1 << (*group as u32 - 1));
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, groups))?;
        socket.set_non_blocking(true)?;
        // More than the default holds when many neighbours change at once; refused without privileges, which is fine.
        let _ = socket.set_rx_buf_sz(4_u32 << 20);
        // SAFETY: the socket owns its descriptor and gives the same one until it is dropped.
        Ok(Self(unsafe { AsyncFd::register(socket) }?))
    }

    /// Waits for news.
    pub(crate) async fn next(&self) -> io::Result<News> {
        loop {
            let mut guard = self.0.readable().await?;
            let mut news = News::default();
            let mut datagram = Vec::with_capacity(64 * 1024);
            // A flood of news must not keep the caller from its other work.
            for _ in 0..1024 {
                datagram.clear();
                match self.0.get_ref().recv(&mut datagram, 0) {
                    Ok(_) => read(&datagram, &mut news),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        guard.clear_ready();
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // ENOBUFS: the kernel had more to say than the socket could hold.
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => news.everything = true,
                    Err(error) => return Err(error),
                }
            }
            if news != News::default() {
                return Ok(news);
            }
        }
    }
}

fn read(datagram: &[u8], news: &mut News) {
    for message in messages(datagram) {
        match message.payload {
            NetlinkPayload::InnerMessage(
                RouteNetlinkMessage::NewNeighbour(message) | RouteNetlinkMessage::DelNeighbour(message),
            ) => news.neighbours.extend(address(&message)),
            NetlinkPayload::InnerMessage(_) => news.everything = true,
            _ => {}
        }
    }
}

fn address(message: &NeighbourMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some((*address).into()),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some((*address).into()),
        _ => None,
    })
}
