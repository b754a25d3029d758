//! The questions that are asked about the network of this host, and who answers them in production.

use super::links::{Links, LocalAddress};
use super::netlink::Netlink;
use super::sight::{Neighbour, Route};
use std::io;
use std::net::IpAddr;

/// Questions to the network of this host.
pub(crate) trait Network {
    fn links(&mut self) -> io::Result<Links>;
    fn addresses(&mut self) -> io::Result<Vec<LocalAddress>>;
    fn route(&mut self, destination: IpAddr) -> Route;
    fn neighbour(&mut self, interface: u32, address: IpAddr) -> Option<Neighbour>;
    fn resolve(&mut self, interface: u32, address: IpAddr) -> io::Result<()>;
    fn release(&mut self, interface: u32, address: IpAddr) -> io::Result<()>;
}

impl Network for Netlink {
    fn links(&mut self) -> io::Result<Links> {
        Self::links(self)
    }
    fn addresses(&mut self) -> io::Result<Vec<LocalAddress>> {
        Self::addresses(self)
    }
    fn route(&mut self, destination: IpAddr) -> Route {
        Self::route(self, destination)
    }
    fn neighbour(&mut self, interface: u32, address: IpAddr) -> Option<Neighbour> {
        Self::neighbour(self, interface, address)
    }
    fn resolve(&mut self, interface: u32, address: IpAddr) -> io::Result<()> {
        Self::resolve(self, interface, address)
    }
    fn release(&mut self, interface: u32, address: IpAddr) -> io::Result<()> {
        Self::release(self, interface, address)
    }
}
