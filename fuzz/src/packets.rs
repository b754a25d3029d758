//! A whole story on the host, and the laws of forwarding after each step.

use crate::fullnat;
use crate::story::{self, Pause, Step, Story};
use forward::abi::{Connection, FlowKey, KeyTail};
use forward::connection::{self, StateWord};
use forward::host::{SliceFrame, World, verify};
use forward::parse::Parse;
use forward::{Action, Counter, Tables, address, steer, tcp_state};
use std::collections::BTreeMap;

/// Defects that nothing goes through with: the network header is checked. Whatever else is wrong is the receiver's to
/// judge, and must stay as wrong as it was.
const NEVER: [&str; 6] =
    ["too short", "IPv4 lengths", "IPv4 header checksum", "time to live", "IPv6 lengths", "hop limit"];

pub(crate) fn run(data: &[u8]) {
    let Some(story) = Story::read(data) else { return };
    let mut world = story.world();
    for step in &story.steps {
        happen(&mut world, step);
        loads_are_exact(&world);
        primaries_have_replies(&world);
        fullnat::places_are_of_one(&world);
    }
    nothing_is_left(&mut world);
}

fn happen(world: &mut World, step: &Step) {
    match step {
        Step::Wait(pause) => world.wait(pause.seconds()),
        Step::Sweep => story::sweep(world),
        Step::Server(number, edit) => story::edit(world, *number, *edit),
        _ => {
            if let Some(frame) = step.frame() {
                send(world, frame);
            }
        }
    }
}

/// One frame: counted once, valid if it leaves, untouched if not.
fn send(world: &mut World, mut frame: SliceFrame) {
    let before = frame.bytes.clone();
    // Errors of our own are counted beside the packets they are about.
    let beside = |world: &World| {
        [Counter::AnswerSent, Counter::AnswerLimited]
            .into_iter()
            .map(|counter| world.tables.counter(counter))
            .sum::<u64>()
    };
    let count = |world: &World| world.tables.counters.iter().map(std::cell::Cell::get).sum::<u64>() - beside(world);
    let counted = count(world);
    let verdict = world.send(&mut frame);
    assert_eq!(count(world), counted + 1, "one packet, one counter");
    if verdict.action != Action::Forward {
        assert_eq!(frame.bytes, before, "{} changed the frame", verdict.counter.name());
        return;
    }
    let (defect, after) = (verify::defect(&untagged(&before)), verify::defect(&untagged(&frame.bytes)));
    if verdict.counter.is_drop() {
        // An error about it, valid itself; what was wrong with the transport may be seen in the quotation, behind what
        // may have been the reason for the error.
        let defect = verify::defect(&with_hops(untagged(&before)));
        assert!(after.is_none() || after == defect, "{after:?} in an answer to {defect:?}");
        return;
    }
    assert_eq!(defect, after, "before and after {}", verdict.counter.name());
    assert!(defect.is_none_or(|defect| !NEVER.contains(&defect)), "{defect:?} leaves");
    fullnat::check(world, verdict, &untagged(&before), &untagged(&frame.bytes));
}

/// The frame without its VLAN tag.
fn untagged(frame: &[u8]) -> Vec<u8> {
    match (frame.get(12..14), frame.get(..12), frame.get(16..)) {
        (Some([0x81, 0x00] | [0x88, 0xa8]), Some(addresses), Some(rest)) => [addresses, rest].concat(),
        _ => frame.to_vec(),
    }
}

/// The frame as if its hops were not used up.
fn with_hops(mut frame: Vec<u8>) -> Vec<u8> {
    if frame.get(12..14) == Some(&[0x86, 0xdd]) {
        frame.splice(21..22, [64]);
        return frame;
    }
    let header = usize::from(frame.get(14).copied().unwrap_or(0) & 15) * 4;
    if let Some(ip) = frame.get_mut(14..14 + header.max(20)) {
        ip[8] = 64;
        ip[10..12].fill(0);
        let sum = wire::Checksum::new().add_bytes(ip).finish();
        ip[10..12].copy_from_slice(&sum.bits().to_ne_bytes());
    }
    frame
}

/// Active and inactive connections of every server are its live primaries.
fn loads_are_exact(world: &World) {
    let mut expected = BTreeMap::<u32, (u32, u32)>::new();
    let mut count = |protocol: u8, entry: &Connection| {
        let word = StateWord(entry.state.get());
        assert!(!word.is_busy(), "an entry stayed in the hands of a packet");
        if !word.is_live() || word.has(StateWord::REPLY) {
            return;
        }
        let (active, inactive) = expected.entry(entry.server.get()).or_default();
        let is_active = protocol == wire::protocol::TCP && tcp_state::is_active(word.state());
        *(if is_active { active } else { inactive }) += 1;
    };
    world.tables.entries4().for_each(|(key, entry)| count(key.protocol, entry));
    world.tables.entries6().for_each(|(key, entry)| count(key.protocol, entry));
    for (id, load) in (0..).zip(world.tables.loads.iter().take(10)) {
        let seen = (load.active.get(), load.inactive.get());
        assert_eq!(seen, expected.remove(&id).unwrap_or_default(), "active and inactive connections of server {id}");
    }
    assert!(expected.is_empty(), "connections of servers that are none: {expected:?}");
}

/// No packet of a NAT connection goes out that could not come back.
fn primaries_have_replies(world: &World) {
    world.tables.entries4().for_each(|(key, entry)| has_reply(world, key, entry));
    world.tables.entries6().for_each(|(key, entry)| has_reply(world, key, entry));
}

fn has_reply<A: Parse + KeyTail + std::fmt::Debug>(world: &World, key: &FlowKey<A>, entry: &Connection)
where
    forward::host::HashTables: Tables<A>,
{
    let word = StateWord(entry.state.get());
    if !word.is_live() || word.has(StateWord::REPLY) || connection::is_expired(entry, world.now) {
        return;
    }
    let Some(server) = world.tables.servers.get(entry.server.get() as usize) else { return };
    if word.has(StateWord::FULL_NAT) {
        return fullnat::has_reply(world, key, entry, server);
    }
    if !steer::is_nat(server) {
        return;
    }
    let (rip, port) = steer::nat_endpoint::<A>(server);
    let reply_key = steer::reply_key(key, rip, port);
    let reply = world.tables.connection(&reply_key);
    let reply = reply.unwrap_or_else(|| panic!("no reply entry for {key:?}"));
    let reply_word = StateWord(reply.state.get());
    assert!(reply_word.is_live() && reply_word.has(StateWord::REPLY), "the reply entry of {key:?} is dead");
    let virtual_endpoint = (address::load::<A>(&reply.address), reply.port.get());
    assert!(virtual_endpoint == (key.destination, u32::from(key.destination_port.0)), "{key:?}: another's reply entry");
    assert_eq!(reply.server.get(), entry.server.get(), "{key:?}: the reply of another server");
}

/// All time-outs over and the sweeper by: no entry, no load.
fn nothing_is_left(world: &mut World) {
    for pause in [Pause::Established, Pause::Grace, Pause::Grace, Pause::Grace] {
        world.wait(pause.seconds());
        story::sweep(world);
    }
    assert_eq!(world.tables.connections(), 0, "entries are left");
    loads_are_exact(world);
}

#[cfg(test)]
mod tests {
    //! A law that nothing can break proves nothing: each is broken here by hand.

    use super::*;
    use forward::abi::{Address4, Method, SchedulerKind};
    use forward::host::{ServerSpec, packet};
    use std::net::{Ipv4Addr, SocketAddr};

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
    const VIRTUAL: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 1);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 3, 1);

    /// A director with one NAT connection.
    fn connected() -> World {
        let mut world = World::new(10);
        let endpoint = SocketAddr::from((SERVER, 8080));
        let server = ServerSpec { endpoint, method: Method::Nat, weight: 1, interface: 2 };
        let service = SocketAddr::from((VIRTUAL, 80));
        world.service(wire::protocol::TCP, service, SchedulerKind::RoundRobin, &[server], &[]);
        send(&mut world, packet().ipv4(CLIENT, VIRTUAL).tcp(4000, 80).syn().build());
        loads_are_exact(&world);
        primaries_have_replies(&world);
        assert_eq!(world.tables.connections(), 2);
        world
    }

    #[test]
    #[should_panic(expected = "active and inactive connections of server 1")]
    fn a_wrong_load_is_found() {
        let world = connected();
        world.tables.loads[1].inactive.set(7);
        loads_are_exact(&world);
    }

    #[test]
    #[should_panic(expected = "no reply entry")]
    fn a_missing_reply_is_found() {
        let world = connected();
        let replies = world.tables.entries4().filter(|(_, entry)| StateWord(entry.state.get()).has(StateWord::REPLY));
        let keys: Vec<FlowKey<Address4>> = replies.map(|(key, _)| *key).collect();
        keys.iter().for_each(|key| Tables::<Address4>::remove(&world.tables, key));
        primaries_have_replies(&world);
    }

    #[test]
    #[should_panic(expected = "entries are left")]
    fn a_leak_is_found() {
        let mut world = connected();
        world.tables.settings.tcp_timeouts.iter().for_each(|cell| cell.set(u32::MAX / 4));
        world.tables.entries4().for_each(|(_, entry)| entry.timeout.set(u32::MAX / 4));
        nothing_is_left(&mut world);
    }
}
