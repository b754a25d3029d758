//! Links, addresses and routes of the caller's network namespace, by netlink.

use crate::error::{Doing, Error};
use futures::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder, new_connection};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) mtu: u32,
    pub(crate) loopback: bool,
}

/// An address of this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LocalAddress {
    pub(crate) interface: u32,
    pub(crate) address: IpAddr,
    pub(crate) length: u8,
}

/// Where packets to some destination go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    pub(crate) interface: u32,
    pub(crate) gateway: Option<IpAddr>,
    /// The destination is this host.
    pub(crate) local: bool,
}

/// A netlink socket.
pub(crate) struct Network {
    runtime: tokio::runtime::Runtime,
    handle: Handle,
}

/// Index of the loopback interface.
pub(crate) const LOOPBACK: u32 = 1;

impl Network {
    /// Opens it.
    pub(crate) fn open() -> Result<Self, Error> {
        let doing = || "ask the kernel about the network".to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().doing(doing)?;
        let handle = runtime.block_on(async {
            let (connection, handle, _) = new_connection()?;
            tokio::spawn(connection);
            Ok::<_, io::Error>(handle)
        });
        Ok(Self { handle: handle.doing(doing)?, runtime })
    }

    /// Every interface, by index.
    pub(crate) fn links(&self) -> Result<BTreeMap<u32, Link>, Error> {
        let all = self.runtime.block_on(self.handle.link().get().execute().try_collect::<Vec<_>>());
        let all = all.map_err(|error| failed("list the interfaces", &error))?;
        Ok(all.into_iter().map(|message| (message.header.index, link(message))).collect())
    }

    /// Every address.
    pub(crate) fn addresses(&self) -> Result<Vec<LocalAddress>, Error> {
        let all = self.runtime.block_on(self.handle.address().get().execute().try_collect::<Vec<_>>());
        let all = all.map_err(|error| failed("list the addresses", &error))?;
        Ok(all.iter().filter_map(local_address).collect())
    }

    /// Gives lo an address of its own, usable at once. One that is there stays.
    pub(crate) fn add_to_loopback(&self, address: IpAddr) -> Result<(), Error> {
        let mut request = self.handle.address().add(LOOPBACK, address, whole(address));
        if address.is_ipv6() {
            request.message_mut().header.flags = AddressHeaderFlags::Nodad;
            request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        match self.runtime.block_on(request.execute()) {
            Err(error) if is(&error, libc::EEXIST) => Ok(()),
            other => other.map_err(|error| failed(&format!("put {address} on lo"), &error)),
        }
    }

    /// Takes it away again. One that is not there is no error.
    pub(crate) fn remove_from_loopback(&self, address: IpAddr) -> Result<(), Error> {
        let doing = format!("take {address} off lo");
        let work = async {
            let found = self.handle.address().get().set_link_index_filter(LOOPBACK).set_address_filter(address);
            let found = found.set_prefix_length_filter(whole(address)).execute().try_next().await?;
            match found {
                Some(message) => self.handle.address().del(message).execute().await,
                None => Ok(()),
            }
        };
        match self.runtime.block_on(work) {
            Err(error) if is(&error, libc::EADDRNOTAVAIL) => Ok(()),
            other => other.map_err(|error| failed(&doing, &error)),
        }
    }

    /// Sets an interface up or down.
    pub(crate) fn set_up(&self, name: &str, up: bool) -> Result<(), Error> {
        let message = LinkUnspec::new_with_name(name);
        let message = if up { message.up() } else { message.down() };
        let set = self.runtime.block_on(self.handle.link().set(message.build()).execute());
        set.map_err(|error| failed(&format!("set {name} {}", if up { "up" } else { "down" }), &error))
    }

    /// Where packets to `destination` go; `None` if nowhere.
    pub(crate) fn route(&self, destination: IpAddr) -> Option<Route> {
        let message = RouteMessageBuilder::<IpAddr>::new().destination_prefix(destination, whole(destination)).ok()?;
        let found = self.runtime.block_on(self.handle.route().get(message.build()).execute().try_next());
        found.ok().flatten().and_then(|message| route(&message))
    }
}

/// Addresses of no network (RFC 5737, RFC 3849): the way to them is the way to anywhere.
const ANYWHERE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

impl Network {
    /// The ways to clients anywhere, by family: IPv4, IPv6.
    pub(crate) fn outward(&self) -> [Option<Route>; 2] {
        ANYWHERE.map(|address| self.route(address.parse().ok()?))
    }
}

const fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn link(message: LinkMessage) -> Link {
    let flags = message.header.flags;
    let (up, loopback) = (flags.contains(LinkFlags::Up), flags.contains(LinkFlags::Loopback));
    let mut link = Link { up, loopback, ..Link::default() };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            _ => {}
        }
    }
    link
}

/// On a link with a peer the address of this host is the local one.
fn local_address(message: &AddressMessage) -> Option<LocalAddress> {
    let of = |pick: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(pick);
    let local = of(|it| if let AddressAttribute::Local(address) = it { Some(*address) } else { None });
    let plain = of(|it| if let AddressAttribute::Address(address) = it { Some(*address) } else { None });
    let (interface, length) = (message.header.index, message.header.prefix_len);
    local.or(plain).map(|address| LocalAddress { interface, address, length })
}

fn route(message: &RouteMessage) -> Option<Route> {
    let (mut interface, mut gateway) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => gateway = Some(IpAddr::V4(*address)),
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => gateway = Some(IpAddr::V6(*address)),
            _ => {}
        }
    }
    let usable = matches!(message.header.kind, RouteType::Unicast | RouteType::Local);
    let local = message.header.kind == RouteType::Local;
    interface.filter(|_| usable).map(|interface| Route { interface, gateway, local })
}

fn is(error: &rtnetlink::Error, code: i32) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code() == -code)
}

fn failed(doing: &str, error: &rtnetlink::Error) -> Error {
    let reason = match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io().to_string(),
        other => other.to_string(),
    };
    Error::System { doing: doing.to_owned(), reason }
}
