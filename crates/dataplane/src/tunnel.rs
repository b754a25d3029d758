//! Tunnels in the operator's words and in the maps' words.

use crate::translate;
use forward::Family;
use forward::abi::{Envelope, Outer, Port, Tunnel};
use model::{Encapsulation, ForwardingMethod, Reach, ServerState, TunnelChecksum};
use std::net::IpAddr;

/// A tunnel as found.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) encapsulation: Encapsulation,
    pub(crate) source: IpAddr,
    /// Bytes that it takes from the MTU.
    pub(crate) room: u32,
}

/// Writes what is put around packets for a server; the bytes that it takes from the MTU.
pub(crate) fn write(cell: &Tunnel, server: &ServerState) -> u32 {
    let ForwardingMethod::Tunnel(encapsulation) = server.server.method else { return 0 };
    let outer = outer(encapsulation, server.server.endpoint.ip());
    cell.outer.set(outer.0);
    cell.note.set(u32::from(checksum(encapsulation) == TunnelChecksum::Remote));
    if let Reach::Via(hop) = server.reach
        && let Some(source) = hop.address
    {
        translate::store(&cell.source, source);
    }
    outer.length() as u32
}

/// Reads it back.
pub(crate) fn read(cell: &Tunnel) -> Found {
    let outer = Outer(cell.outer.get());
    let checksum = match (cell.note.get(), outer.has_checksum()) {
        (0, true) => TunnelChecksum::Full,
        (0, false) => TunnelChecksum::None,
        _ => TunnelChecksum::Remote,
    };
    let encapsulation = if outer.is_gue() {
        Encapsulation::Gue { port: outer.port().get(), checksum }
    } else if outer.is_gre() {
        Encapsulation::Gre { checksum }
    } else {
        Encapsulation::Ipip
    };
    Found { encapsulation, source: translate::load(&cell.source, outer.is_ipv6()), room: outer.length() as u32 }
}

fn checksum(encapsulation: Encapsulation) -> TunnelChecksum {
    match encapsulation {
        Encapsulation::Ipip => TunnelChecksum::None,
        Encapsulation::Gue { checksum, .. } | Encapsulation::Gre { checksum } => checksum,
    }
}

/// The headers. A checksum that the far end may find itself is whole here: the kernel leaves it to the far end only where
/// the packet's own checksum was not finished either, which no packet from a wire is.
pub(crate) fn outer(encapsulation: Encapsulation, server: IpAddr) -> Outer {
    let family = if server.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    let envelope = match encapsulation {
        Encapsulation::Ipip => Envelope::Ipip,
        Encapsulation::Gue { port, .. } => Envelope::Gue(Port::new(port)),
        Encapsulation::Gre { .. } => Envelope::Gre,
    };
    Outer::new(family, envelope, checksum(encapsulation) != TunnelChecksum::None)
}
