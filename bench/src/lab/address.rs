//! Who has which address, in every network of this measurement.

use std::net::{IpAddr, Ipv4Addr};

/// The virtual address (VIP).
pub(super) const VIRTUAL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
/// Where clients are. Their own addresses are 10.1.x.y.
pub(super) const CLIENTS: (IpAddr, u8) = (IpAddr::V4(Ipv4Addr::new(10, 1, 0, 0)), 16);
/// The router of all clients, or the one client there is.
pub(super) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 3, 0, 2));
/// The director towards them.
pub(super) const DIRECTOR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 3, 0, 1));
/// Prefix of every link.
pub(super) const PREFIX: u8 = 24;
/// Everything.
pub(super) const ANYWHERE: (IpAddr, u8) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
/// Servers are 1 to this.
pub(super) const SERVERS: u8 = 3;
/// Port of the service over all servers.
pub(super) const ALL: u16 = 80;
/// Port of the service that has only the first server.
pub(super) const FIRST: u16 = 5201;

/// A server (RIP).
pub(super) const fn server(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 2, number, 2))
}

/// The director on the link of a server (DIP).
pub(super) const fn director(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 2, number, 1))
}
