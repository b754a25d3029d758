//! Datagrams with and without the option, answers, and their fragments.

use super::*;
use crate::agent::host::{self, HostServer, Memory};
use crate::cases::agent as cases;
use crate::host::packet::packet;
use std::net::IpAddr;
use std::vec::Vec;

const NETWORK: usize = 14;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Director, server, client.
fn hosts(six: bool) -> [IpAddr; 3] {
    if six { ["fd00::1", "fd00::11", "2001:db8::7"].map(ip) } else { ["10.0.0.1", "10.0.0.11", "192.0.2.7"].map(ip) }
}

fn told() -> HostServer {
    HostServer { directors: [hosts(false)[0], hosts(true)[0]].into(), ..HostServer::default() }
}

/// docs/toa.md: 0x1f 8, and 0x11 2, 0x1e 0x12, with port 4660.
fn with_option(six: bool, from: IpAddr) -> Vec<u8> {
    let [_, server, client] = hosts(six);
    let plain = packet().ip(from, server).udp(20_000, 53).payload(b"ask").build().bytes;
    match client {
        IpAddr::V4(client) => {
            let option = [&[31, 8, 0x12, 0x34][..], &client.octets()].concat();
            packet().ip(from, server).options(&option).udp(20_000, 53).payload(b"ask").build().bytes
        }
        IpAddr::V6(client) => {
            let header = [&[17, 2, 0x1e, 0x12, 0x12, 0x34][..], &client.octets(), &[1, 0]].concat();
            let mut bytes = [&plain[..NETWORK + 40], &header, &plain[NETWORK + 40..]].concat();
            bytes[NETWORK + 6] = 60;
            bytes[NETWORK + 5] += 24;
            bytes
        }
    }
}

fn come(frame: &Vec<u8>, memory: &Memory) -> Fate {
    incoming(frame, frame.read(NETWORK - 2).unwrap(), NETWORK, 3, &told(), memory)
}

fn go(frame: &Vec<u8>, memory: &Memory) -> Fate {
    outgoing(frame, frame.read(NETWORK - 2).unwrap(), NETWORK, memory)
}

fn changed(fate: Fate) -> Change {
    let Fate::Change(change) = fate else { panic!("{fate:?}") };
    change
}

#[test]
fn a_named_client_is_remembered_and_answers_find_the_way_back() {
    for six in [false, true] {
        let ([director, server, client], memory) = (hosts(six), Memory::default());
        let plain = packet().ip(director, server).udp(20_000, 53).payload(b"ask").build().bytes;
        assert_eq!(come(&plain, &memory), Fate::Pass(Reception::UoaMissing));
        let named = changed(come(&with_option(six, director), &memory));
        let cut = if six { 24 } else { 8 };
        let fixed = if six { 40 } else { 20 };
        assert_eq!((named.reception, named.cut, named.next, named.six), (Reception::UoaNamed, cut, 17, six));
        assert_eq!((named.transport, named.interface), (NETWORK + fixed, 0));
        assert_eq!((named.before.port, named.after.port), (20_000_u16.to_be(), 4660_u16.to_be()));
        let known = changed(come(&plain, &memory));
        assert_eq!((known.reception, known.cut, known.after), (Reception::UoaKnown, 0, named.after));

        let answer = changed(go(&packet().ip(server, client).udp(53, 4660).payload(b"told").build().bytes, &memory));
        assert_eq!((answer.before, answer.after, answer.interface), (named.after, named.before, 3));
        assert_eq!(answer.transport, NETWORK + fixed);
        for other in [packet().ip(server, client).udp(53, 4661), packet().ip(server, client).udp(54, 4660)] {
            assert_eq!(go(&other.build().bytes, &memory), Fate::Ordinary);
        }
        assert_eq!(go(&packet().ip(server, client).tcp(53, 4660).build().bytes, &memory), Fate::Ordinary);
    }
}

#[test]
fn nobody_else_is_believed() {
    for six in [false, true] {
        let ([_, server, client], memory) = (hosts(six), Memory::default());
        assert_eq!(come(&with_option(six, client), &memory), Fate::Pass(Reception::UoaUntrusted));
        let plain = packet().ip(client, server).udp(20_000, 53).build().bytes;
        assert_eq!(come(&plain, &memory), Fate::Ordinary);
    }
}

#[test]
fn fragments_of_an_answer_go_the_way_of_the_first_and_those_that_come_are_left_alone() {
    let ([director, server, client], memory) = (hosts(false), Memory::default());
    changed(come(&with_option(false, director), &memory));
    let answer = |bits| packet().ip(server, client).udp(53, 4660).fragment(bits).payload(&[7; 64]).build().bytes;
    assert_eq!(go(&answer(0x0010), &memory), Fate::Ordinary, "a later one before the first");
    let first = changed(go(&answer(0x2000), &memory));
    let later = changed(go(&answer(0x0010), &memory));
    assert_eq!((later.transport, later.after, later.interface), (0, first.after, 3));
    let incoming = packet().ip(director, server).udp(20_000, 53).fragment(0x2000).payload(&[7; 64]).build().bytes;
    assert_eq!(come(&incoming, &memory), Fate::Ordinary);
}

#[test]
fn what_is_cut_off_changes_nothing() {
    for six in [false, true] {
        let whole = with_option(six, hosts(six)[0]);
        let headers = whole.len() - 3;
        for length in NETWORK..headers {
            let memory = Memory::default();
            assert_eq!(come(&whole[..length].to_vec(), &memory), Fate::Ordinary, "cut off at {length}");
        }
    }
}

#[test]
fn every_passage_on_the_host() {
    let (server, memory) = (cases::server(), Memory::default());
    for passage in cases::passages() {
        let (frame, kind) = (&passage.frame, passage.frame.read(NETWORK - 2).unwrap());
        let fate = if passage.outgoing {
            outgoing(frame, kind, NETWORK, &memory)
        } else {
            incoming(frame, kind, NETWORK, 1, &server, &memory)
        };
        let (counted, bytes) = match fate {
            Fate::Ordinary => (None, frame.clone()),
            Fate::Pass(reception) => (Some(reception), frame.clone()),
            Fate::Change(change) => (Some(change.reception), host::changed(frame, &change, !passage.outgoing)),
        };
        assert_eq!(counted, passage.counted, "{}", passage.name);
        assert_eq!(bytes, passage.changed, "{}", passage.name);
    }
}
