//! The verdict on a captured packet, in words.

use crate::director::Director;
use crate::observe::Network;
use crate::observe::sight::Sight;
use crate::plane::Plane;
use forward::Counter;
use forward::abi::{Address6, Port};
use forward::capture::{Ends, Record};
use model::Endpoint;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use wire::MacAddress;

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
        if before.destination != after.destination || before.destination_port != after.destination_port {
            return Some(format!("{} nat", endpoint(after.destination, after.destination_port)));
        }
        if before.source != after.source || before.source_port != after.source_port {
            let source = endpoint(after.source, after.source_port);
            return Some(format!("{} from {source}", endpoint(after.destination, after.destination_port)));
        }
        let destination = MacAddress(*leaves.first_chunk()?);
        let service = endpoint(before.destination, before.destination_port);
        let services = self.store.services().values().filter(|known| known.key.endpoint() == Some(service));
        let mut servers = services.flat_map(|service| &service.servers);
        let server = servers.find(|server| match self.observer.sight(server.endpoint.ip()) {
            Sight::Via(hop) => hop.destination == destination,
            _ => false,
        });
        let server = server.map_or_else(|| destination.to_string(), |server| server.endpoint.to_string());
        Some(format!("{server} dr"))
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
        assert_eq!(endpoint(mapped, Port::new(80)).to_string(), "10.0.0.11:80");
    }
}
