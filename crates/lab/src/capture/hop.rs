//! The walk of one real packet, and of its answer, hop by hop.

use super::{Packet, Tap, View};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use wire::MacAddress;

/// One line of the table: a packet as it was seen at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Where: a host and a direction.
    pub at: String,
    /// Link-layer source.
    pub eth_src: String,
    /// Link-layer destination.
    pub eth_dst: String,
    /// Addresses of the header around the packet, in a tunnel.
    pub outer: Option<Outer>,
    /// Source address and port.
    pub src: String,
    /// Destination address and port.
    pub dst: String,
}

/// Addresses of an outer header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outer {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
}

/// The flow to follow.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The client's end.
    pub client: SocketAddr,
    /// The virtual service.
    pub service: SocketAddr,
    /// What its server sees as the client's address, if that is another.
    pub local: Option<IpAddr>,
}

impl Flow {
    /// True for the client's end as a server sees it.
    fn is_client_at_server(&self, end: SocketAddr) -> bool {
        self.local.map_or(end == self.client, |local| end.ip() == local)
    }
}

/// The first packet with data of each direction, at each host it left or reached. A server's are as long as the client's: a
/// recorder that is late may still come with those of the flow before, which may have had the same local port.
pub fn walk<'a>(flow: Flow, client: &[&'a Tap], servers: &[(&str, Vec<&'a Tap>)]) -> Vec<Hop> {
    let request = |view: &View| view.source == flow.client;
    let reply = |view: &View| view.destination == flow.client;
    let (sent, received) = (find(client, true, request), find(client, false, reply));
    let mut hops: Vec<Hop> = sent.iter().map(|view| hop("client out", view)).collect();
    for (name, taps) in servers {
        let (asked, answered) = (length(sent.as_ref()), length(received.as_ref()));
        let request = |view: &View| flow.is_client_at_server(view.source) && Some(view.payload) == asked;
        let reply = |view: &View| flow.is_client_at_server(view.destination) && Some(view.payload) == answered;
        hops.extend(find(taps, false, request).map(|view| hop(&format!("{name} in"), &view)));
        hops.extend(find(taps, true, reply).map(|view| hop(&format!("{name} out"), &view)));
    }
    hops.extend(received.map(|view| hop("client in", &view)));
    hops
}

fn length(view: Option<&View>) -> Option<usize> {
    view.map(|view| view.payload)
}

fn find(taps: &[&Tap], outgoing: bool, wanted: impl Fn(&View) -> bool) -> Option<View> {
    let mut packets: Vec<Packet> = taps.iter().flat_map(|tap| tap.packets()).collect();
    packets.sort_by_key(|packet| packet.time);
    let mut seen = packets.iter().filter(|packet| packet.outgoing == outgoing);
    seen.find_map(|packet| View::parse(&packet.bytes).filter(|view| view.payload > 0 && wanted(view)))
}

fn hop(place: &str, view: &View) -> Hop {
    Hop {
        at: place.to_owned(),
        eth_src: mac(view.eth_src),
        eth_dst: mac(view.eth_dst),
        outer: view.outer.map(|(src, dst)| Outer { src, dst }),
        src: view.source.to_string(),
        dst: view.destination.to_string(),
    }
}

fn mac(MacAddress(bytes): MacAddress) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}
