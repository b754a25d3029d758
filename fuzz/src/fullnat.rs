//! Laws of FullNAT.

use forward::abi::{Connection, FlowKey, KeyTail, Method, RealServer};
use forward::connection::{self, StateWord};
use forward::host::packet::DIRECTOR_MAC;
use forward::host::world::hop;
use forward::host::{HashTables, World, packet};
use forward::parse::Parse;
use forward::{Counter, Tables, Verdict, fullnat};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use wire::{TcpFlags, protocol};

const NETWORK: usize = 14;
/// The director's local addresses, of each family.
const LOCALS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 0, 5, 1)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 5, 0, 0, 0, 1))];
/// Kinds of the option that tells a client's address, with their lengths.
const TOLD: [[u8; 2]; 2] = [[254, 8], [253, 20]];
/// Number of an answer that is made up here.
const ANSWER: u32 = 7;

/// A living primary's reply entry is its own.
pub(crate) fn has_reply<A: Parse + KeyTail + std::fmt::Debug>(
    world: &World,
    key: &FlowKey<A>,
    primary: &Connection,
    server: &RealServer,
) where
    HashTables: Tables<A>,
{
    let reply_key = fullnat::reply_key(key, primary, server);
    let reply = world.tables.connection(&reply_key).unwrap_or_else(|| panic!("no reply entry for {key:?}"));
    assert!(StateWord(reply.state.get()).is_live(), "the reply entry of {key:?} is dead");
    assert!(fullnat::is_reply_of(reply, key, primary.server.get()), "{key:?}: another's reply entry");
}

/// No two living connections have the same local address and port towards one server.
pub(crate) fn places_are_of_one(world: &World) {
    let mut taken = HashSet::new();
    let mut take = |place: String| assert!(!taken.contains(&place) && taken.insert(place.clone()), "two have {place}");
    world.tables.entries4().for_each(|(key, entry)| place(world, key, entry).into_iter().for_each(&mut take));
    world.tables.entries6().for_each(|(key, entry)| place(world, key, entry).into_iter().for_each(&mut take));
}

fn place<A: Parse + KeyTail + std::fmt::Debug>(world: &World, key: &FlowKey<A>, entry: &Connection) -> Option<String> {
    let word = StateWord(entry.state.get());
    let counts = word.is_live() && word.has(StateWord::FULL_NAT) && !word.has(StateWord::REPLY);
    let server = world.tables.servers.get(entry.server.get() as usize)?;
    (counts && !connection::is_expired(entry, world.now))
        .then(|| format!("{:?}", fullnat::reply_key(key, entry, server)))
}

/// What a packet shows.
#[derive(Debug)]
struct Shown {
    protocol: u8,
    source: SocketAddr,
    destination: SocketAddr,
    /// Sequence number, acknowledgement and flags of a segment.
    segment: Option<(u32, u32, u8)>,
    /// Addresses that are told in options, in the order that they stand.
    told: Vec<SocketAddr>,
}

/// After a frame was forwarded: both without a tag.
pub(crate) fn check(world: &mut World, verdict: Verdict, before: &[u8], after: &[u8]) {
    if verdict.counter != Counter::ForwardIn {
        return;
    }
    let Some(server) = server_of(world, after) else { return };
    let (Some(sent), Some(arrives)) = (show(before), show(after)) else { return };
    if LOCALS.contains(&sent.source.ip()) {
        // Somebody who says that he is the director himself looks the same on both sides.
        return;
    }
    assert_ne!(arrives.source, sent.source, "a client's address leaves");
    let is_syn = sent.segment.is_none_or(|(_, _, flags)| flags & TcpFlags::SYN != 0);
    if is_syn {
        // Datagrams may carry none, and so may a segment without room.
        assert!(arrives.told.iter().all(|told| *told == sent.source), "{:?} of {}", arrives.told, sent.source);
    }
    answer(world, server, &sent, &arrives);
}

/// The FullNAT server that a frame is sent to.
fn server_of(world: &World, frame: &[u8]) -> Option<u32> {
    let [2, 0, 0, 1, high, low] = *frame.get(..6)? else { return None };
    let id = u32::from(u16::from_be_bytes([high, low]));
    let method = world.tables.servers.get(id as usize)?.port_and_method.get() >> 16;
    (method == Method::FullNat as u32).then_some(id)
}

/// The server's answer undoes what was done.
fn answer(world: &mut World, server: u32, sent: &Shown, arrives: &Shown) {
    let from_server = packet().ip(arrives.destination.ip(), arrives.source.ip());
    let (from, to) = (arrives.destination.port(), arrives.source.port());
    let reply = match arrives.segment {
        Some((sequence, _, _)) => from_server.tcp(from, to).numbers(ANSWER, sequence.wrapping_add(1)),
        None => from_server.udp(from, to),
    };
    let mut frame = reply.payload(b"x").ethernet(hop(server, 1).destination, DIRECTOR_MAC).build();
    let verdict = world.send(&mut frame);
    assert_eq!(verdict.counter, Counter::ForwardOut, "an answer to {arrives:?}");
    let back = show(&frame.bytes).unwrap_or_else(|| panic!("an answer that is none"));
    assert_eq!((back.source, back.destination), (sent.destination, sent.source), "where an answer goes");
    if let (Some((_, acknowledged, _)), Some((sequence, _, _))) = (back.segment, sent.segment) {
        assert_eq!(acknowledged, sequence.wrapping_add(1), "the client's own number");
    }
}

fn show(frame: &[u8]) -> Option<Shown> {
    let ip = frame.get(NETWORK..)?;
    let six = ip.first()? >> 4 == 6;
    let mut told = Vec::new();
    let (addresses, protocol, transport) = if six { show6(ip, &mut told)? } else { show4(ip, &mut told)? };
    let segment = ip.get(transport..)?;
    let port = |at: usize| Some(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?));
    let number = |at: usize| Some(u32::from_be_bytes(segment.get(at..at + 4)?.try_into().ok()?));
    let (source, destination) = (SocketAddr::new(addresses.0, port(0)?), SocketAddr::new(addresses.1, port(2)?));
    let mut shown = Shown { protocol, source, destination, segment: None, told };
    match shown.protocol {
        protocol::TCP => {
            shown.segment = Some((number(4)?, number(8)?, *segment.get(13)?));
            let end = usize::from(segment.get(12)? >> 4) * 4;
            told_by(segment.get(20..end.max(20)).unwrap_or_default(), &mut shown.told);
        }
        protocol::UDP => {}
        _ => return None,
    }
    Some(shown)
}

fn show4(ip: &[u8], told: &mut Vec<SocketAddr>) -> Option<((IpAddr, IpAddr), u8, usize)> {
    let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?));
    let transport = usize::from(ip.first()? & 15) * 4;
    if transport >= 28 && ip.get(20..22)? == [31, 8] {
        told.push(end(ip.get(22..28)?)?);
    }
    Some(((address(12)?, address(16)?), *ip.get(9)?, transport))
}

fn show6(ip: &[u8], told: &mut Vec<SocketAddr>) -> Option<((IpAddr, IpAddr), u8, usize)> {
    let address = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(ip.get(at..at + 16)?).ok()?));
    let (mut next, mut at) = (*ip.get(6)?, 40);
    if next == 60 && ip.get(42..44)? == [0x1e, 0x12] {
        told.push(end(ip.get(44..62)?)?);
    }
    while matches!(next, 0 | 43 | 60) {
        next = *ip.get(at)?;
        at += (usize::from(*ip.get(at + 1)?) + 1) * 8;
    }
    Some(((address(8)?, address(24)?), next, at))
}

/// A port and an address.
fn end(bytes: &[u8]) -> Option<SocketAddr> {
    let (port, address) = (u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]), bytes.get(2..)?);
    let address = match address.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
    };
    Some(SocketAddr::new(address, port))
}

/// Walks over the options of a segment.
fn told_by(mut options: &[u8], told: &mut Vec<SocketAddr>) {
    while let [kind, rest @ ..] = options {
        let length = match (kind, rest) {
            (0, _) => return,
            (1, _) => 1,
            (_, [length, ..]) if *length >= 2 => usize::from(*length),
            _ => return,
        };
        let Some(option) = options.get(..length) else { return };
        if TOLD.iter().any(|start| option.starts_with(start) && option.len() == usize::from(start[1])) {
            told.extend(option.get(2..).and_then(end));
        }
        options = options.get(length..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    //! Each law is broken by hand.

    use super::*;
    use forward::abi::SchedulerKind;
    use forward::host::{ServerSpec, SliceFrame};

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
    const VIRTUAL: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 1);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 3, 1);
    const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 1);

    fn world() -> World {
        let mut world = World::new(10);
        let server = ServerSpec { endpoint: (SERVER, 8080).into(), method: Method::FullNat, weight: 1, interface: 2 };
        world.service(protocol::TCP, (VIRTUAL, 80).into(), SchedulerKind::RoundRobin, &[server], &[]);
        world.localize(0, VIRTUAL.into(), &[(LOCAL.into(), 1, 2000, 10)]);
        world
    }

    /// A SYN through the director, and the law with what `change` makes of it.
    fn connect(world: &mut World, port: u16, change: fn(&mut SliceFrame)) {
        let before = packet().ipv4(CLIENT, VIRTUAL).tcp(port, 80).syn().build();
        let mut frame = before.clone();
        let verdict = world.send(&mut frame);
        change(&mut frame);
        check(world, verdict, &before.bytes, &frame.bytes);
    }

    #[test]
    fn the_laws_hold() {
        let mut world = world();
        connect(&mut world, 4000, |_| ());
        connect(&mut world, 4001, |_| ());
        places_are_of_one(&world);
    }

    #[test]
    #[should_panic(expected = "a client's address leaves")]
    fn a_clients_address_is_found() {
        connect(&mut world(), 4000, |frame| {
            frame.bytes[26..30].copy_from_slice(&CLIENT.octets());
            frame.bytes[34..36].copy_from_slice(&4000_u16.to_be_bytes());
        });
    }

    #[test]
    #[should_panic(expected = "of 10.0.1.1:4000")]
    fn a_wrong_name_is_found() {
        connect(&mut world(), 4000, |frame| frame.bytes[58] ^= 1);
    }

    #[test]
    #[should_panic(expected = "an answer to")]
    fn an_answer_that_goes_astray_is_found() {
        connect(&mut world(), 4000, |frame| frame.bytes[35] ^= 1);
    }

    #[test]
    #[should_panic(expected = "two have")]
    fn a_place_of_two_is_found() {
        let mut world = world();
        connect(&mut world, 4000, |_| ());
        connect(&mut world, 4001, |_| ());
        world.tables.entries4().for_each(|(_, entry)| {
            if !StateWord(entry.state.get()).has(StateWord::REPLY) {
                entry.port.set(2000);
            }
        });
        places_are_of_one(&world);
    }
}
