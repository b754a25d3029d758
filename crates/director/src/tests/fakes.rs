//! A plane and a network of memory. Clones share what they are made of, as daemons share a kernel.

use crate::observe::Network;
use crate::observe::features::Features;
use crate::observe::links::{Kind, Link, Links, LocalAddress};
use crate::observe::sight::{Neighbour, NeighbourState, Route};
use crate::plane::Plane;
use dataplane::{
    Attachment, Capture, CaptureLoader, CaptureMissed, ConnectionEntry, ConnectionsCursor, ConnectionsSlice, Error,
    Passages, Rehearsed, Signals, SweepReport, TableUse, Trial, Why,
};
use forward::abi::Statistics;
use forward::capture::{Record, Wanted};
use forward::{Action, Counter};
use model::{Change, Endpoint, Lane, LaneChoice, Reach, ServiceKey, State};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use wire::MacAddress;

#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) state: State,
    pub(crate) journal: Option<Vec<String>>,
    pub(crate) changes: Vec<Change>,
    pub(crate) attached: BTreeSet<String>,
    /// Where and why, unless native without having been told to.
    pub(crate) lanes: BTreeMap<String, (Lane, Why)>,
    pub(crate) trials: BTreeMap<String, Instant>,
    /// How often eth0 was created anew.
    pub(crate) recreated: u32,
    pub(crate) connections: u64,
    /// What clients' connections tell of servers.
    pub(crate) signals: BTreeMap<Endpoint, Signals>,
    /// The connection table, slice by slice.
    pub(crate) table: Vec<Vec<ConnectionEntry>>,
    /// Servers the maps still take.
    pub(crate) room: Option<usize>,
    pub(crate) journal_is_full: bool,
    pub(crate) pins_are_gone: bool,
    pub(crate) answers_translated: bool,
    /// Interfaces by which checks take the way of clients.
    pub(crate) checked_by: BTreeSet<u32>,
}

#[derive(Clone, Default)]
pub(crate) struct FakePlane(Arc<Mutex<Kernel>>);

impl FakePlane {
    pub(crate) fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.0.lock().unwrap()
    }

    fn write_journal(&self, write: impl FnOnce(&mut Vec<String>)) -> Result<(), Error> {
        let mut kernel = self.kernel();
        if kernel.pins_are_gone {
            return Err(pins_gone());
        }
        if kernel.journal_is_full {
            return Err(Error::NoSpace { what: "line of the journal", size: 0 });
        }
        write(kernel.journal.get_or_insert_default());
        Ok(())
    }
}

fn pins_gone() -> Error {
    Error::PinsGone { directory: "/pins".into(), missing: "journal".to_owned() }
}

/// Index of the first eth0.
const FIRST: u32 = 7;

fn attachment(name: &str, kernel: &Kernel) -> Attachment {
    let (lane, why) = kernel.lanes.get(name).copied().unwrap_or((Lane::Xdp, Why::Native));
    Attachment {
        name: name.to_owned(),
        index: FIRST + kernel.recreated,
        lane,
        why,
        checked_checksums: 0,
        partial_checksums: 0,
    }
}

impl Plane for FakePlane {
    fn actual(&self) -> Result<State, Error> {
        Ok(self.kernel().state.clone())
    }
    fn apply(&mut self, change: &Change) -> Result<(), Error> {
        let mut kernel = self.kernel();
        if matches!(change, Change::AddServer { .. }) && kernel.room == Some(0) {
            return Err(Error::NoSpace { what: "server", size: 0 });
        }
        if matches!(change, Change::AddServer { .. }) {
            kernel.room = kernel.room.map(|room| room - 1);
        }
        kernel.state.apply(change);
        kernel.changes.push(change.clone());
        Ok(())
    }
    fn attach(&mut self, interface: &str, choice: Option<LaneChoice>, _: bool) -> Result<Attachment, Error> {
        if interface != "eth0" {
            return Err(Error::NoInterface(interface.to_owned()));
        }
        let mut kernel = self.kernel();
        kernel.attached.insert(interface.to_owned());
        if let Some(lane) = choice.and_then(LaneChoice::lane) {
            kernel.lanes.insert(interface.to_owned(), (lane, Why::Asked));
        }
        Ok(attachment(interface, &kernel))
    }
    fn driver(&self, _: &str) -> Option<String> {
        Some("veth".to_owned())
    }
    fn leave_xdp(&mut self, interface: &str, why: Why) -> Result<Attachment, Error> {
        let mut kernel = self.kernel();
        kernel.lanes.insert(interface.to_owned(), (Lane::Tc, why));
        Ok(attachment(interface, &kernel))
    }
    fn translate_answers(&mut self) -> Result<(), Error> {
        self.kernel().answers_translated = true;
        Ok(())
    }
    fn check_by(&mut self, interfaces: &BTreeSet<u32>) -> Result<(), Error> {
        self.kernel().checked_by.clone_from(interfaces);
        Ok(())
    }
    fn passages(&self) -> Result<Option<Passages>, Error> {
        Ok(None)
    }
    fn detach(&mut self, interface: &str) -> Result<(), Error> {
        let was_there = self.kernel().attached.remove(interface);
        if was_there { Ok(()) } else { Err(Error::NotAttached(interface.to_owned())) }
    }
    fn begin_trial(&mut self, interface: &str, length: Duration) -> Result<(), Error> {
        self.kernel().trials.insert(interface.to_owned(), Instant::now() + length);
        Ok(())
    }
    fn trials(&self) -> Vec<Trial> {
        let trial = |(interface, end): (&String, &Instant)| Trial {
            interface: interface.clone(),
            left: end.saturating_duration_since(Instant::now()),
        };
        self.kernel().trials.iter().map(trial).collect()
    }
    fn end_trial(&mut self, interface: &str) -> Result<bool, Error> {
        Ok(self.kernel().trials.remove(interface).is_some())
    }
    fn attachments(&self) -> Result<Vec<Attachment>, Error> {
        let kernel = self.kernel();
        Ok(kernel.attached.iter().map(|name| attachment(name, &kernel)).collect())
    }
    fn load(&self, _: &ServiceKey, _: &Endpoint) -> Option<(u32, u32)> {
        Some((2, 3))
    }
    fn statistics(&self, _: &ServiceKey, _: Option<&Endpoint>) -> Statistics {
        Statistics { connections: self.kernel().connections, ..Statistics::default() }
    }
    fn signals(&self, service: &ServiceKey, server: &Endpoint) -> Option<Signals> {
        let kernel = self.kernel();
        let there = kernel.state.services.get(service)?.servers.iter().any(|it| it.server.endpoint == *server);
        there.then(|| kernel.signals.get(server).copied().unwrap_or_default())
    }
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([("forward_in", 5)])
    }
    fn sweep(&mut self) -> Result<SweepReport, Error> {
        let table = TableUse { used: 1, size: 1024 };
        Ok(SweepReport { family4: table, family6: table, expired: 0, complete: true })
    }
    fn connections(&self, cursor: ConnectionsCursor) -> Result<ConnectionsSlice, Error> {
        let table = &self.kernel().table;
        let place = cursor.position.unwrap_or_default();
        let connections = table.get(place as usize).cloned().unwrap_or_default();
        let next = (place as usize + 1 < table.len()).then_some(place + 1);
        let next = next.map(|place| ConnectionsCursor { family6: false, position: Some(place) });
        Ok(ConnectionsSlice { connections, next })
    }
    /// Forwards by NAT to the first server of the first service.
    fn explain(&self, frame: &[u8], _: u32) -> Result<Rehearsed, Error> {
        let kernel = self.kernel();
        let mut servers = kernel.state.services.values().flat_map(|service| &service.servers);
        let mut frame = frame.to_vec();
        let reached = servers.find(|server| server.reach != Reach::Unresolved);
        let Some(IpAddr::V4(address)) = reached.map(|server| server.server.endpoint.ip()) else {
            return Ok(Rehearsed { action: Action::Drop, frame, reason: Counter::DropNoServer, server: None });
        };
        frame[30..34].copy_from_slice(&address.octets());
        Ok(Rehearsed { action: Action::Forward, frame, reason: Counter::ForwardIn, server: None })
    }
    fn prepare_capture(&self, _: &Wanted) -> Result<CaptureLoader, Error> {
        Err(Error::Refused("there is no capture of memory".to_owned()))
    }
    fn begin_capture(&mut self, _: Capture) -> Result<(), Error> {
        Ok(())
    }
    fn captured(&mut self, _: &mut dyn FnMut(&Record, &[u8]) -> bool) -> Result<CaptureMissed, Error> {
        Ok(CaptureMissed::default())
    }
    fn end_capture(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn check_pins(&self) -> Result<(), Error> {
        if self.kernel().pins_are_gone { Err(pins_gone()) } else { Ok(()) }
    }
    fn journal_read(&mut self) -> Result<Option<Vec<String>>, Error> {
        Ok(self.kernel().journal.clone())
    }
    fn journal_append(&mut self, line: &str) -> Result<(), Error> {
        self.write_journal(|lines| lines.push(line.to_owned()))
    }
    fn journal_replace(&mut self, lines: Vec<String>) -> Result<(), Error> {
        self.write_journal(|old| *old = lines)
    }
}

/// One link, eth0, with 192.0.2.0/24 and everything else behind it.
pub(crate) struct Wire {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) neighbours: BTreeMap<IpAddr, Neighbour>,
    /// Who answers when asked.
    pub(crate) answering: BTreeMap<IpAddr, MacAddress>,
    pub(crate) asked: Vec<IpAddr>,
    pub(crate) released: Vec<IpAddr>,
    pub(crate) down: bool,
    /// This host has no addresses to send from.
    pub(crate) nameless: bool,
    /// How often eth0 was created anew; none while it is gone.
    pub(crate) recreated: Option<u32>,
    /// What XDP can do on eth0.
    pub(crate) features: Features,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            neighbours: BTreeMap::new(),
            answering: BTreeMap::new(),
            asked: Vec::new(),
            released: Vec::new(),
            down: false,
            nameless: false,
            recreated: Some(0),
            features: Features(Features::BASIC | Features::TARGET),
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct FakeNetwork(Arc<Mutex<Wire>>);

impl FakeNetwork {
    pub(crate) fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap()
    }
}

/// Where tunnels of this host begin.
pub(crate) const OUR_IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 254));
pub(crate) const OUR_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xfe));
pub(crate) const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

impl Network for FakeNetwork {
    fn links(&mut self) -> io::Result<Links> {
        let up = !self.wire().down;
        let features = self.wire().features;
        let link = Link {
            name: "eth0".into(),
            mac: Some(OURS),
            up,
            running: up,
            mtu: 1500,
            loopback: false,
            kind: Kind::Veth,
            vlan: None,
            features: Some(features),
        };
        let loopback = Link { name: "lo".into(), mac: None, up: true, running: true, loopback: true, ..link.clone() };
        let recreated = self.wire().recreated;
        Ok(Links::from_iter([(1, loopback)].into_iter().chain(recreated.map(|times| (FIRST + times, link)))))
    }
    fn addresses(&mut self) -> io::Result<Vec<LocalAddress>> {
        let local = |address: &IpAddr| LocalAddress { address: *address, interface: 7, prefix: 24, duplicate: false };
        Ok(self.wire().addresses.iter().map(local).collect())
    }
    fn route(&mut self, destination: IpAddr) -> Route {
        if self.wire().addresses.contains(&destination) {
            return Route::Local;
        }
        if matches!(destination, IpAddr::V4(address) if address.octets()[3] == 255) {
            return Route::Broadcast;
        }
        let address = if destination.is_ipv4() { OUR_IPV4 } else { OUR_IPV6 };
        Route::Via { interface: 7, next_hop: destination, address: (!self.wire().nameless).then_some(address) }
    }
    fn neighbour(&mut self, _: u32, address: IpAddr) -> Option<Neighbour> {
        self.wire().neighbours.get(&address).copied()
    }
    fn resolve(&mut self, _: u32, address: IpAddr) -> io::Result<()> {
        let mut wire = self.wire();
        wire.asked.push(address);
        if let Some(mac) = wire.answering.get(&address).copied() {
            wire.neighbours.insert(address, Neighbour { state: NeighbourState::Usable, mac: Some(mac) });
        }
        Ok(())
    }
    fn release(&mut self, _: u32, address: IpAddr) -> io::Result<()> {
        self.wire().released.push(address);
        Ok(())
    }
}
