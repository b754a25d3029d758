//! Captures: what is copied, and that nothing is left of one.

use super::{add_service, in_namespace, key, options, server};
use crate::hold::{Hold, Hook};
use crate::{Dataplane, load, pins::names_in};
use forward::Counter;
use forward::capture::{Ends, Record, Wanted};
use forward::host::packet;
use model::{Change, Scheduler};

/// A plane attached to `xlvs-a`, with a service at 10.9.0.1:80.
fn plane(directory: &std::path::Path) -> Dataplane {
    let mut plane = Dataplane::open(&options(directory)).unwrap();
    let service = key("10.9.0.1:80");
    plane.apply(&add_service(service, Scheduler::RoundRobin)).unwrap();
    plane.apply(&Change::AddServer { service, server: server("10.8.0.1:80", 1) }).unwrap();
    plane.attach("xlvs-a", None, false).unwrap();
    plane
}

/// A SYN from `port` to 10.9.0.1, as `xlvs-a` would receive it.
fn inject(plane: &Dataplane, port: u16, to: u16) {
    let link = crate::interface::Link::by_name("xlvs-a").unwrap();
    let frame = packet()
        .ethernet(wire::MacAddress([2, 0, 0, 0, 0, 7]), link.address)
        .ip("198.51.100.7".parse().unwrap(), "10.9.0.1".parse().unwrap())
        .tcp(port, to)
        .syn()
        .build();
    plane.inject(&frame.bytes, link.index).unwrap();
}

fn records(plane: &mut Dataplane) -> Vec<(Record, Vec<u8>)> {
    let mut records = Vec::new();
    plane
        .captured(&mut |record, bytes| {
            records.push((*record, bytes.to_vec()));
            true
        })
        .unwrap();
    records
}

fn capture(plane: &mut Dataplane, wanted: Wanted) {
    plane.end_capture().unwrap();
    let loaded = plane.prepare_capture(&wanted).unwrap().load().unwrap();
    plane.begin_capture(loaded).unwrap();
}

fn running(plane: &Dataplane) -> u32 {
    let index = crate::interface::Link::by_name("xlvs-a").unwrap().index;
    Hold::find(&plane.pins.links(), index, Hook::Xdp).unwrap().program().unwrap()
}

/// The pins of a capture that no link runs yet are not those of an old generation.
#[test]
#[ignore = "needs root"]
fn an_attach_while_a_capture_loads_leaves_it_alone() {
    in_namespace("capture-load", |directory| {
        let mut plane = plane(directory);
        let loaded = plane.prepare_capture(&Wanted { rate: 100, ..Wanted::default() }).unwrap().load().unwrap();
        plane.attach("xlvs-a", None, false).unwrap();
        plane.begin_capture(loaded).unwrap();
        inject(&plane, 4000, 80);
        let looks: Vec<_> = records(&mut plane).iter().map(|(record, _)| (record.look, record.counter)).collect();
        let forwarded = Counter::ForwardIn as u32;
        assert_eq!(looks, [(Record::ARRIVED, forwarded), (Record::LEAVES, forwarded)]);
        plane.end_capture().unwrap();
        assert!(!names_in(&plane.schema_directory).contains(&load::capture_name()));
    });
}

#[test]
#[ignore = "needs root"]
fn packets_are_copied_as_they_come_and_as_they_leave() {
    in_namespace("capture", |directory| {
        let mut plane = plane(directory);
        let ordinary = running(&plane);
        inject(&plane, 4000, 80);
        assert_eq!(records(&mut plane), []);
        capture(&mut plane, Wanted { rate: 100, ..Wanted::default() });
        assert_ne!(running(&plane), ordinary);
        inject(&plane, 4001, 80);
        inject(&plane, 4001, 81);
        let found = records(&mut plane);
        let looks: Vec<_> = found.iter().map(|(record, _)| (record.look, record.counter)).collect();
        let (forwarded, passed) = (Counter::ForwardIn as u32, Counter::PassNoService as u32);
        let expected = [(Record::ARRIVED, forwarded), (Record::LEAVES, forwarded), (Record::ARRIVED, passed)];
        assert_eq!(looks, expected);
        for (record, bytes) in &found {
            assert_eq!((record.length as usize, record.captured as usize), (bytes.len(), bytes.len()));
        }
        let ends = |place: usize| {
            Ends::of(&forward::host::SliceFrame { bytes: found[place].1.clone(), ingress: 0, joined: false })
        };
        assert_eq!(ends(0).destination, forward::capture::mapped(u32::from_ne_bytes([10, 9, 0, 1])));
        assert_eq!(ends(1).destination, forward::capture::mapped(u32::from_ne_bytes([10, 8, 0, 1])));
        assert_eq!((found[0].0.outlet, found[1].0.interface), (2, 2));
        // One a second.
        capture(&mut plane, Wanted { rate: 1, drops: 1, ..Wanted::default() });
        inject(&plane, 4001, 80);
        assert_eq!(records(&mut plane), [], "it is no drop");
        capture(&mut plane, Wanted { rate: 0, ..Wanted::default() });
        inject(&plane, 4001, 80);
        assert_eq!(records(&mut plane), []);
        assert_eq!(plane.captured(&mut |_, _| true).unwrap().rate, 1);
        plane.end_capture().unwrap();
        assert_eq!(running(&plane), ordinary);
        assert!(!names_in(&plane.schema_directory).contains(&load::capture_name()));
    });
}

#[test]
#[ignore = "needs root"]
fn a_capture_ends_with_its_daemon() {
    in_namespace("capture-end", |directory| {
        let plane_before = {
            let mut plane = plane(directory);
            let ordinary = running(&plane);
            capture(&mut plane, Wanted { rate: 100, ..Wanted::default() });
            assert_ne!(running(&plane), ordinary);
            ordinary
        };
        let plane = Dataplane::open(&options(directory)).unwrap();
        assert_eq!(running(&plane), plane_before);
        assert!(!names_in(&plane.schema_directory).contains(&load::capture_name()));
        inject(&plane, 4000, 80);
        assert_eq!(plane.counters()["forward_in"], 1);
    });
}
