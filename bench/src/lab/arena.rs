//! A contender's network for its cost: the director, and one namespace for everything around it, which only sends and
//! counts. Devices have names of their own, because kernel threads are found by them.

use super::address::{self, CLIENT, CLIENTS, DIRECTOR, PREFIX, SERVERS, VIRTUAL};
use super::contender::{self, Contender, Running};
use super::flows::{Generator, Kind};
use super::kthread::Kthread;
use super::sink::Sink;
use ::lab::net::{Device, Namespace, NextHop, Offload, add_route};
use ::lab::network::{DEFAULT, Network, add_addresses, add_routes};
use ::lab::topology::Family;
use anyhow::{Context, Result};

/// Sends and counts.
pub(super) const AROUND_CPU: usize = 0;
/// Forwards.
pub(super) const DIRECTOR_CPU: usize = 1;
/// Sinks before generators, which yield to them.
const PRIORITY: i32 = 10;

/// One link of the director.
pub(super) struct Link {
    /// The other end.
    near: Device,
    far: Device,
    /// What receives at the director's end.
    director: Kthread,
    _sink: Kthread,
}

/// A network with its director.
pub(super) struct Arena {
    pub(super) contender: Contender,
    director: Namespace,
    sinks: Vec<Sink>,
    pub(super) links: Vec<Link>,
    _running: Running,
}

/// Counters of one link and of the sinks, at one moment.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    pub(super) runtime: u64,
    pub(super) received: u64,
    pub(super) sunk: u64,
}

impl Arena {
    pub(super) fn build(contender: Contender, network: &Network) -> Result<Self> {
        let tag = contender.tag();
        let director = network.router(&format!("bench-{tag}d"))?;
        let around = network.host(&format!("bench-{tag}a"))?;
        around.sysctl("ipv4/conf/all/arp_ignore", "1")?;
        let pairs: Vec<(Device, Device)> = (0..=SERVERS)
            .map(|number| {
                let device = |host, side| Device::new(host, format!("b{tag}{side}{number}"));
                (device(&around, "a"), device(&director, "d"))
            })
            .collect();
        let sinks = join(&pairs, contender)?;
        let devices: Vec<Device> = pairs.iter().map(|(_, far)| far.clone()).collect();
        let running = contender::start(contender, &director, &devices, network)?;
        let links = pairs.into_iter().map(|(near, far)| Link::new(near, far)).collect::<Result<_>>()?;
        Ok(Self { contender, director, sinks, links, _running: running })
    }

    /// What sends this kind of packets, and the number of the link it sends on.
    pub(super) fn generator(&self, kind: Kind, port: u16) -> Result<(Generator, usize)> {
        let number = usize::from(matches!(kind, Kind::Reply { .. }));
        let link = self.links.get(number).context("no such link")?;
        let generator = Generator::new(&link.near, link.far.mac()?, kind, self.contender.target(port, Family::V4))?;
        Ok((generator, number))
    }

    /// The counters of the director's end of a link.
    pub(super) fn counts(&self, link: usize) -> Result<Counts> {
        let link = self.links.get(link).context("no such link")?;
        let sunk = self.sinks.iter().map(Sink::count).sum::<Result<u64>>()?;
        let received = received(&self.director.proc_net("dev")?, &link.far.name)?;
        Ok(Counts { runtime: link.director.runtime()?, received, sunk })
    }
}

/// Links, addresses, routes and sinks. A device takes frames from XDP only with NAPI on, which GRO or a program does.
fn join(pairs: &[(Device, Device)], contender: Contender) -> Result<Vec<Sink>> {
    let mut sink = Sink::new()?;
    for (number, (near, far)) in (0..).zip(pairs) {
        near.connect(far)?;
        far.set_offload(Offload::GenericReceive, true)?;
        let (outside, inside) =
            if number == 0 { (CLIENT, DIRECTOR) } else { (address::server(number), address::director(number)) };
        add_addresses(near, outside.with_prefix(PREFIX))?;
        add_addresses(far, inside.with_prefix(PREFIX))?;
        sink.attach(near)?;
        if number == 0 {
            add_addresses(far, VIRTUAL.host())?;
            add_route(&far.namespace, CLIENTS, NextHop::Gateway(CLIENT.v4.into()))?;
            add_routes(&near.namespace, DEFAULT, DIRECTOR)?;
        }
    }
    let mut sinks = vec![sink];
    if let (Contender::Floor, Some((_, front))) = (contender, pairs.first()) {
        let mut floor = Sink::new()?;
        floor.attach(front)?;
        sinks.push(floor);
    }
    Ok(sinks)
}

impl Link {
    fn new(near: Device, far: Device) -> Result<Self> {
        let director = Kthread::of(&far, DIRECTOR_CPU, PRIORITY)?;
        let sink = Kthread::of(&near, AROUND_CPU, PRIORITY)?;
        Ok(Self { near, far, director, _sink: sink })
    }
}

/// Packets received, by /proc/net/dev.
fn received(table: &str, device: &str) -> Result<u64> {
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'));
    let line = line.with_context(|| format!("{device} is not in /proc/net/dev"))?;
    Ok(line.split_whitespace().nth(1).context("a short line in /proc/net/dev")?.parse()?)
}
