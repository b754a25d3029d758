//! What is sent: frames of many flows, by an XDP program over live frames, as a driver would hand them over.

use super::address;
use super::kthread::stay_on;
use crate::bpf::syscall;
use crate::packets::flow::{Flow, Shape, balance, fields};
use crate::packets::harness::{Sequence, Traffic, assemble};
use ::lab::net::Device;
use anyhow::{Context, Result};
use forward::host::packet;
use nix::unistd::Pid;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, OwnedFd};
use wire::MacAddress;

const XDP_TX: i32 = 3;
/// Frames of 64 bytes.
const UDP_PAYLOAD: [u8; 22] = [0; 22];
const TCP_PAYLOAD: [u8; 10] = [0; 10];

/// Which packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// UDP from so many clients in turn (a power of two), to a service or a server.
    Known { flows: u32 },
    /// The first server's UDP to so many clients in turn.
    Reply { flows: u32 },
    /// TCP SYNs, each of a new client.
    New,
}

/// Sends one kind of packets from one device.
pub(super) struct Generator {
    program: OwnedFd,
    _number: OwnedFd,
    frame: Vec<u8>,
    device: Device,
    index: u32,
}

impl Generator {
    /// From `device`, to the director's end of its link. `target` is where clients send to.
    pub(super) fn new(device: &Device, director: MacAddress, kind: Kind, target: (IpAddr, u16)) -> Result<Self> {
        let number = syscall::create_map(syscall::ARRAY).context("creating the generator's state")?;
        let traffic = traffic(device.mac()?, director, kind, target);
        let mut program = assemble(&traffic, number.as_fd());
        program.leave(XDP_TX);
        let program = syscall::load("bench_generator", program.instructions()).context("loading the generator")?;
        let index = device.index()?;
        Ok(Self { program, _number: number, frame: traffic.frame, device: device.clone(), index })
    }

    /// Sends `count` packets, of which those are lost that the receiver has no room for.
    pub(super) fn send(&self, count: u32, cpu: usize) -> Result<()> {
        self.device.namespace.run(|| {
            stay_on(Pid::from_raw(0), cpu)?;
            syscall::send_live(self.program.as_fd(), &self.frame, count, self.index).context("sending live frames")
        })
    }
}

/// Pages of live frames come back with the director's edits: every word is written each time.
fn traffic(own: MacAddress, director: MacAddress, kind: Kind, target: (IpAddr, u16)) -> Traffic {
    let shape = Shape { six: false, tcp: kind == Kind::New, reply: matches!(kind, Kind::Reply { .. }) };
    let sequence = match kind {
        Kind::Known { flows } | Kind::Reply { flows } => Sequence::shuffled(flows),
        Kind::New => Sequence::ENDLESS,
    };
    let flow = Flow::new(0);
    let mut frame = frame(own, director, kind, target, flow);
    balance(&mut frame, shape, flow);
    Traffic { rewritten: vec![true; frame.len()], grown: 0, frame, flows: Some((sequence, fields(shape))) }
}

fn frame(own: MacAddress, director: MacAddress, kind: Kind, (to, port): (IpAddr, u16), flow: Flow) -> Vec<u8> {
    let packet = packet().ethernet(own, director);
    let (client, client_port) = (client(flow), u16::from_be(flow.port));
    match kind {
        Kind::Known { .. } => packet.ip(client, to).payload(&UDP_PAYLOAD).udp(client_port, port),
        Kind::Reply { .. } => {
            packet.ip(address::server(1).v4.into(), client).payload(&UDP_PAYLOAD).udp(port, client_port)
        }
        Kind::New => packet.ip(client, to).payload(&TCP_PAYLOAD).tcp(client_port, port).syn(),
    }
    .build()
    .bytes
}

fn client(flow: Flow) -> IpAddr {
    let [high, low] = flow.address.to_ne_bytes();
    Ipv4Addr::new(10, 1, high, low).into()
}
