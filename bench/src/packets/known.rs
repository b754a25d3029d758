//! Packets that begin nothing: of established connections, in either direction, and of strangers.

use super::director::Director;
use super::floor::XDP_TX;
use super::flow::{self, Flow};
use super::harness::{Sequence, Traffic};
use super::measure::{Bench, Expectation, Measured, steady};
use super::network::{Network, SERVERS};
use super::object::Object;
use anyhow::{Context, Result, ensure};
use forward::abi::{Connection, SchedulerKind, Statistics};
use forward::connection::StateWord;
use forward::host::{PacketBuilder, World};
use forward::{Action, Counter, TcpState, Time};
use nix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::thread::sleep;
use std::time::Duration;
use wire::TcpFlags;

const XDP_PASS: u32 = 2;
const PACKETS: u32 = 300_000;
const ETHERNET: u64 = 14;
const MAC_ADDRESSES: usize = 12;

/// Requests of `flows` clients whose connections are established.
pub(super) fn requests(objects: &[Object], network: &Network, flows: u32, count: u32) -> Result<Measured> {
    let mut labs = labs(objects, network)?;
    labs.iter().try_for_each(|lab| lab.establish(flows))?;
    if network.is_full_nat() && network.is_tcp() {
        labs.iter_mut().try_for_each(|lab| lab.director.tell())?;
    }
    let benches = before(&labs, |lab| lab.bench(network.request(FIRST), flows, Sequence::shuffled(flows), FORWARD_IN))?;
    let measured = steady(count, &benches, PACKETS)?;
    labs.iter().zip(&benches).try_for_each(|(lab, bench)| lab.check_all_seen(bench, flows, false))?;
    Ok(measured)
}

/// Requests of one client, each of which completes the handshake.
pub(super) fn told(objects: &[Object], network: &Network, count: u32) -> Result<Measured> {
    let labs = labs(objects, network)?;
    let answer = network.reply(SERVERS, FIRST).flags(TcpFlags::SYN | TcpFlags::ACK);
    for lab in &labs {
        lab.establish(1)?;
        lab.bench(answer.clone(), 1, Sequence::ENDLESS, FORWARD_OUT)?.run(1)?;
    }
    let benches = before(&labs, |lab| lab.bench(network.request(FIRST), 1, Sequence::ENDLESS, FORWARD_IN))?;
    let measured = steady(count, &benches, PACKETS)?;
    labs.iter().zip(&benches).try_for_each(|(lab, bench)| lab.check_all_seen(bench, 1, false))?;
    Ok(measured)
}

/// Replies of the server of one established connection.
pub(super) fn replies(objects: &[Object], network: &Network, count: u32) -> Result<Measured> {
    let labs = labs(objects, network)?;
    // The list is newest first, and rr begins at its head.
    let reply = |flags| network.reply(SERVERS, FIRST).flags(flags);
    for lab in &labs {
        lab.establish(1)?;
        lab.bench(reply(TcpFlags::SYN | TcpFlags::ACK), 1, Sequence::ENDLESS, FORWARD_OUT)?.run(1)?;
        lab.bench(network.request(FIRST), 1, Sequence::ENDLESS, FORWARD_IN)?.run(1)?;
    }
    let benches = before(&labs, |lab| lab.bench(reply(TcpFlags::ACK), 1, Sequence::ENDLESS, FORWARD_OUT))?;
    let measured = steady(count, &benches, PACKETS)?;
    labs.iter().zip(&benches).try_for_each(|(lab, bench)| lab.check_all_seen(bench, 1, true))?;
    Ok(measured)
}

/// Packets between others.
pub(super) fn strangers(objects: &[Object], network: &Network, count: u32) -> Result<Measured> {
    let labs = labs(objects, network)?;
    let not_ours = Way { counter: Counter::PassNotOurs, action: XDP_PASS, opens: false };
    let benches = before(&labs, |lab| lab.bench(network.stranger(), 1, Sequence::ENDLESS, not_ours))?;
    steady(count, &benches, PACKETS)
}

/// The same traffic before each of them.
fn before<'a>(labs: &'a [Lab], bench: impl Fn(&'a Lab) -> Result<Bench<'a>>) -> Result<Vec<Bench<'a>>> {
    labs.iter().map(bench).collect()
}

fn labs(objects: &[Object], network: &Network) -> Result<Vec<Lab>> {
    objects.iter().map(|object| Lab::new(object, network, SchedulerKind::RoundRobin)).collect()
}

/// The flow that a frame shows which is not varied.
const FIRST: Flow = Flow::new(0);

/// What a packet is counted as, and whether it opens a connection.
#[derive(Clone, Copy)]
pub(super) struct Way {
    counter: Counter,
    action: u32,
    opens: bool,
}

pub(super) const FORWARD_IN: Way = Way { counter: Counter::ForwardIn, action: XDP_TX, opens: false };
pub(super) const OPEN: Way = Way { counter: Counter::ForwardIn, action: XDP_TX, opens: true };
const FORWARD_OUT: Way = Way { counter: Counter::ForwardOut, action: XDP_TX, opens: false };

/// A director in the kernel and its twin on the host.
pub(super) struct Lab {
    network: Network,
    world: RefCell<World>,
    pub(super) director: Director,
}

impl Lab {
    pub(super) fn new(object: &Object, network: &Network, scheduler: SchedulerKind) -> Result<Self> {
        let world = network.world(scheduler);
        let director = Director::new(object, network.six, &world.tables)?;
        Ok(Self { network: *network, world: RefCell::new(world), director })
    }

    /// Opens `flows` connections, the TCP ones with a handshake as far as the director sees one from the client.
    pub(super) fn establish(&self, flows: u32) -> Result<()> {
        let network = self.network;
        self.bench(network.request(FIRST).syn(), flows, Sequence::ENDLESS, OPEN)?.run(flows)?;
        if network.is_tcp() {
            self.bench(network.request(FIRST), flows, Sequence::ENDLESS, FORWARD_IN)?.run(flows)?;
        }
        Ok(())
    }

    /// This packet before the director and before the floor; varied if there are several flows. What the director
    /// rewrites in it, its twin says.
    pub(super) fn bench(&self, packet: PacketBuilder, flows: u32, sequence: Sequence, way: Way) -> Result<Bench<'_>> {
        let mut frame = packet.build();
        let bytes = frame.bytes.len() as u64 - ETHERNET;
        if flows > 1 {
            flow::balance(&mut frame.bytes, self.network.shape(), FIRST);
        }
        let original = frame.bytes.clone();
        let verdict = self.world.borrow_mut().send(&mut frame);
        ensure!(
            verdict.counter == way.counter && (verdict.action == Action::Forward) == (way.action == XDP_TX),
            "the host twin says {}",
            verdict.counter.name()
        );
        // The floor rewrites the MAC addresses, whatever the director does.
        let grown = frame.bytes.len() - original.len();
        // What a tunnel puts before the packet stands where the link header was; an option moves all headers.
        let front = match grown {
            0 => MAC_ADDRESSES,
            _ if self.network.is_full_nat() => original.len() & !7,
            _ => ETHERNET as usize,
        };
        let rewritten = (0..).zip(original.iter().zip(&frame.bytes[grown..]));
        let traffic = Traffic {
            rewritten: rewritten.map(|(at, (before, after))| at < front || before != after).collect(),
            grown,
            frame: original,
            flows: (flows > 1).then(|| (sequence, flow::fields(self.network.shape()))),
        };
        Bench::new(&self.director, &traffic, expectation(way, bytes))
    }

    /// One more packet of each flow reaches the entry of its own (`of_replies`: the server's direction), and all
    /// connections are established.
    fn check_all_seen(&self, bench: &Bench<'_>, flows: u32, of_replies: bool) -> Result<()> {
        sleep(Duration::from_nanos(2 << Time::TICK_SHIFT));
        let start = tick()?;
        bench.run(flows)?;
        let entries = self.director.connections()?;
        let wanted = (flows * self.network.entries()) as usize;
        ensure!(entries.len() == wanted, "{} entries, not {wanted}: flows are not distinct", entries.len());
        let is_reply = |entry: &&Connection| StateWord(entry.state.get()).has(StateWord::REPLY);
        let is_seen = |entry: &&Connection| entry.last_seen.get().wrapping_sub(start) <= u32::MAX / 2;
        let seen = entries.iter().filter(|entry| is_reply(entry) == of_replies && is_seen(entry)).count();
        ensure!(seen == flows as usize, "{seen} of {flows} entries saw a packet: not every flow was sent");
        let is_steady = |word: StateWord| {
            let state = if self.network.is_tcp() { TcpState::Established } else { TcpState::None };
            word.has(StateWord::REPLY) || word.state() == state as u8
        };
        let odd = entries.iter().filter(|entry| !is_steady(StateWord(entry.state.get()))).count();
        ensure!(odd == 0, "{odd} of {wanted} connections are not established");
        Ok(())
    }
}

fn expectation(way: Way, bytes: u64) -> Expectation {
    let (is_in, is_out) = (way.counter == Counter::ForwardIn, way.counter == Counter::ForwardOut);
    Expectation {
        action: way.action,
        counter: way.counter,
        each: Statistics {
            connections: u64::from(way.opens),
            in_packets: u64::from(is_in),
            in_bytes: if is_in { bytes } else { 0 },
            out_packets: u64::from(is_out),
            out_bytes: if is_out { bytes } else { 0 },
        },
    }
}

/// The clock of the programs.
fn tick() -> Result<u32> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).context("reading the coarse clock")?;
    Ok(Time(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64).tick())
}
