//! Devices, addresses and routes, by netlink.

use super::Namespace;
use anyhow::{Context, Result};
use futures::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};
use rtnetlink::packet_route::link::{InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute};
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection};
use std::future::Future;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use wire::MacAddress;

/// One end of a link: a device of a namespace.
#[derive(Clone)]
pub struct Device {
    /// Where it is.
    pub namespace: Namespace,
    /// Its name there.
    pub name: String,
}

/// Where packets for a prefix go.
#[derive(Clone, Copy)]
pub enum NextHop<'a> {
    /// To a router.
    Gateway(IpAddr),
    /// The prefix is on the link of this device.
    OnLink(&'a str),
}

impl Device {
    /// Names a device; it need not be there yet.
    pub fn new(namespace: &Namespace, name: impl Into<String>) -> Self {
        Self { namespace: namespace.clone(), name: name.into() }
    }

    /// Makes a veth pair between two devices and sets both up.
    pub fn connect(&self, other: &Self) -> Result<()> {
        let peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(other.name.clone())
            .setns_by_fd(other.namespace.descriptor().as_raw_fd())
            .build();
        let message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(self.name.clone())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        let made = with_netlink(&self.namespace, async |handle| Ok(handle.link().add(message).execute().await?));
        made.with_context(|| format!("veth {} - {}", self.name, other.name))?;
        self.up()?;
        other.up()
    }

    /// Makes this a bridge that does nothing but forward frames.
    pub fn make_bridge(&self) -> Result<()> {
        let message = LinkBridge::new(&self.name)
            .up()
            // Without snooping, neighbour solicitations of IPv6 reach every port from the first second.
            .append_info_data(InfoBridge::MulticastSnooping(false))
            .build();
        with_netlink(&self.namespace, async |handle| Ok(handle.link().add(message).execute().await?))
            .with_context(|| format!("bridge {}", self.name))
    }

    /// Makes this a port of `bridge`, in the same namespace.
    pub fn join(&self, bridge: &str) -> Result<()> {
        with_netlink(&self.namespace, async |handle| {
            let controller = index_of(&handle, bridge).await?;
            let port = LinkUnspec::new_with_name(&self.name).controller(controller).build();
            Ok(handle.link().set(port).execute().await?)
        })
        .with_context(|| format!("port {} of bridge {bridge}", self.name))
    }

    /// Sets it up.
    pub fn up(&self) -> Result<()> {
        let message = LinkUnspec::new_with_name(&self.name).up().build();
        with_netlink(&self.namespace, async |handle| Ok(handle.link().set(message).execute().await?))
            .with_context(|| format!("setting {} up", self.name))
    }

    /// Gives it an address, at once usable (no duplicate address detection).
    pub fn add_address(&self, address: IpAddr, prefix: u8) -> Result<()> {
        with_netlink(&self.namespace, async |handle| {
            let index = index_of(&handle, &self.name).await?;
            let mut request = handle.address().add(index, address, prefix);
            if address.is_ipv6() {
                request.message_mut().header.flags = AddressHeaderFlags::Nodad;
                request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            }
            Ok(request.execute().await?)
        })
        .with_context(|| format!("address {address}/{prefix} on {}", self.name))
    }

    /// Takes an address away.
    pub fn remove_address(&self, address: IpAddr) -> Result<()> {
        with_netlink(&self.namespace, async |handle| {
            let index = index_of(&handle, &self.name).await?;
            let mut all = handle.address().get().set_link_index_filter(index).set_address_filter(address).execute();
            let found = all.try_next().await?.context("it is not there")?;
            Ok(handle.address().del(found).execute().await?)
        })
        .with_context(|| format!("removing {address} from {}", self.name))
    }

    /// Sets it down.
    pub fn down(&self) -> Result<()> {
        let message = LinkUnspec::new_with_name(&self.name).down().build();
        with_netlink(&self.namespace, async |handle| Ok(handle.link().set(message).execute().await?))
            .with_context(|| format!("setting {} down", self.name))
    }

    /// Sets the size of its largest packet.
    pub fn set_mtu(&self, mtu: u32) -> Result<()> {
        let message = LinkUnspec::new_with_name(&self.name).mtu(mtu).build();
        with_netlink(&self.namespace, async |handle| Ok(handle.link().set(message).execute().await?))
            .with_context(|| format!("MTU of {}", self.name))
    }

    /// Its link-layer address.
    pub fn mac(&self) -> Result<MacAddress> {
        with_netlink(&self.namespace, async |handle| {
            let link = handle.link().get().match_name(self.name.clone()).execute().try_next().await?;
            let bytes = link.context("no such device")?.attributes.into_iter().find_map(|attribute| match attribute {
                LinkAttribute::Address(bytes) => <[u8; 6]>::try_from(bytes).ok(),
                _ => None,
            });
            Ok(MacAddress(bytes.context("no link-layer address")?))
        })
        .with_context(|| format!("address of {}", self.name))
    }

    /// Its index in its namespace.
    pub fn index(&self) -> Result<u32> {
        with_netlink(&self.namespace, async |handle| index_of(&handle, &self.name).await)
            .with_context(|| format!("index of {}", self.name))
    }
}

/// Adds a route to a namespace.
pub fn add_route(namespace: &Namespace, destination: (IpAddr, u8), next: NextHop<'_>) -> Result<()> {
    with_netlink(namespace, async |handle| {
        let mut route = RouteMessageBuilder::<IpAddr>::new().destination_prefix(destination.0, destination.1)?;
        route = match next {
            NextHop::Gateway(address) => route.gateway(address)?,
            NextHop::OnLink(device) => route.output_interface(index_of(&handle, device).await?).scope(RouteScope::Link),
        };
        Ok(handle.route().add(route.build()).execute().await?)
    })
    .with_context(|| format!("route to {}/{}", destination.0, destination.1))
}

async fn index_of(handle: &Handle, name: &str) -> Result<u32> {
    let link = handle.link().get().match_name(name.to_owned()).execute().try_next().await?;
    Ok(link.with_context(|| format!("no device {name}"))?.header.index)
}

fn with_netlink<T: Send, F: Future<Output = Result<T>>>(
    namespace: &Namespace,
    work: impl FnOnce(Handle) -> F + Send,
) -> Result<T> {
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let (connection, handle, _) = new_connection()?;
            tokio::spawn(connection);
            work(handle).await
        })
    })
}
