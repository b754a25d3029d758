//! The tc lane, where hosts leave checksums and segmentation to their devices, and the ways between the lanes.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;
#[path = "common/load.rs"]
mod load;

use lab::capture::Tap;
use lab::net::{Device, Offload, PassProgram};
use lab::node::{Entry, Reuse, Xlvs};
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs root"]
fn tc_carries_every_mode_with_offload() {
    for topology in [
        Topology::point_to_point(Mode::Nat),
        Topology::one_armed(Mode::Nat),
        Topology::bridged(Mode::FullNat),
        Topology::point_to_point(Mode::Dr),
        Topology::bridged(Mode::Dr),
    ] {
        let (lab, director) = started(topology.with_offload(), "tc");
        for family in Family::ALL {
            common::prove_with(&lab, &director, family, "tc");
        }
    }
}

/// Of a director that may choose, all interfaces move to tc as soon as one has shown that frames arrive unfinished, and
/// stay there: not even the connection that shows it is lost, its first packet is only sent again.
#[test]
#[ignore = "needs root"]
fn unfinished_checksums_move_an_interface_to_tc() {
    let lab = Lab::build(Topology::point_to_point(Mode::Nat).with_offload()).unwrap();
    let peers = peers(&lab);
    let _ready: Vec<_> = peers.iter().map(|peer| PassProgram::attach(peer).unwrap()).collect();
    let mut director = lab.director(Entry::Direct).unwrap().in_lane("auto");
    director.start().unwrap();
    assert_eq!(director.lane().unwrap(), "xdp");
    let scenario = Scenario { requests: 1, ..Scenario::usual(Family::V4) };
    scenario.configure(&lab, &director).unwrap();
    let begin = Instant::now();
    let said = lab.client.curl(&["--max-time", "25", &format!("http://{}/", scenario.service())]).unwrap();
    eprintln!("the first connection took {:.1} s", begin.elapsed().as_secs_f64());
    said.success().unwrap();
    assert_eq!(director.lane().unwrap(), "tc");
    let reasons = |director: &Xlvs| director.status().unwrap()["interfaces"].as_array().unwrap().clone();
    let why = reasons(&director);
    assert!(why.iter().all(|it| it["reason"].as_str().unwrap().contains("unfinished checksums")), "{why:?}");
    assert!(director.log().contains("interface d0: moved to lane tc: "), "{}", director.log());
    director.ipvsadm("-C").unwrap();
    director.kill_nine().unwrap();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.start().unwrap();
    assert_eq!(reasons(&director)[0]["reason"], why[0]["reason"]);
    for family in Family::ALL {
        common::prove_with(&lab, &director, family, "tc");
    }
    director.stop(false).unwrap();
}

/// A veth takes frames from XDP only while its peer is ready for them: whoever leaves the choice of lanes to the director
/// loses no packet, not even the first; whoever asks for XDP is told by everything that tells.
#[test]
#[ignore = "needs root"]
fn ways_out_that_lose_frames_are_left_or_told() {
    let lab = Lab::build(Topology::point_to_point(Mode::Nat).with_offload()).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap().in_lane("auto");
    director.start().unwrap();
    assert_eq!(director.lane().unwrap(), "tc", "before the first packet");
    let scenario = Scenario { requests: 1, ..Scenario::usual(Family::V4) };
    scenario.configure(&lab, &director).unwrap();
    let asked = || lab.client.curl(&["--max-time", "3", &format!("http://{}/", scenario.service())]).unwrap().success();
    asked().unwrap();
    let why = director.status().unwrap()["interfaces"][0]["reason"].as_str().unwrap().to_owned();
    assert!(why.contains("way out"), "{why}");
    for interface in &lab.interfaces {
        director.run(&["attach", interface, "--lane", "xdp"]).unwrap().success().unwrap();
    }
    asked().unwrap_err();
    assert_eq!(director.lane().unwrap(), "xdp", "as asked for");
    let lost = "what XDP sends out of it is lost";
    let words: [&[&str]; 3] =
        [&["status"], &["doctor"], &["explain", "198.51.100.2:4000", &scenario.service().to_string()]];
    for words in words {
        let said = director.run(words).unwrap().stdout;
        assert!(said.contains(lost) && said.contains("xlvs attach d0 --lane tc"), "{words:?}: {said}");
    }
    for interface in &lab.interfaces {
        director.run(&["attach", interface, "--lane", "tc"]).unwrap().success().unwrap();
    }
    asked().unwrap();
    for words in words {
        let said = director.run(words).unwrap().stdout;
        assert!(!said.contains(lost), "{words:?}: {said}");
    }
    director.stop(false).unwrap();
}

/// Both lanes have the same maps: a connection goes on in the other one.
#[test]
#[ignore = "needs root"]
fn a_change_of_lane_under_load_loses_nothing() {
    let (lab, mut director) = started(Topology::point_to_point(Mode::Nat), "xdp");
    let scenario = Scenario::usual(Family::V4);
    scenario.configure(&lab, &director).unwrap();
    let mut session = lab.client.connect(scenario.service()).unwrap();
    let server = session.get(Reuse::KeepAlive).unwrap().server;
    let tally = load::under_load(&lab, &scenario, || {
        for lane in ["tc", "xdp", "tc"] {
            for interface in &lab.interfaces {
                director.run(&["attach", interface, "--lane", lane]).unwrap().success().unwrap();
            }
            assert_eq!(director.lane().unwrap(), lane);
            std::thread::sleep(Duration::from_millis(200));
        }
        director.kill_nine().unwrap();
        director.start().unwrap();
    });
    assert_eq!(tally.served_by.len(), 3, "{:?}", tally.served_by);
    assert_eq!(session.get(Reuse::KeepAlive).unwrap().server, server);
    director.kill_nine().unwrap();
    let pins = director.pins().to_str().unwrap().to_owned();
    director.run(&["detach", "--all", "--pin-dir", &pins]).unwrap().success().unwrap();
    assert!(lab.client.get(scenario.service()).is_err(), "detached, and yet balanced");
}

/// Large frames: several buffers in XDP, in tc whatever the stack hands over.
#[test]
#[ignore = "needs root"]
fn jumbo_frames_pass_in_both_lanes() {
    for (lane, topology) in
        [("xdp", Topology::point_to_point(Mode::Nat)), ("tc", Topology::point_to_point(Mode::Nat).with_offload())]
    {
        let lab = Lab::build(topology).unwrap();
        let inside = lab.interfaces.iter().map(|name| Device::new(&lab.director, name));
        for device in inside.chain(peers(&lab)) {
            device.set_mtu(9000).unwrap();
        }
        let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
        director.start().unwrap();
        common::prove_with(&lab, &director, Family::V4, lane);
        let packets = lab.network.taps().iter().flat_map(Tap::packets);
        let largest = packets.map(|packet| u16::from_be_bytes([packet.bytes[16], packet.bytes[17]])).max();
        assert!(largest.unwrap() > 8000, "{lane}: the largest packet had {largest:?} bytes");
    }
}

/// What a frame's checksum looks like does not matter in tc: the last transmitter finishes it or leaves it undone.
#[test]
#[ignore = "needs root"]
fn tc_takes_finished_and_unfinished_checksums() {
    let (lab, director) = started(Topology::point_to_point(Mode::Nat).with_offload(), "tc");
    for (family, finished) in [(Family::V4, true), (Family::V6, true), (Family::V4, false)] {
        Device::new(&lab.client.host, "c0").set_offload(Offload::TransmitChecksum, !finished).unwrap();
        for interface in &lab.interfaces {
            Device::new(&lab.director, interface).set_offload(Offload::TransmitChecksum, !finished).unwrap();
        }
        common::prove_with(&lab, &director, family, "tc");
        director.ipvsadm("-C").unwrap();
    }
}

/// The devices at the other ends of the director's links.
fn peers(lab: &Lab) -> Vec<Device> {
    let outside = lab.servers.iter().map(|server| Device::new(&server.host, "e0"));
    outside.chain([Device::new(&lab.client.host, "c0")]).collect()
}

fn started(topology: Topology, lane: &str) -> (Lab, Xlvs) {
    let lab = Lab::build(topology).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
    director.start().unwrap();
    (lab, director)
}
