//! Servers come into the rotation and leave it as their next hops answer, fail and change.

use super::changes::{THEIRS, add_server, add_service, key, network, reach, server, start};
use super::events::told;
use super::fakes::{FakeNetwork, FakePlane, OURS};
use crate::director::Director;
use crate::observe::events::News;
use crate::observe::sight::{Neighbour, NeighbourState};
use api::{ReachView, Request};
use model::{ForwardingMethod, Hop, Reach, ServiceOptions};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use wire::MacAddress;

fn second() -> IpAddr {
    "10.0.0.2".parse().unwrap()
}

fn set(network: &FakeNetwork, state: NeighbourState, mac: Option<MacAddress>) -> News {
    network.wire().neighbours.insert(second(), Neighbour { state, mac });
    News { neighbours: BTreeSet::from([second()]), everything: false }
}

#[test]
fn a_server_follows_its_neighbour() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    let done = director.answer(&add_server("10.0.0.2:80")).unwrap();
    assert_eq!(done.pending, BTreeSet::from([second()]));
    assert_eq!(reach(&plane, 0), Reach::Unresolved);
    assert_eq!(network.wire().asked, [second()]);

    let now = Instant::now();
    let via =
        |destination| Reach::Via(Hop { interface: 7, destination, source: OURS, vlan: 0, mtu: 1500, address: None });
    director.hear(&set(&network, NeighbourState::Usable, Some(THEIRS)), now);
    assert_eq!(reach(&plane, 0), via(THEIRS));
    let moved = MacAddress([2, 0, 0, 0, 0, 77]);
    director.hear(&set(&network, NeighbourState::Usable, Some(moved)), now);
    assert_eq!(reach(&plane, 0), via(moved));
    // Asked for again: still the one that answered last, but not for ever.
    director.hear(&set(&network, NeighbourState::Unknown, None), now);
    assert_eq!(reach(&plane, 0), via(moved));
    director.ask_again(now + Duration::from_secs(10));
    assert_eq!(reach(&plane, 0), Reach::Unresolved);
    director.hear(&set(&network, NeighbourState::Usable, Some(moved)), now);
    assert_eq!(reach(&plane, 0), via(moved));
    director.hear(&set(&network, NeighbourState::Failed, Some(moved)), now);
    assert_eq!(reach(&plane, 0), Reach::Unresolved);
    // After a failure, asking again is not yet an answer.
    director.hear(&set(&network, NeighbourState::Unknown, Some(moved)), now);
    assert_eq!(reach(&plane, 0), Reach::Unresolved);
}

#[test]
fn a_fixed_entry_is_used_and_not_touched() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    set(&network, NeighbourState::Fixed, Some(THEIRS));
    director.answer(&add_server("10.0.0.2:80")).unwrap();
    assert!(matches!(reach(&plane, 0), Reach::Via(_)));
    assert_eq!(network.wire().asked, Vec::<IpAddr>::new());
}

#[test]
fn a_link_that_goes_down_takes_its_servers_out_and_brings_them_back() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    director.answer(&add_server("10.0.0.1:80")).unwrap();
    network.wire().down = true;
    director.look(Instant::now());
    assert_eq!(reach(&plane, 0), Reach::Unresolved);
    assert!(!plane.kernel().state.services[&key()].owned);
    let status = director.status().unwrap();
    assert!(status.notes.iter().any(|note| note.contains("10.0.0.1:80") && note.contains("is down")), "{status:?}");
    network.wire().down = false;
    director.look(Instant::now());
    assert!(matches!(reach(&plane, 0), Reach::Via(_)));
    assert!(plane.kernel().state.services[&key()].owned);
}

#[test]
fn ownership_follows_the_address() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    network.wire().addresses.clear();
    director.look(Instant::now());
    assert!(!plane.kernel().state.services[&key()].owned);
    assert!(director.status().unwrap().notes.iter().any(|note| note.contains("is not forwarded")));
    network.wire().addresses.push("192.0.2.1".parse().unwrap());
    director.look(Instant::now());
    assert!(plane.kernel().state.services[&key()].owned);
}

#[test]
fn a_server_on_this_host_is_local_by_every_method() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    director.answer(&add_server("192.0.2.1:8080")).unwrap();
    let local = server("192.0.2.1:80", ForwardingMethod::DirectRouting);
    director.answer(&Request::AddServer { service: key().into(), server: local }).unwrap();
    assert_eq!((reach(&plane, 0), reach(&plane, 1)), (Reach::Local, Reach::Local));
    assert!(plane.kernel().answers_translated);
    let listing = director.listing();
    let views: Vec<_> = listing.services[0].servers.iter().map(|server| server.reach.clone()).collect();
    assert_eq!(views, [ReachView::Local, ReachView::Local]);
}

/// Behind FullNAT it is the local address that is missing, not an answer: the listing and the event say so.
#[test]
fn a_local_address_that_is_missing_is_named_by_listing_and_event() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let mut follower = director.events.follow();
    let options = ServiceOptions { local_addresses: "192.0.2.9".parse().unwrap(), ..ServiceOptions::default() };
    director.answer(&Request::AddService { key: key().into(), options }).unwrap();
    let server = server("10.0.0.1:80", ForwardingMethod::FullNat);
    director.answer(&Request::AddServer { service: key().into(), server }).unwrap();
    let fix = "ip address add 192.0.2.9/32 dev eth0";
    let view = director.listing().services.remove(0).servers.remove(0);
    assert_eq!((view.reach, view.obstacle.unwrap().fix.as_deref()), (ReachView::Unresolved, Some(fix)));
    let added = told(&mut follower).pop().unwrap();
    assert!(added.text.contains("local address 192.0.2.9") && added.text.contains(fix), "{}", added.text);
    network.wire().addresses.push("192.0.2.9".parse().unwrap());
    director.look(Instant::now());
    assert_eq!(director.listing().services[0].servers[0].obstacle, None);
}

#[test]
fn neighbours_are_given_back() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    director.answer(&add_server("10.0.0.1:80")).unwrap();
    director.answer(&Request::Flush).unwrap();
    director.look(Instant::now());
    assert_eq!(network.wire().released, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
}

#[test]
fn who_did_not_answer_stays_lost_while_asked_again() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    director.answer(&add_server("10.0.0.2:80")).unwrap();
    let note = |director: &Director<FakePlane, FakeNetwork>| director.status().unwrap().notes.join("; ");
    director.hear(&set(&network, NeighbourState::Unknown, None), Instant::now());
    assert!(note(&director).contains("has not answered yet"));
    director.hear(&set(&network, NeighbourState::Failed, None), Instant::now());
    director.hear(&set(&network, NeighbourState::Unknown, None), Instant::now());
    assert!(note(&director).contains("does not answer"), "{}", note(&director));
}
