//! A topology, built: client, director and real servers, ready for traffic.

use crate::capture::{Flow, Hop, Tap, walk};
use crate::counters::Counters;
use crate::net::{Device, Namespace};
use crate::network::{DEFAULT, Network, add_addresses, add_on_link, add_routes, end_tunnels, hold_virtual_address};
use crate::node::{Client, Entry, RealServer, ServerKind, ServerPlan, Xlvs};
use crate::topology::{Arms, Dual, Fabric, Mode, Topology, address};
use anyhow::{Result, bail};

/// Bytes that an nginx of the lab offers for download.
pub const BULK: u64 = 64 << 20;

/// A running laboratory; gone when dropped.
pub struct Lab {
    /// What was built.
    pub topology: Topology,
    /// Who asks.
    pub client: Client,
    /// Who answers, in the order of their numbers.
    pub servers: Vec<RealServer>,
    /// Where the director's daemon belongs.
    pub director: Namespace,
    /// Interfaces of the director, the clients' side first.
    pub interfaces: Vec<String>,
    /// Links, taps, and the directory.
    pub network: Network,
}

/// The hosts while they are being joined.
struct Hosts {
    client: Namespace,
    director: Namespace,
    servers: Vec<Namespace>,
}

impl Lab {
    /// Builds a topology with embedded servers.
    pub fn build(topology: Topology) -> Result<Self> {
        Self::build_with(topology, ServerKind::Embedded)
    }

    /// Builds a topology.
    pub fn build_with(topology: Topology, kind: ServerKind) -> Result<Self> {
        let mut network = Network::new()?;
        if topology.offload {
            network.keep_offload();
        }
        let hosts = Hosts {
            client: network.host("client")?,
            director: network.router("director")?,
            servers: (1..=topology.servers)
                .map(|number| network.host(&format!("server{number}")))
                .collect::<Result<_>>()?,
        };
        let interfaces = match (topology.arms, topology.fabric) {
            (Arms::Two, Fabric::PointToPoint) => hosts.join_point_to_point(&mut network, &topology)?,
            (Arms::Two, Fabric::Bridge) => hosts.join_two_arms(&mut network, &topology)?,
            (Arms::One, Fabric::Bridge) => hosts.join_one_arm(&mut network, &topology)?,
            (Arms::One, Fabric::PointToPoint) => bail!("with one arm, client and servers need a common segment"),
        };
        add_addresses(&hosts.front(), address::DIRECTOR.with_prefix(address::PREFIX))?;
        // The VIP is the director's own, outside: a local address on the clients' side.
        add_addresses(&hosts.front(), address::VIRTUAL.host())?;
        if let Some(local) = topology.local() {
            add_addresses(&hosts.towards_servers(&topology), local.host())?;
        }
        let servers = hosts.start_servers(&network, &topology, kind)?;
        let client = Client { host: hosts.client };
        Ok(Self { topology, client, servers, director: hosts.director, interfaces, network })
    }

    /// The director for this laboratory; nothing runs yet.
    pub fn director(&self, entry: Entry) -> Result<Xlvs> {
        let interfaces: Vec<&str> = self.interfaces.iter().map(String::as_str).collect();
        Xlvs::new(&self.director, "director", &interfaces, self.network.work(), entry)
    }

    /// Counters of the client, the director and all servers.
    pub fn counters(&self) -> Result<Counters> {
        let servers = self.servers.iter().map(|server| &server.host);
        Counters::sum(servers.chain([&self.client.host, &self.director]))
    }

    /// The walk of a flow's first packet with data, and of its answer.
    pub fn walk(&self, flow: Flow) -> Vec<Hop> {
        let at = |host: &Namespace| -> Vec<&Tap> {
            self.network.taps().iter().filter(|tap| tap.namespace().name() == host.name()).collect()
        };
        let servers: Vec<_> = self.servers.iter().map(|server| (server.name.as_str(), at(&server.host))).collect();
        walk(flow, &at(&self.client.host), &servers)
    }

    /// Forgets what was recorded so far.
    pub fn clear_taps(&self) {
        self.network.taps().iter().for_each(Tap::clear);
    }
}

impl Hosts {
    /// The director's interface towards clients.
    fn front(&self) -> Device {
        Device::new(&self.director, "d0")
    }

    /// The director's interface towards servers, one of them.
    fn towards_servers(&self, topology: &Topology) -> Device {
        match topology.arms {
            Arms::One => self.front(),
            Arms::Two => Device::new(&self.director, "d1"),
        }
    }

    /// A veth link to the client and one to each server.
    ///
    /// Replies of direct routing pass the director as they would pass any router. The VIP is the director's own
    /// address, and a kernel takes no packet from one of its own addresses unless `accept_local` says so (IPv4 only).
    fn join_point_to_point(&self, network: &mut Network, topology: &Topology) -> Result<Vec<String>> {
        let client = Device::new(&self.client, "c0");
        network.link(&client, &self.front())?;
        network.face_director(&client)?;
        self.address_client("c0", true)?;
        let mut interfaces = vec!["d0".to_owned()];
        for (number, host) in (1..).zip(&self.servers) {
            let (near, far) = (Device::new(host, "e0"), Device::new(&self.director, format!("d{number}")));
            network.link(&near, &far)?;
            network.face_director(&near)?;
            let dip = topology.director_back(number);
            add_addresses(&far, dip.with_prefix(address::PREFIX))?;
            add_addresses(&near, topology.server(number).with_prefix(address::PREFIX))?;
            add_routes(host, DEFAULT, dip)?;
            if topology.mode.is_direct() {
                self.director.sysctl(&format!("ipv4/conf/{}/accept_local", far.name), "1")?;
            }
            interfaces.push(far.name);
        }
        Ok(interfaces)
    }

    /// Clients on one bridge, servers on another, the director between them. With direct routing the client has a leg
    /// on the servers' bridge too: replies go there and never see the director. With FullNAT servers need no way to
    /// clients.
    fn join_two_arms(&self, network: &mut Network, topology: &Topology) -> Result<Vec<String>> {
        network.segment("front")?;
        network.segment("back")?;
        self.plug(network, &Device::new(&self.client, "c0"), "front", "to-client")?;
        self.plug_director(network, "d0", "front")?;
        self.plug_director(network, "d1", "back")?;
        self.address_client("c0", true)?;
        let dip = topology.director_back(1);
        add_addresses(&Device::new(&self.director, "d1"), dip.with_prefix(address::PREFIX))?;
        let gateway = match topology.mode {
            Mode::Nat => Some(dip),
            Mode::FullNat => None,
            Mode::Dr | Mode::Tun => {
                let leg = Device::new(&self.client, "c1");
                self.plug(network, &leg, "back", "to-client2")?;
                add_addresses(&leg, address::CLIENT_BACK.with_prefix(address::PREFIX))?;
                Some(address::CLIENT_BACK)
            }
        };
        self.plug_servers(network, topology, "back")?;
        if let Some(gateway) = gateway {
            self.servers.iter().try_for_each(|host| add_routes(host, DEFAULT, gateway))?;
        }
        Ok(vec!["d0".to_owned(), "d1".to_owned()])
    }

    /// All on one bridge. With NAT the servers' way to clients is the director. With direct routing the clients'
    /// network is on the servers' link.
    fn join_one_arm(&self, network: &mut Network, topology: &Topology) -> Result<Vec<String>> {
        network.segment("segment")?;
        self.plug(network, &Device::new(&self.client, "c0"), "segment", "to-client")?;
        self.plug_director(network, "d0", "segment")?;
        self.address_client("c0", false)?;
        let dip = topology.director_back(1);
        add_addresses(&self.front(), dip.with_prefix(address::PREFIX))?;
        self.plug_servers(network, topology, "segment")?;
        for host in &self.servers {
            match topology.mode {
                Mode::Nat => add_routes(host, DEFAULT, dip)?,
                Mode::Dr | Mode::Tun => add_on_link(host, address::front(0).with_prefix(address::PREFIX), "e0")?,
                Mode::FullNat => {}
            }
        }
        if topology.mode.is_direct() {
            // So that the client, too, finds the servers on its link when it answers their neighbour requests.
            add_on_link(&self.client, address::back(0, 0).with_prefix(address::PREFIX), "c0")?;
        }
        Ok(vec!["d0".to_owned()])
    }

    fn plug(&self, network: &mut Network, device: &Device, segment: &str, port: &str) -> Result<()> {
        network.plug(device, segment, port)?;
        network.tap(device)
    }

    fn plug_director(&self, network: &mut Network, name: &str, segment: &str) -> Result<()> {
        let port = network.plug(&Device::new(&self.director, name), segment, &format!("to-director-{name}"))?;
        network.face_director(&port)?;
        network.tap(&port)
    }

    fn plug_servers(&self, network: &mut Network, topology: &Topology, segment: &str) -> Result<()> {
        for (number, host) in (1..).zip(&self.servers) {
            let device = Device::new(host, "e0");
            self.plug(network, &device, segment, &format!("to-server{number}"))?;
            add_addresses(&device, topology.server(number).with_prefix(address::PREFIX))?;
        }
        Ok(())
    }

    fn address_client(&self, device: &str, routed: bool) -> Result<()> {
        add_addresses(&Device::new(&self.client, device), address::CLIENT.with_prefix(address::PREFIX))?;
        if routed { add_routes(&self.client, DEFAULT, address::DIRECTOR) } else { Ok(()) }
    }

    fn start_servers(&self, network: &Network, topology: &Topology, kind: ServerKind) -> Result<Vec<RealServer>> {
        let start = |(number, host): (usize, &Namespace)| {
            let rip = topology.server(number);
            let mut listens: Vec<Dual> = vec![rip];
            if topology.mode.is_direct() {
                let become_one = if topology.mode == Mode::Tun { end_tunnels } else { hold_virtual_address };
                become_one(host, address::VIRTUAL, network.work())?;
                listens.push(address::VIRTUAL);
            }
            let listens: Vec<_> = listens.iter().flat_map(|both| both.host().map(|(address, _)| address)).collect();
            let name = format!("server{number}");
            let directory = network.work().path();
            RealServer::start(&ServerPlan {
                name: &name,
                host,
                address: rip,
                listens: &listens,
                kind,
                directory,
                bulk: BULK,
                logs: true,
            })
        };
        (1..).zip(&self.servers).map(start).collect()
    }
}
