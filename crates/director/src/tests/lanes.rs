//! Which lane an interface is in when a way out loses what XDP sends there.

use super::changes::{add_server, add_service, key, network, start};
use super::fakes::{FakeNetwork, FakePlane};
use crate::director::Director;
use crate::observe::features::Features;
use api::{ExplainRequest, Request, Response};
use model::{Lane, LaneChoice};
use std::time::Instant;

type Tested = Director<FakePlane, FakeNetwork>;

/// A director with a NAT service, attached to eth0.
fn attached(lane: Option<LaneChoice>) -> (FakePlane, FakeNetwork, Tested) {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    attach(&mut director, lane);
    director.answer(&add_service()).unwrap();
    director.answer(&add_server("10.0.0.1:80")).unwrap();
    (plane, network, director)
}

fn attach(director: &mut Tested, lane: Option<LaneChoice>) -> (Lane, String) {
    let request = Request::Attach { interface: "eth0".into(), force: false, lane, confirm_within: None };
    match director.answer(&request).unwrap().response {
        Response::Attached { lane, reason, .. } => (lane, reason),
        other => panic!("{other:?}"),
    }
}

fn lane(director: &Tested) -> Lane {
    director.status().unwrap().interfaces[0].lane
}

fn told(director: &mut Tested) -> (usize, usize, usize) {
    let status = director.status().unwrap();
    let notes = status.notes.iter().filter(|note| note.contains("interface eth0: what XDP sends out")).count();
    let request = ExplainRequest { service: key(), client: "192.0.2.50:4000".parse().unwrap() };
    let warnings = director.explain(&request).unwrap().warnings;
    let warnings = warnings.iter().filter(|warning| warning.contains("xlvs attach eth0 --lane tc")).count();
    (notes, status.lossy.len(), warnings)
}

#[test]
fn an_interface_nobody_chose_a_lane_for_leaves_xdp_when_its_peer_is_not_ready() {
    let (_plane, network, mut director) = attached(None);
    director.settle_lanes(Instant::now());
    assert_eq!(lane(&director), Lane::Xdp);
    network.wire().features = Features(Features::BASIC);
    director.look(Instant::now());
    director.settle_lanes(Instant::now());
    assert_eq!(lane(&director), Lane::Tc);
    assert!(director.status().unwrap().interfaces[0].reason.contains("loses what XDP sends"));
    assert_eq!(told(&mut director), (0, 0, 0));
}

#[test]
fn it_is_in_tc_before_the_first_packet_when_that_is_known() {
    let network = network();
    network.wire().features = Features(Features::BASIC);
    let mut director = start(&FakePlane::default(), &network);
    let (lane, reason) = attach(&mut director, Some(LaneChoice::Auto));
    assert!(lane == Lane::Tc && reason.contains("way out"), "{lane} {reason}");
}

#[test]
fn what_xdp_can_do_on_an_interface_is_looked_at_again_before_it_moves() {
    let (_plane, network, mut director) = attached(None);
    network.wire().features = Features(Features::BASIC);
    director.look(Instant::now());
    // A program has come there meanwhile.
    network.wire().features = Features(Features::BASIC | Features::TARGET);
    director.settle_lanes(Instant::now());
    assert_eq!(lane(&director), Lane::Xdp);
}

#[test]
fn xdp_that_was_asked_for_stays_and_everything_says_what_is_lost() {
    let (_plane, network, mut director) = attached(Some(LaneChoice::exactly(Lane::Xdp)));
    assert_eq!(told(&mut director), (0, 0, 0));
    network.wire().features = Features(Features::BASIC);
    director.look(Instant::now());
    director.settle_lanes(Instant::now());
    assert_eq!(lane(&director), Lane::Xdp);
    assert_eq!(told(&mut director), (1, 1, 1));
    director.answer(&Request::Flush).unwrap();
    assert!(director.status().unwrap().lossy.is_empty(), "nothing is sent anywhere");
}
