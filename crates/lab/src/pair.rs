//! Two directors that are real servers too, and a third that is only that, on one segment: direct routing.

use crate::capture::{Tap, View};
use crate::net::{Device, Namespace};
use crate::network::{Network, add_addresses, add_on_link, hold_virtual_address};
use crate::node::{Client, Entry, RealServer, ServerKind, ServerPlan, Xlvs};
use crate::topology::{Dual, address};
use anyhow::Result;

/// The pair; gone when dropped.
pub struct Pair {
    /// Who asks.
    pub client: Client,
    /// Real servers: both directors, then the third host.
    pub servers: Vec<RealServer>,
    /// Links, taps, and the directory.
    pub network: Network,
}

/// Ports of the switch towards the hosts, in the order of the servers.
const PORTS: [&str; 3] = ["to-director1", "to-director2", "to-server3"];
const NAMES: [&str; 3] = ["director1", "director2", "server3"];

impl Pair {
    /// Builds it. Director `master` (0 or 1) owns the virtual address; on the other hosts it is on lo, as direct
    /// routing wants it.
    pub fn build(master: usize) -> Result<Self> {
        let mut network = Network::new()?;
        network.segment("segment")?;
        let client = network.host("client")?;
        let device = Device::new(&client, "c0");
        network.plug(&device, "segment", "to-client")?;
        network.tap(&device)?;
        add_addresses(&device, address::CLIENT.with_prefix(address::PREFIX))?;
        add_on_link(&client, address::back(0, 0).with_prefix(address::PREFIX), "c0")?;
        let servers = (0..NAMES.len()).map(|number| add_server(&mut network, number, master)).collect::<Result<_>>()?;
        Ok(Self { client: Client { host: client }, servers, network })
    }

    /// Director `number` (0 or 1); nothing runs yet.
    pub fn director(&self, number: usize) -> Result<Xlvs> {
        Xlvs::new(&self.servers[number].host, NAMES[number], &["d0"], self.network.work(), Entry::Direct)
    }

    /// Packets to the virtual address that director `number` sent into the segment.
    pub fn forwarded_by(&self, number: usize) -> usize {
        self.seen_at(number, false)
    }

    /// Packets to the virtual address that director `number` got from the segment.
    pub fn received_by(&self, number: usize) -> usize {
        self.seen_at(number, true)
    }

    /// What the switch sends out of a port is what the host there receives.
    fn seen_at(&self, number: usize, outgoing: bool) -> usize {
        let tap = self.network.taps().iter().find(|tap| tap.device().name == PORTS[number]);
        let packets = tap.map(Tap::packets).unwrap_or_default();
        let virtuals = address::VIRTUAL.host().map(|(address, _)| address);
        let views =
            packets.iter().filter(|packet| packet.outgoing == outgoing).filter_map(|packet| View::parse(&packet.bytes));
        views.filter(|view| virtuals.contains(&view.destination.ip())).count()
    }
}

fn add_server(network: &mut Network, number: usize, master: usize) -> Result<RealServer> {
    let name = NAMES[number];
    let host: Namespace = network.host(name)?;
    let device = Device::new(&host, "d0");
    let port = network.plug(&device, "segment", PORTS[number])?;
    network.face_director(&port)?;
    network.tap(&port)?;
    let rip = address::back(0, 11 + u8::try_from(number)?);
    add_addresses(&device, rip.with_prefix(address::PREFIX))?;
    add_on_link(&host, address::front(0).with_prefix(address::PREFIX), "d0")?;
    if number == master {
        add_addresses(&device, address::VIRTUAL.host())?;
    } else {
        hold_virtual_address(&host, address::VIRTUAL, network.work())?;
    }
    let listens: Vec<_> =
        [rip, address::VIRTUAL].iter().flat_map(|both: &Dual| both.host()).map(|(ip, _)| ip).collect();
    RealServer::start(&ServerPlan {
        name,
        host: &host,
        address: rip,
        listens: &listens,
        kind: ServerKind::Embedded,
        directory: network.work().path(),
        bulk: 0,
        logs: false,
    })
}
