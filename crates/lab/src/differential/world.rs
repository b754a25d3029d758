//! The place where scenarios are played: a director between one link of clients and four of servers, whose far ends are
//! in our hands alone.

use super::frame::{self, Seen};
use super::names::{CLIENTS, Names, Party, SERVERS};
use super::script::{Kind, Line, Packets, Step};
use super::{Scenario, Transcript, listing};
use crate::capture::PacketSocket;
use crate::net::{Device, Namespace, NextHop, add_route};
use crate::network::Network;
use crate::node::{Entry, Finished, Xlvs, finish, finish_with};
use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::MacAddress;

/// Who balances.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Side {
    /// The kernel's IPVS, driven by the real ipvsadm.
    Kernel,
    /// xlvs.
    Xlvs,
}

/// Entries of xlvs's connection tables: few, so that the sweeper is round soon.
const CONNECTIONS: u32 = 1 << 14;
/// Longest life of a command.
const COMMAND: Duration = Duration::from_secs(60);
/// Longest wait for a marker.
const MARKER: Duration = Duration::from_secs(20);
/// What a redirected frame may come later than a marker that was behind it.
const REST: Duration = Duration::from_millis(3);
/// The kernel's counters are taken over every two seconds.
const KERNEL_COUNTS: Duration = Duration::from_millis(4500);
/// Where markers come from, and go to on a server's link.
const MARKER_CLIENT: Ipv4Addr = Ipv4Addr::new(100, 127, 0, 1);

const fn marker_server(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, number, 255, 254)
}

/// The far end of one of the director's links.
struct Link {
    name: String,
    device: Device,
    socket: PacketSocket,
    /// Of our end, and of the director's.
    macs: (MacAddress, MacAddress),
}

/// A director and its surroundings.
pub struct World {
    xlvs: Option<Xlvs>,
    /// The clients', then the servers'.
    links: Vec<Link>,
    director: Namespace,
    markers: u16,
    _network: Network,
}

/// A frame that came out, and where.
struct Out {
    link: usize,
    packet: frame::Packet,
}

impl World {
    /// Builds it and starts what balances.
    pub fn new(side: Side) -> Result<Self> {
        if side == Side::Kernel {
            let loaded = finish(Command::new("modprobe").arg("ip_vs"), COMMAND)?;
            loaded
                .success()
                .context("the kernel has no IPVS; `cargo xtask vm-test --differential` takes one that has")?;
        }
        let mut network = Network::new()?;
        let director = network.router("director")?;
        let outside = network.host("outside")?;
        // One error to a destination in a second would be too few.
        director.sysctl("ipv4/icmp_ratelimit", "0")?;
        director.sysctl("ipv6/icmp/ratelimit", "0")?;
        outside.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
        let names = std::iter::once("C".to_owned()).chain((1..=SERVERS).map(|number| format!("S{number}")));
        let links = names.map(|name| link(&mut network, &director, &outside, name)).collect::<Result<Vec<_>>>()?;
        add_routes(&director)?;
        let mut world = Self { xlvs: None, links, director, markers: 0, _network: network };
        world.set_markers()?;
        if side == Side::Xlvs {
            let interfaces: Vec<String> = world.links.iter().map(|link| link.name.to_lowercase()).collect();
            let interfaces: Vec<&str> = interfaces.iter().map(String::as_str).collect();
            let work = world._network.work();
            let mut xlvs = Xlvs::new(&world.director, "xlvs", &interfaces, work, Entry::Direct)?;
            xlvs.configure(&format!("[director]\nconnections = {CONNECTIONS}\n"))?;
            xlvs.start()?;
            world.xlvs = Some(xlvs);
        }
        Ok(world)
    }

    fn set_markers(&self) -> Result<()> {
        let mut batch = String::new();
        for (link, number) in self.links.iter().zip(0..) {
            let address = if number == 0 { MARKER_CLIENT } else { marker_server(number) };
            batch.push_str(&neighbour(address.into(), link));
        }
        self.ip(&batch)
    }

    /// Several `ip` commands in the director's namespace.
    fn ip(&self, batch: &str) -> Result<()> {
        let mut command = self.director.command("ip");
        let mut child = command.args(["-batch", "-"]).stdin(Stdio::piped()).spawn().context("starting ip")?;
        child.stdin.take().context("ip has no input")?.write_all(batch.as_bytes())?;
        ensure!(child.wait()?.success(), "ip -batch failed:\n{batch}");
        Ok(())
    }

    /// Plays a scenario from beginning to end.
    pub fn play(&mut self, scenario: &Scenario) -> Result<Transcript> {
        let names = Names::of(&scenario.name, scenario.six);
        self.prepare(&names)?;
        let mut transcript = Transcript::default();
        let mut configured = false;
        for line in &scenario.lines {
            let is_traffic = matches!(line.step, Step::Packets(_) | Step::Open(_));
            if let (true, true, Some(xlvs)) = (configured, is_traffic, &self.xlvs) {
                // Addresses and neighbours are news to it, which take their time.
                xlvs.wait_for_services()?;
            }
            configured = !is_traffic;
            let seen = self.step(line, &names).with_context(|| format!("{}: {}", scenario.name, line.text))?;
            transcript.steps.push((line.text.clone(), seen));
        }
        Ok(transcript)
    }

    /// Addresses and neighbours of this scenario, and everything else as after a start.
    fn prepare(&mut self, names: &Names) -> Result<()> {
        let mut batch = String::new();
        for party in Party::all() {
            let address = names.address(party);
            match party {
                Party::Virtual(_) if address.is_ipv4() => batch.push_str(&format!("addr replace {address}/32 dev c\n")),
                Party::Virtual(_) => batch.push_str(&format!("addr replace {address}/128 dev c nodad\n")),
                Party::Server(number) => batch.push_str(&neighbour(address, self.link(number)?)),
                Party::Client(_) => batch.push_str(&neighbour(address, self.link(0)?)),
            }
        }
        self.ip(&batch)?;
        self.await_news(names)?;
        for line in [["-C"].as_slice(), &["--set", "900", "120", "300"]] {
            self.ipvsadm(line)?.success()?;
        }
        for (name, value) in DEFAULTS {
            self.sysctl(name, value)?;
        }
        self.drain(&[], names).map(drop)
    }

    /// Addresses and neighbours are news to the daemon, and a server that it does not reach yet takes no turn: a service
    /// of all of them tells when they have arrived.
    fn await_news(&self, names: &Names) -> Result<()> {
        let Some(xlvs) = &self.xlvs else { return Ok(()) };
        let endpoint = |party: Party| SocketAddr::new(names.address(party), 9).to_string();
        for service in Party::all().filter(|party| matches!(party, Party::Virtual(_))) {
            let service = endpoint(service);
            self.ipvsadm(&["-A", "-u", &service, "-s", "rr"])?.success()?;
            for server in Party::all().filter(|party| matches!(party, Party::Server(_))) {
                self.ipvsadm(&["-a", "-u", &service, "-r", &endpoint(server), "-m"])?.success()?;
            }
        }
        xlvs.wait_for_services()
    }

    fn link(&self, number: u8) -> Result<&Link> {
        self.links.get(usize::from(number)).context("no such link")
    }

    fn step(&mut self, line: &Line, names: &Names) -> Result<Vec<String>> {
        match &line.step {
            Step::Ipvsadm(words) => {
                let words: Vec<String> = words.iter().map(|word| names.word(word)).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                Ok(said(&self.ipvsadm(&words)?, names))
            }
            Step::Restore(lines) => self.restore(lines, names),
            Step::Sysctl(name, value) => self.sysctl(name, value).map(|()| Vec::new()),
            Step::Packets(packets) => self.packets(packets, names),
            Step::Open(packets) => self.open(packets, names),
            Step::Wait(seconds) => {
                sleep(Duration::from_secs(*seconds));
                self.drain(&[], names).map(|late| self.show(&late))
            }
            Step::List => Ok(listing::table(&self.ipvsadm(&["-L", "-n"])?.success()?, names)),
            Step::Connections => Ok(listing::connections(&self.ipvsadm(&["-L", "-n", "-c"])?.success()?, names)),
            Step::Statistics => {
                if self.xlvs.is_none() {
                    sleep(KERNEL_COUNTS);
                }
                Ok(listing::table(&self.ipvsadm(&["-L", "-n", "--stats"])?.success()?, names))
            }
        }
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        match &self.xlvs {
            Some(xlvs) => {
                // By the original's name, which its messages tell.
                let mut command = xlvs.command(&[])?;
                command.arg0("ipvsadm").args(arguments);
                Ok(command)
            }
            None => {
                let mut command = self.director.command("ipvsadm");
                command.args(arguments);
                Ok(command)
            }
        }
    }

    fn ipvsadm(&self, arguments: &[&str]) -> Result<Finished> {
        finish(&mut self.command(arguments)?, COMMAND)
    }

    fn restore(&self, lines: &[String], names: &Names) -> Result<Vec<String>> {
        let translated =
            lines.iter().map(|line| line.split(' ').map(|word| names.word(word)).collect::<Vec<_>>().join(" "));
        let text: String = translated.map(|line| line + "\n").collect();
        let path = self._network.work().path().join("rules");
        std::fs::write(&path, text)?;
        let mut command = self.command(&["-R"])?;
        Ok(said(&finish_with(&mut command, std::fs::File::open(&path)?.into(), COMMAND)?, names))
    }

    fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        match &self.xlvs {
            Some(xlvs) => xlvs.run(&["sysctl", &format!("{name}={value}")])?.success().map(drop),
            None => self.director.sysctl(&format!("ipv4/vs/{name}"), value),
        }
    }

    /// Every packet of every flow, one after the other.
    fn packets(&mut self, packets: &Packets, names: &Names) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for from in &packets.from {
            for kind in &packets.kinds {
                let seen = self.send(*from, packets.to, *kind, names)?;
                lines.extend(self.show(&seen));
            }
        }
        Ok(lines)
    }

    /// SYN, the answer of whoever got it where that passes the director, ACK. Shown is the first SYN of each.
    fn open(&mut self, packets: &Packets, names: &Names) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for from in &packets.from {
            let seen = self.send(*from, packets.to, Kind::Tcp(wire::TcpFlags::SYN), names)?;
            lines.extend(self.show(&seen));
            if let [Out { packet, .. }] = seen.as_slice()
                && let Some(server @ Party::Server(_)) = names.party(packet.destination.ip())
            {
                let (port, client) = (packet.destination.port(), packet.source.port());
                let answer = Kind::Tcp(wire::TcpFlags::SYN | wire::TcpFlags::ACK);
                self.send((server, port), (from.0, client), answer, names)?;
            }
            self.send(*from, packets.to, Kind::Tcp(wire::TcpFlags::ACK), names)?;
        }
        Ok(lines)
    }

    /// Sends one packet by the link of its sender, and gives what comes of it.
    fn send(&mut self, from: (Party, u16), to: (Party, u16), kind: Kind, names: &Names) -> Result<Vec<Out>> {
        let number = match from.0 {
            Party::Server(number) => number,
            Party::Client(_) | Party::Virtual(_) => 0,
        };
        let link = self.link(number)?;
        link.socket.send(&frame::build(names, link.macs, from, to, kind))?;
        self.markers = self.markers.wrapping_add(1);
        let sent = if number == 0 {
            (1..=SERVERS).map(|server| self.mark(0, marker_server(server)).map(|()| usize::from(server))).collect()
        } else {
            self.mark(number, MARKER_CLIENT).map(|()| vec![0])
        };
        self.drain(&sent?, names)
    }

    /// A marker that comes in by one link and leaves by another.
    fn mark(&self, number: u8, to: Ipv4Addr) -> Result<()> {
        let link = self.link(number)?;
        let from = if number == 0 { MARKER_CLIENT } else { marker_server(number) };
        link.socket.send(&frame::marker(link.macs, from, to, self.markers))
    }

    /// Waits until markers have come out by these links, then a little, and gives everything else that came out.
    fn drain(&self, links: &[usize], names: &Names) -> Result<Vec<Out>> {
        let (mut waiting, begin) = (links.to_vec(), Instant::now());
        let mut out = Vec::new();
        loop {
            let last = waiting.is_empty();
            if last {
                sleep(REST);
            }
            for (number, link) in self.links.iter().enumerate() {
                while let Some(packet) = link.socket.receive_now() {
                    match frame::read(&packet.bytes, names) {
                        _ if packet.outgoing => {}
                        Seen::Marker(marker) if marker == self.markers => waiting.retain(|one| *one != number),
                        Seen::Packet(packet) => out.push(Out { link: number, packet }),
                        Seen::Marker(_) | Seen::Nothing => {}
                    }
                }
            }
            if last {
                return Ok(out);
            }
            ensure!(begin.elapsed() < MARKER, "a marker is lost: the director does not forward");
            sleep(Duration::from_micros(200));
        }
    }

    fn show(&self, seen: &[Out]) -> Vec<String> {
        if seen.is_empty() {
            return vec!["nothing".to_owned()];
        }
        let name = |out: &Out| self.links.get(out.link).map_or("?", |link| link.name.as_str());
        let mut lines: Vec<String> = seen.iter().map(|out| out.packet.line(name(out))).collect();
        lines.sort();
        lines
    }
}

/// The kernel's defaults of what scenarios set.
const DEFAULTS: [(&str, &str); 3] = [("conn_reuse_mode", "1"), ("expire_nodest_conn", "0"), ("sloppy_tcp", "0")];

/// What a command said when it failed.
fn said(finished: &Finished, names: &Names) -> Vec<String> {
    if finished.code == Some(0) {
        return Vec::new();
    }
    let text = names.text(&format!("{}{}", finished.stdout, finished.stderr));
    let code = finished.code.map_or("a signal".to_owned(), |code| code.to_string());
    std::iter::once(format!("exit {code}")).chain(text.lines().map(str::to_owned)).collect()
}

fn link(network: &mut Network, director: &Namespace, outside: &Namespace, name: String) -> Result<Link> {
    let near = Device::new(director, name.to_lowercase());
    let device = Device::new(outside, name.to_lowercase());
    near.connect(&device)?;
    network.face_director(&device)?;
    let index = device.index()?;
    let socket = outside.run(|| PacketSocket::open(index))?;
    let macs = (device.mac()?, near.mac()?);
    Ok(Link { name, device: near, socket, macs })
}

fn neighbour(address: IpAddr, link: &Link) -> String {
    format!("neigh replace {address} lladdr {} dev {} nud permanent\n", link.macs.0, link.device.name)
}

fn add_routes(director: &Namespace) -> Result<()> {
    let route = |to: (IpAddr, u8), device: &str| add_route(director, to, NextHop::OnLink(device));
    let six = |second, third| IpAddr::from(Ipv6Addr::new(0xfd00, second, third, 0, 0, 0, 0, 0));
    route((Ipv4Addr::new(100, 64, 0, 0).into(), 10), "c")?;
    route((six(0xc, 0), 32), "c")?;
    for number in 1..=SERVERS {
        let device = format!("s{number}");
        route((Ipv4Addr::new(10, number, 0, 0).into(), 16), &device)?;
        route((six(5, number.into()), 48), &device)?;
    }
    Ok(())
}

const _: () = assert!(CLIENTS < 64, "clients' addresses lie below 100.127");
