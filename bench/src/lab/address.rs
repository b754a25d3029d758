//! Who has which address, in every network of this measurement.

use ::lab::topology::Dual;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The virtual address (VIP).
pub(super) const VIRTUAL: Dual = of_director(0, 100);
/// Where clients are. Their own addresses are 10.1.x.y.
pub(super) const CLIENTS: (IpAddr, u8) = (IpAddr::V4(Ipv4Addr::new(10, 1, 0, 0)), 16);
/// The router of all clients, or the one client there is.
pub(super) const CLIENT: Dual = of_director(3, 2);
/// The director towards them.
pub(super) const DIRECTOR: Dual = of_director(3, 1);
/// The director's local address, with FullNAT.
pub(super) const LOCAL: Dual = of_director(9, 1);
/// Prefix of every link.
pub(super) const PREFIX: (u8, u8) = (24, 64);
/// Servers are 1 to this.
pub(super) const SERVERS: u8 = 3;
/// Port of the service over all servers.
pub(super) const ALL: u16 = 80;
/// Port of the service that has only the first server.
pub(super) const FIRST: u16 = 5201;

/// A server (RIP).
pub(super) const fn server(number: u8) -> Dual {
    on_link(number, 2)
}

/// The director on the link of a server (DIP).
pub(super) const fn director(number: u8) -> Dual {
    on_link(number, 1)
}

const fn on_link(number: u8, host: u8) -> Dual {
    Dual {
        v4: Ipv4Addr::new(10, 2, number, host),
        v6: Ipv6Addr::new(0xfd00, 0, 2, number as u16, 0, 0, 0, host as u16),
    }
}

const fn of_director(network: u8, host: u8) -> Dual {
    Dual {
        v4: Ipv4Addr::new(10, network, 0, host),
        v6: Ipv6Addr::new(0xfd00, 0, network as u16, 0, 0, 0, 0, host as u16),
    }
}
