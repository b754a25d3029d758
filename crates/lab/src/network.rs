//! A network under construction: namespaces, links, segments, and what directors need of their neighbours.

use crate::capture::Tap;
use crate::evidence;
use crate::net::{Device, Namespace, NextHop, Offload, PassProgram, add_route};
use crate::node::Agent;
use crate::topology::Dual;
use crate::work::{self, Lock, WorkDirectory};
use anyhow::Result;

/// Everything a laboratory made; gone when dropped.
pub struct Network {
    taps: Vec<Tap>,
    programs: Vec<PassProgram>,
    switch: Option<Namespace>,
    offload: bool,
    work: WorkDirectory,
    _lock: Lock,
}

impl Network {
    /// An empty one. Waits for other laboratories and removes what dead ones left.
    pub fn new() -> Result<Self> {
        let lock = Lock::take()?;
        work::remove_stale();
        let (taps, programs, switch, offload) = (Vec::new(), Vec::new(), None, false);
        Ok(Self { taps, programs, switch, offload, work: WorkDirectory::new()?, _lock: lock })
    }

    /// From now on nothing is prepared for XDP: devices keep all their offloads.
    pub const fn keep_offload(&mut self) {
        self.offload = true;
    }

    /// The directory of this laboratory.
    pub const fn work(&self) -> &WorkDirectory {
        &self.work
    }

    /// The taps set so far.
    pub fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// A new host. Redirects would open paths past the director, duplicate detection and router advertisements only
    /// cost time, and replies may arrive on another link than requests left.
    pub fn host(&self, role: &str) -> Result<Namespace> {
        let host = Namespace::new(role)?;
        for scope in ["all", "default"] {
            for (key, value) in [("rp_filter", "0"), ("accept_redirects", "0"), ("send_redirects", "0")] {
                host.sysctl(&format!("ipv4/conf/{scope}/{key}"), value)?;
            }
            for (key, value) in [("accept_dad", "0"), ("accept_ra", "0"), ("accept_redirects", "0")] {
                host.sysctl(&format!("ipv6/conf/{scope}/{key}"), value)?;
            }
        }
        Device::new(&host, "lo").up()?;
        Ok(host)
    }

    /// A host that forwards packets.
    pub fn router(&self, role: &str) -> Result<Namespace> {
        let host = self.host(role)?;
        host.sysctl("ipv4/ip_forward", "1")?;
        host.sysctl("ipv6/conf/all/forwarding", "1")?;
        Ok(host)
    }

    /// Joins two devices directly, with a tap on the first.
    pub fn link(&mut self, near: &Device, far: &Device) -> Result<()> {
        near.connect(far)?;
        self.tap(near)
    }

    /// Makes a segment: a bridge in the switch.
    pub fn segment(&mut self, name: &str) -> Result<()> {
        if self.switch.is_none() {
            let switch = self.host("switch")?;
            switch.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
            self.switch = Some(switch);
        }
        self.port(name)?.make_bridge()
    }

    /// Joins a device to a segment by the switch port `port`, which is returned.
    pub fn plug(&mut self, device: &Device, segment: &str, port: &str) -> Result<Device> {
        let port = self.port(port)?;
        port.connect(device)?;
        port.join(segment)?;
        Ok(port)
    }

    /// Prepares the device at the other end of a director's interface: it is the last transmitter before XDP, and the
    /// first receiver after it.
    ///
    /// XDP forgets that a checksum was only started, so the sender must finish it. And a veth device takes frames that
    /// XDP redirects or sends back at its peer only while it has a program of its own.
    pub fn face_director(&mut self, device: &Device) -> Result<()> {
        if self.offload {
            return Ok(());
        }
        device.set_offload(Offload::TransmitChecksum, false)?;
        self.programs.push(PassProgram::attach(device)?);
        Ok(())
    }

    /// Begins to record the packets of a device.
    pub fn tap(&mut self, device: &Device) -> Result<()> {
        self.taps.push(Tap::start(device)?);
        Ok(())
    }

    fn port(&self, name: &str) -> Result<Device> {
        let switch = self.switch.as_ref().ok_or_else(|| anyhow::anyhow!("no segment was made"))?;
        Ok(Device::new(switch, name))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            evidence::write_captures(&self.taps);
        }
    }
}

/// Gives a device an address of each family.
pub fn add_addresses(device: &Device, addresses: [(std::net::IpAddr, u8); 2]) -> Result<()> {
    addresses.into_iter().try_for_each(|(address, prefix)| device.add_address(address, prefix))
}

/// Routes a prefix of each family to a router.
pub fn add_routes(host: &Namespace, destinations: [(std::net::IpAddr, u8); 2], gateway: Dual) -> Result<()> {
    let gateways = gateway.host().map(|(address, _)| address);
    destinations.into_iter().zip(gateways).try_for_each(|(to, via)| add_route(host, to, NextHop::Gateway(via)))
}

/// Says that a prefix of each family is on the link of a device.
pub fn add_on_link(host: &Namespace, destinations: [(std::net::IpAddr, u8); 2], device: &str) -> Result<()> {
    destinations.into_iter().try_for_each(|to| add_route(host, to, NextHop::OnLink(device)))
}

/// The default route of each family.
pub const DEFAULT: [(std::net::IpAddr, u8); 2] =
    Dual { v4: std::net::Ipv4Addr::UNSPECIFIED, v6: std::net::Ipv6Addr::UNSPECIFIED }.with_prefix((0, 0));

/// What a real server of direct routing needs: the virtual address on lo, and silence about it.
pub fn hold_virtual_address(host: &Namespace, address: Dual, work: &WorkDirectory) -> Result<()> {
    be_server(host, "dr", address, "", work)
}

/// The same with tunnels: somebody takes packets out of those of every director of the laboratory.
pub fn end_tunnels(host: &Namespace, address: Dual, work: &WorkDirectory) -> Result<()> {
    be_server(host, "tun", address, " --director 10.0.0.0/8 fd00::/16", work)
}

fn be_server(host: &Namespace, mode: &str, address: Dual, more: &str, work: &WorkDirectory) -> Result<()> {
    let [v4, v6] = address.host().map(|(address, _)| address);
    Agent::new(host, work).must(&format!("up --mode {mode} --vip {v4} {v6}{more}")).map(drop)
}
