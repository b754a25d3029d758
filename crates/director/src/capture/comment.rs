//! The verdict on a captured packet, in words.

use crate::director::Director;
use crate::observe::Network;
use crate::observe::sight::Sight;
use crate::plane::Plane;
use forward::Counter;
use forward::abi::{Address6, Port};
use forward::capture::{Ends, Record};
use model::{Endpoint, ForwardingMethod, RealServer};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use wire::{MacAddress, protocol};

/// A packet as it came, and as it leaves if it does.
pub(super) struct Looks<'l> {
    pub(super) record: &'l Record,
    pub(super) arrived: &'l [u8],
    /// Length and bytes.
    pub(super) leaves: Option<(u32, &'l [u8])>,
}

impl<P: Plane, N: Network> Director<P, N> {
    /// `forward_in -> 10.0.0.11:80 nat, leaves by eth1`, or `drop_no_server: no real server is eligible`.
    pub(super) fn comment(&self, looks: &Looks<'_>) -> String {
        let Some(counter) = Counter::from_number(looks.record.counter) else { return "unknown verdict".to_owned() };
        let name = counter.name();
        let Some((_, leaves)) = looks.leaves else { return format!("{name}: {}", sentence(counter.meaning())) };
        if counter.is_drop() {
            let outlet = self.name_of(looks.record.outlet);
            return format!("{name}: {}; its sender is told by {outlet}", sentence(counter.meaning()));
        }
        let (before, after) = (Ends::of_bytes(looks.arrived), Ends::of_bytes(leaves));
        let way = self.way(&before, &after, leaves).unwrap_or_else(|| sentence(counter.meaning()));
        format!("{name} -> {way}, leaves by {}", self.name_of(looks.record.outlet))
    }

    /// What was rewritten, or to whom a frame was handed on.
    fn way(&self, before: &Ends, after: &Ends, leaves: &[u8]) -> Option<String> {
        if is_control(before) {
            return Some(format!("{} from {}", name(after.destination, Port(0)), name(after.source, Port(0))));
        }
        if let Some(server) = self.server_behind_tunnel(before, after) {
            return Some(format!("{server} tun"));
        }
        let moved = before.source != after.source || before.source_port != after.source_port;
        if moved && before.destination != after.destination {
            let source = name(after.source, after.source_port);
            return Some(format!("{} fullnat, from {source}", name(after.destination, after.destination_port)));
        }
        if before.destination != after.destination || before.destination_port != after.destination_port {
            return Some(format!("{} nat", name(after.destination, after.destination_port)));
        }
        if moved {
            let source = name(after.source, after.source_port);
            return Some(format!("{} from {source}", name(after.destination, after.destination_port)));
        }
        let destination = MacAddress(*leaves.first_chunk()?);
        let server = self.servers_behind(before).find(|server| match self.observer.sight(server.endpoint.ip()) {
            Sight::Via(hop) => hop.destination == destination,
            _ => false,
        });
        let server = server.map_or_else(|| destination.to_string(), |server| server.endpoint.to_string());
        Some(format!("{server} dr"))
    }

    /// The server whose tunnel leads to where the packet goes.
    fn server_behind_tunnel(&self, before: &Ends, after: &Ends) -> Option<Endpoint> {
        let end = endpoint(after.destination, Port(0)).ip();
        let mut servers =
            self.servers_behind(before).filter(|server| matches!(server.method, ForwardingMethod::Tunnel(_)));
        servers.find(|server| server.endpoint.ip() == end).map(|server| server.endpoint)
    }

    /// Servers of the service that a packet came to; a fragment may not say its port.
    fn servers_behind(&self, before: &Ends) -> impl Iterator<Item = &RealServer> {
        let wanted = endpoint(before.destination, before.destination_port);
        let is_it = move |known: Endpoint| known == wanted || (wanted.port() == 0 && known.ip() == wanted.ip());
        let services = self.store.services().values();
        services.filter(move |known| known.key.endpoint().is_some_and(is_it)).flat_map(|service| &service.servers)
    }

    pub(super) fn name_of(&self, interface: u32) -> String {
        self.observer.links().get(&interface).map_or_else(|| format!("interface {interface}"), |link| link.name.clone())
    }
}

fn endpoint(address: Address6, port: Port) -> Endpoint {
    let [high, low] = address.0.map(u64::to_ne_bytes);
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(high.into_iter().chain(low)) {
        *place = byte;
    }
    let address = IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical();
    SocketAddr::new(address, port.get())
}

/// An address and a port, or the address alone where there is no port: fragments but the first have none.
fn name(address: Address6, port: Port) -> String {
    let endpoint = endpoint(address, port);
    if endpoint.port() == 0 { endpoint.ip().to_string() } else { endpoint.to_string() }
}

fn is_control(ends: &Ends) -> bool {
    matches!(ends.protocol, protocol::ICMP | protocol::ICMPV6)
}

/// The first sentence, as part of another one.
fn sentence(text: &str) -> String {
    let text = text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.');
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let is_acronym = letters.clone().next().is_some_and(char::is_uppercase);
    if is_acronym { text.to_owned() } else { first.to_lowercase().chain(letters).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_become_parts_of_sentences() {
        assert_eq!(sentence(Counter::DropNoServer.meaning()), "no real server is eligible");
        for counter in Counter::ALL {
            let text = sentence(counter.meaning());
            assert!(!text.is_empty() && !text.ends_with('.') && !text.contains('\n'), "{counter:?}: {text}");
        }
    }

    #[test]
    fn addresses_are_those_of_their_family() {
        let mapped = forward::capture::mapped(u32::from_ne_bytes([10, 0, 0, 11]));
        assert_eq!(name(mapped, Port::new(80)), "10.0.0.11:80");
        assert_eq!(name(mapped, Port(0)), "10.0.0.11");
    }
}
