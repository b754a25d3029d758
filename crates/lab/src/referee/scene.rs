//! Where a play is performed: the director's host, and servers at the other end of its only link.

use super::endpoint::{Behaviour, Endpoint};
use crate::net::{Device, Namespace, NextHop, PassProgram, add_route};
use crate::network::Network;
use crate::node::finish;
use anyhow::Result;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Longest life of a command.
const COMMAND: Duration = Duration::from_secs(60);
/// The virtual addresses, which a play may use with any port.
const VIRTUAL: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10))];
/// The director's own addresses, and how many servers there are in each family.
const OWN: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 1, 0, 254)), IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0xfe))];
const SERVERS: u8 = 8;

/// The director's device, and the servers.
pub(super) struct Scene {
    director: Device,
    servers: Device,
    endpoints: BTreeMap<SocketAddr, Endpoint>,
    _pass: PassProgram,
}

impl Scene {
    /// Builds it in a network that is there already; gives the director's host, too.
    pub(super) fn build(network: &Network, number: usize) -> Result<(Self, Namespace)> {
        let host = network.host(&format!("d{number}"))?;
        let outside = network.host(&format!("s{number}"))?;
        let (director, servers) = (Device::new(&host, "d"), Device::new(&outside, "s"));
        director.connect(&servers)?;
        servers.set_offload(crate::net::Offload::TransmitChecksum, false)?;
        let pass = PassProgram::attach(&servers)?;
        for address in VIRTUAL {
            director.add_address(address, whole(address))?;
            add_route(&outside, (address, whole(address)), NextHop::OnLink("s"))?;
        }
        for address in OWN {
            director.add_address(address, if address.is_ipv4() { 24 } else { 64 })?;
            add_route(&outside, (address, whole(address)), NextHop::OnLink("s"))?;
        }
        let this = Self { director, servers, endpoints: BTreeMap::new(), _pass: pass };
        this.set_neighbours(&host)?;
        addresses().try_for_each(|address| this.servers.add_address(address, whole(address)))?;
        Ok((this, host))
    }

    /// Who vanishes does not answer for his address either; his packets shall still go out.
    fn set_neighbours(&self, host: &Namespace) -> Result<()> {
        let mac = self.servers.mac()?.to_string();
        for address in addresses() {
            let mut command = host.command("ip");
            let address = address.to_string();
            command.args(["neigh", "replace", &address, "lladdr", &mac, "dev", "d", "nud", "permanent"]);
            finish(&mut command, COMMAND)?.success()?;
        }
        Ok(())
    }

    /// An endpoint behaves so from now on; `None`: it refuses.
    pub(super) fn set_endpoint(&mut self, endpoint: SocketAddr, behaviour: Option<&Behaviour>) -> Result<()> {
        self.endpoints.remove(&endpoint);
        if let Some(behaviour) = behaviour {
            let open = Endpoint::open(&self.servers.namespace, endpoint, behaviour.clone())?;
            self.endpoints.insert(endpoint, open);
        }
        Ok(())
    }

    /// An address is there, or not.
    pub(super) fn set_address(&self, address: IpAddr, there: bool) -> Result<()> {
        let device = if VIRTUAL.contains(&address) { &self.director } else { &self.servers };
        if there { device.add_address(address, whole(address)) } else { device.remove_address(address) }
    }
}

/// Those of all servers.
fn addresses() -> impl Iterator<Item = IpAddr> {
    (1..=SERVERS).flat_map(|server| {
        let v6 = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, server.into());
        [Ipv4Addr::new(10, 1, 0, server).into(), v6.into()]
    })
}

/// The length of a prefix that is one address.
const fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
