//! The harness itself: are its frames those of other flows, and valid?

use super::flow::{self, Flow};
use super::harness::{Harness, Sequence, Traffic};
use super::network::Network;
use super::{case::Case, floor, measure};
use forward::host::PacketBuilder;
use std::collections::HashSet;
use std::os::fd::AsFd;

fn networks() -> Vec<Network> {
    let mut networks: Vec<Network> = Case::all().into_iter().map(|case| case.network).collect();
    networks.dedup_by_key(|network| network.name());
    networks
}

/// The frame of a flow as built from nothing, balanced afterwards: what the harness must make of another flow's.
fn built(network: &Network, packet: impl Fn(Flow) -> PacketBuilder, flow: Flow) -> Vec<u8> {
    let mut frame = packet(flow).build().bytes;
    flow::balance(&mut frame, network.shape(), flow);
    frame
}

#[test]
fn a_varied_frame_is_a_valid_frame_of_the_other_flow() {
    for network in networks() {
        for number in [0, 1, 2, 77, 65_535, 65_536, 432_000] {
            let flow = Flow::new(number);
            let mut frame = built(&network, |flow| network.request(flow), Flow::new(0));
            flow::apply(&mut frame, network.shape(), flow);
            assert_eq!(frame, built(&network, |flow| network.request(flow), flow), "{} flow {number}", network.name());
        }
    }
}

#[test]
fn flows_are_distinct_and_none_has_port_0() {
    let flows: HashSet<(u16, u16)> = (0..1 << 20).map(Flow::new).map(|flow| (flow.address, flow.port)).collect();
    assert_eq!(flows.len(), 1 << 20);
    assert!(flows.iter().all(|(_, port)| *port != 0));
}

#[test]
fn a_shuffled_sequence_visits_every_flow() {
    let Sequence { multiplier, mask } = Sequence::shuffled(65_536);
    let mut number = 0_u32;
    let seen: HashSet<u32> = (0..65_536)
        .map(|_| {
            number = number.wrapping_mul(multiplier).wrapping_add(1) & mask;
            number
        })
        .collect();
    assert_eq!(seen.len(), 65_536);
}

#[test]
fn medians() {
    assert!((measure::median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    assert!((measure::median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
}

#[test]
#[ignore = "needs root"]
fn the_harness_sends_the_frames_of_the_flows() {
    for network in networks() {
        let frame = built(&network, |flow| network.request(flow), Flow::new(0));
        let traffic = Traffic {
            rewritten: (0..frame.len()).map(|at| at < 12).collect(),
            grown: 0,
            frame,
            flows: Some((Sequence::ENDLESS, flow::fields(network.shape()))),
        };
        let floor = floor::load().unwrap();
        let harness = Harness::new(&traffic, floor.as_fd()).unwrap();
        harness.start_at(1000).unwrap();
        for (packets, number) in [(1, 1000), (1, 1001), (5, 1006)] {
            let run = harness.run(packets).unwrap();
            assert_eq!(run.action, floor::XDP_TX);
            let mut expected = built(&network, |flow| network.request(flow), Flow::new(number));
            expected[..12].rotate_left(6);
            assert_eq!(run.frame, expected, "{} flow {number}", network.name());
        }
    }
}
