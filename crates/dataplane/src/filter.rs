//! The prefilter: a bit is set before anything with its address becomes visible, and cleared after all of it is gone.

use crate::maps::Maps;
use crate::mirror::Mirror;
use crate::translate;
use forward::filter::Filter;
use model::ServerState;
use std::net::IpAddr;

/// Sets the bits of these addresses.
pub(crate) fn show(maps: &Maps, addresses: impl IntoIterator<Item = IpAddr>) {
    let Some(words) = maps.filter.get(0) else { return };
    for address in addresses {
        let (word, bit) = Filter::place(translate::filter_hash(address));
        if let Some(word) = words.get(word) {
            word.set(word.get() | bit);
        }
    }
}

/// Sets the bit of a server that replies through us.
pub(crate) fn show_server(maps: &Maps, server: &ServerState) {
    if server.server.method.replies_here() {
        show(maps, [server.server.endpoint.ip()]);
    }
}

/// Clears every bit that nobody needs, and sets those that are.
pub(crate) fn restrict(maps: &Maps, mirror: &Mirror) {
    let needed = needed(mirror);
    let Some(words) = maps.filter.get(0) else { return };
    for (cell, word) in words.iter().zip(needed.words) {
        if cell.get() != word {
            cell.set(word);
        }
    }
}

/// Owned virtual addresses, NAT servers, and both of what was removed but may still be named by connections.
fn needed(mirror: &Mirror) -> Filter {
    let mut filter = Filter::EMPTY;
    let mut insert = |address| filter.insert(translate::filter_hash(address));
    for (key, service) in &mirror.services {
        if service.owned {
            insert(key.endpoint.ip());
        }
        let replying = service.servers.iter().filter(|server| server.replies);
        replying.for_each(|server| insert(server.state.server.endpoint.ip()));
    }
    for (key, endpoint) in mirror.gone.iter().map(|gone| gone.was) {
        insert(key.endpoint.ip());
        insert(endpoint.ip());
    }
    filter
}
