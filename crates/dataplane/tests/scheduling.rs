//! Every recording of the kernel's IPVS (`crates/model/goldens/scheduling-*.json`) through the loaded programs: the
//! same changes, the same packets in the same order, the same server for every flow.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod recording;

use dataplane::{Dataplane, Options, detach_all};
use forward::host::packet::{CLIENT_MAC, DIRECTOR_MAC, PacketBuilder, packet};
use model::{
    Change, Endpoint, ForwardingMethod, Hop, Protocol, Reach, RealServer, Scheduler, SchedulerFlags, ServerState,
    ServiceKey, ServiceOptions, Weight,
};
use nix::sched::{CloneFlags, unshare};
use recording::{Recording, Server, ServiceEdit, Step};
use std::path::PathBuf;
use std::process::Command;
use wire::{MacAddress, TcpFlags};

const XDP_DROP: u32 = 1;
const XDP_TX: u32 = 3;

/// Recordings and flows there are at least.
const RECORDED: (usize, usize) = (72, 8578);

#[test]
#[ignore = "needs root"]
fn flows_are_served_as_the_kernel_served_them() {
    let (files, flows) = replay_all(ForwardingMethod::Nat, |_| true);
    assert!(files >= RECORDED.0 && flows >= RECORDED.1, "recordings are missing: {flows} flows in {files} files");
}

/// Direct routing takes the servers' ports away, which is nothing to the schedulers but mh.
#[test]
#[ignore = "needs root"]
fn direct_routing_chooses_alike() {
    let (files, flows) = replay_all(ForwardingMethod::DirectRouting, |recording| recording.scheduler != Scheduler::Maglev);
    assert!(files >= 50 && flows >= 3000, "recordings are missing: {flows} flows in {files} files");
}

/// Replays recordings, all of whose flows must agree; how many files and flows that were.
fn replay_all(method: ForwardingMethod, wanted: fn(&Recording) -> bool) -> (usize, usize) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip(&format!("link add xlvs-a address {DIRECTOR_MAC} type veth peer name xlvs-b"));
        ip("link set xlvs-a up");
        ip("link set xlvs-b up");
        let (mut files, mut flows, mut different) = (0, 0, Vec::new());
        for (name, recording) in recording::all().into_iter().filter(|(_, recording)| wanted(recording)) {
            let (seen, wrong) = replay(&recording, method);
            files += 1;
            flows += seen;
            different.extend(wrong.into_iter().map(|line| format!("{name}: {line}")));
        }
        (files, flows, different)
    });
    let (files, flows, different) = thread.join().unwrap();
    let agree = flows - different.len();
    let summary = format!("{method}: {agree} of {flows} flows in {files} recordings agree");
    let shown: Vec<&str> = different.iter().take(20).map(String::as_str).collect();
    assert!(different.is_empty(), "{summary}\n{}", shown.join("\n"));
    eprintln!("{summary}");
    (files, flows)
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// Replays one recording on a new data plane: its flows, and those that went elsewhere.
fn replay(recording: &Recording, method: ForwardingMethod) -> (usize, Vec<String>) {
    let mut director = Director::new(recording, method);
    let (mut flows, mut different) = (0, Vec::new());
    for (number, step) in recording.steps.iter().enumerate() {
        match step {
            Step::Flow { client, chosen } => {
                flows += 1;
                let expected = chosen.map(|chosen| director.seen_as(chosen));
                let served = director.flow(*client);
                if served != expected {
                    different.push(format!("step {}: {client} to {served:?}, kernel: {expected:?}", number + 1));
                }
            }
            Step::Finish { finish } => {
                director.send(*finish, TcpFlags::FIN | TcpFlags::ACK);
            }
            Step::Service { service } => director.edit_service(service),
            Step::Add { add } => director.put(add, true),
            Step::Edit { edit } => director.put(edit, false),
            Step::Delete { delete } => director.delete(delete),
        }
    }
    (flows, different)
}

/// A data plane with pins of its own, which go with it.
struct Director {
    plane: Option<Dataplane>,
    directory: PathBuf,
    interface: u32,
    service: ServiceKey,
    method: ForwardingMethod,
}

impl Director {
    fn new(recording: &Recording, method: ForwardingMethod) -> Self {
        let directory = std::env::temp_dir().join(format!("xlvs-scheduling-{method}-{}", std::process::id()));
        let service = ServiceKey { protocol: recording.protocol, endpoint: recording.service };
        let mut director = Self { plane: None, directory, interface: 0, service, method };
        let pin_directory = director.directory.clone();
        let options = Options { pin_directory, connections4: 4096, connections6: 4096 };
        director.plane = Some(Dataplane::open(&options).unwrap());
        director.interface = director.plane().attach("xlvs-a", false).unwrap().index;
        let options = service_options(recording.scheduler, &recording.flags);
        director.apply(Change::AddService { service, options, owned: true });
        recording.servers.iter().for_each(|server| director.put(server, true));
        director
    }

    fn plane(&mut self) -> &mut Dataplane {
        self.plane.as_mut().unwrap()
    }

    fn apply(&mut self, change: Change) {
        self.plane().apply(&change).unwrap();
    }

    fn edit_service(&mut self, edit: &ServiceEdit) {
        let options = service_options(edit.scheduler, &edit.flags);
        self.apply(Change::EditService { service: self.service, options, owned: true });
    }

    fn put(&mut self, server: &Server, add: bool) {
        let endpoint = self.seen_as(server.endpoint());
        let (method, weight) = (self.method, Weight::new(server.weight).unwrap());
        let hop = Hop { interface: self.interface, destination: mac_of(endpoint), source: DIRECTOR_MAC };
        let server = ServerState { server: RealServer { endpoint, method, weight }, reach: Reach::Via(hop) };
        let service = self.service;
        self.apply(if add { Change::AddServer { service, server } } else { Change::EditServer { service, server } });
    }

    fn delete(&mut self, server: &Server) {
        let (service, server) = (self.service, self.seen_as(server.endpoint()));
        self.apply(Change::RemoveServer { service, server });
    }

    /// A recorded server as it is configured here.
    fn seen_as(&self, mut server: Endpoint) -> Endpoint {
        if self.method == ForwardingMethod::DirectRouting {
            server.set_port(self.service.endpoint.port());
        }
        server
    }

    /// A new flow: a datagram, or SYN and ACK. The server it goes to.
    fn flow(&mut self, client: Endpoint) -> Option<Endpoint> {
        let server = self.send(client, TcpFlags::SYN);
        if self.service.protocol == Protocol::Tcp {
            assert_eq!(self.send(client, TcpFlags::ACK), server, "{client}: the second packet goes elsewhere");
        }
        server
    }

    fn send(&mut self, client: Endpoint, flags: u8) -> Option<Endpoint> {
        let to = self.service.endpoint;
        let from = packet().ethernet(CLIENT_MAC, DIRECTOR_MAC).ip(client.ip(), to.ip());
        let packet = match self.service.protocol {
            Protocol::Udp => from.udp(client.port(), to.port()),
            Protocol::Tcp => from.tcp(client.port(), to.port()).flags(flags),
        };
        let interface = self.interface;
        let (action, frame) = self.plane().inject(&packet.build().bytes, interface).unwrap();
        match action {
            XDP_DROP => None,
            XDP_TX => Some(self.receiver(&packet, &frame)),
            other => panic!("{client}: action {other}"),
        }
    }

    /// The server that a frame is on its way to: by address and port, or by link-layer address alone.
    fn receiver(&self, sent: &PacketBuilder, frame: &[u8]) -> Endpoint {
        todo!()
    }
}
