//! A route netlink socket for questions: each is answered before the next line runs.
//!
//! The kernel answers within `sendmsg`, so that a socket that never blocks is enough and nothing can hang here.

use super::answers::{read_address, read_link, read_neighbour, read_route};
use super::features;
use super::links::{Link, Links, LocalAddress};
use super::sight::{Neighbour, NeighbourState, Route};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage,
    NeighbourState as KernelState,
};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;
use std::net::IpAddr;

/// Room for one datagram of a dump: the kernel never makes a larger one.
const DATAGRAM: usize = 64 * 1024;

/// The socket.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens it in the network namespace of the caller.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Every interface.
    pub(crate) fn links(&mut self) -> io::Result<Links> {
        let answers = self.ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)?;
        // Older kernels do not tell: then nothing is known.
        let features = features::ask().unwrap_or_default();
        let links = answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(message) => {
                let index = message.header.index;
                Some((index, Link { features: features.get(&index).copied(), ..read_link(message) }))
            }
            _ => None,
        });
        Ok(links.collect())
    }

    /// Every address.
    pub(crate) fn addresses(&mut self) -> io::Result<Vec<LocalAddress>> {
        let answers = self.ask(RouteNetlinkMessage::GetAddress(AddressMessage::default()), NLM_F_DUMP)?;
        let addresses = answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewAddress(message) => read_address(&message),
            _ => None,
        });
        Ok(addresses.collect())
    }

    /// Where packets to `destination` go.
    pub(crate) fn route(&mut self, destination: IpAddr) -> Route {
        let mut message = RouteMessage::default();
        message.header.address_family = family(destination);
        message.header.destination_prefix_length = if destination.is_ipv4() { 32 } else { 128 };
        message.attributes.push(RouteAttribute::Destination(destination.into()));
        let answers = self.ask(RouteNetlinkMessage::GetRoute(message), 0).unwrap_or_default();
        let route = answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewRoute(message) => Some(read_route(destination, &message)),
            _ => None,
        });
        route.unwrap_or(Route::None)
    }

    /// The neighbour entry of `address` on the link `interface`.
    pub(crate) fn neighbour(&mut self, interface: u32, address: IpAddr) -> Option<Neighbour> {
        let message = neighbour_message(interface, address);
        let answers = self.ask(RouteNetlinkMessage::GetNeighbour(message), 0).ok()?;
        answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewNeighbour(message) => Some(read_neighbour(&message)),
            _ => None,
        })
    }

    /// Asks the kernel to resolve `address` and to keep the entry fresh (managed, since 5.16; older ones resolve it).
    /// Not for entries that somebody fixed: it would unfix them.
    pub(crate) fn resolve(&mut self, interface: u32, address: IpAddr) -> io::Result<()> {
        let mut message = neighbour_message(interface, address);
        message.header.flags = NeighbourFlags::Use;
        message.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
        self.ask(RouteNetlinkMessage::NewNeighbour(message), NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE).map(drop)
    }

    /// Lets the kernel forget the entry in its own time, as one that was never managed.
    pub(crate) fn release(&mut self, interface: u32, address: IpAddr) -> io::Result<()> {
        let mut message = neighbour_message(interface, address);
        match self.neighbour(interface, address) {
            Some(Neighbour { state: NeighbourState::Usable, mac: Some(mac) }) => {
                message.header.state = KernelState::Stale;
                message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
                self.ask(RouteNetlinkMessage::NewNeighbour(message), NLM_F_ACK | NLM_F_REPLACE).map(drop)
            }
            Some(Neighbour { state: NeighbourState::Failed | NeighbourState::Unknown, .. }) => {
                self.ask(RouteNetlinkMessage::DelNeighbour(message), NLM_F_ACK).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn ask(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        self.answers(flags & NLM_F_DUMP == NLM_F_DUMP, flags & NLM_F_ACK != 0)
    }

    /// Reads until the end of the answer: DONE of a dump, the acknowledgement if one was asked for, or one message.
    fn answers(&mut self, dump: bool, acknowledged: bool) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut answers = Vec::new();
        let mut datagram = Vec::with_capacity(DATAGRAM);
        loop {
            datagram.clear();
            match self.socket.recv(&mut datagram, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            for message in messages(&datagram) {
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    _ => {}
                }
            }
            if !dump && !acknowledged && !answers.is_empty() {
                return Ok(answers);
            }
        }
    }
}

/// The messages of a datagram; those that cannot be read are left out.
pub(crate) fn messages(datagram: &[u8]) -> Vec<NetlinkMessage<RouteNetlinkMessage>> {
    let mut messages = Vec::new();
    let mut rest = datagram;
    while let Some(length) = rest.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes) as usize) {
        let Some(message) = rest.get(..length).filter(|_| length >= 16) else { break };
        messages.extend(NetlinkMessage::deserialize(message));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn neighbour_message(interface: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = interface;
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::from(address)));
    message
}
