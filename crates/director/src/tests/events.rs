//! Every transition is one event.

use super::changes::{THEIRS, add_server, add_service, key, network, start};
use super::fakes::{FakePlane, Kernel};
use crate::events::Follower;
use crate::observe::events::News;
use crate::observe::sight::{Neighbour, NeighbourState};
use api::{Event, EventKind, Level, Request};
use model::{Change, Timeouts};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Everything told since the last time.
pub(super) fn told(follower: &mut Follower) -> Vec<Event> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let at_once = std::time::Duration::ZERO;
    runtime.block_on(async {
        let mut events = Vec::new();
        while let Ok(Some(line)) = tokio::time::timeout(at_once, follower.next()).await {
            events.push(serde_json::from_str(&line).unwrap());
        }
        events
    })
}

fn kinds(follower: &mut Follower) -> Vec<EventKind> {
    told(follower).into_iter().map(|event| event.kind).collect()
}

#[test]
fn services_servers_and_their_neighbours() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let mut follower = director.events.follow();
    assert_eq!(kinds(&mut follower).len(), 1);
    let (service, near, far) = (key(), "10.0.0.1:80".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
    for request in [add_service(), add_server("10.0.0.1:80"), add_server("10.0.0.2:80")] {
        director.answer(&request).unwrap();
    }
    let added = |server| EventKind::ServerAdded { service, server };
    assert_eq!(kinds(&mut follower), [EventKind::ServiceAdded { service }, added(near), added(far)]);

    let address = "10.0.0.2".parse().unwrap();
    let mut hear = |state, mac| {
        network.wire().neighbours.insert(address, Neighbour { state, mac });
        let news = News { neighbours: BTreeSet::from([address]), everything: false };
        director.hear(&news, Instant::now());
        told(&mut follower)
    };
    let resolved = hear(NeighbourState::Usable, Some(THEIRS));
    assert_eq!(resolved[0].kind, EventKind::NeighbourResolved { service, server: far });
    assert!(resolved[0].text.ends_with(" on interface eth0"), "{}", resolved[0].text);
    let lost = hear(NeighbourState::Failed, None);
    assert_eq!((lost.len(), lost[0].level), (1, Level::Warn));
    assert_eq!(lost[0].kind, EventKind::NeighbourLost { service, server: far });

    network.wire().addresses.clear();
    director.look(Instant::now());
    assert_eq!(kinds(&mut follower), [EventKind::ServiceChanged { service, owned: false }]);
    director.answer(&Request::DeleteServer { service: service.into(), endpoint: far }).unwrap();
    director.answer(&Request::SetTimeouts { tcp: Some(5), tcp_fin: None, udp: None }).unwrap();
    director.answer(&Request::Flush).unwrap();
    let removed = EventKind::ServerRemoved { service, server: far };
    assert_eq!(kinds(&mut follower), [removed, EventKind::TimeoutsChanged, EventKind::ServiceRemoved { service }]);
}

#[test]
fn interfaces_drift_and_trouble() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let mut follower = director.events.follow();
    kinds(&mut follower);
    let interface = "eth0".to_owned();
    director
        .answer(&Request::Attach { interface: interface.clone(), force: false, lane: None, confirm_within: None })
        .unwrap();
    director.answer(&Request::Detach { interface: None }).unwrap();
    let attached = EventKind::InterfaceAttached { interface: interface.clone(), lane: "xdp".into() };
    assert_eq!(kinds(&mut follower), [attached, EventKind::InterfaceDetached { interface }]);

    director.answer(&add_service()).unwrap();
    kinds(&mut follower);
    plane.kernel().state.apply(&Change::SetTimeouts(Timeouts { tcp: 1, ..Timeouts::default() }));
    director.heal();
    assert_eq!(kinds(&mut follower), [EventKind::TimeoutsChanged, EventKind::DriftHealed { count: 1 }]);
    plane.kernel().pins_are_gone = true;
    director.heal();
    director.heal();
    assert_eq!(kinds(&mut follower), [EventKind::Trouble]);
    plane.kernel().pins_are_gone = false;
    director.heal();
    assert_eq!(kinds(&mut follower), [EventKind::TroubleOver]);
}

#[test]
fn of_many_changes_only_the_number_is_told() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    let mut follower = director.events.follow();
    kinds(&mut follower);
    let requests = (1..=100).map(|number| add_server(&format!("10.0.1.{number}:80"))).collect();
    director.answer(&Request::Batch { requests }).unwrap();
    assert_eq!(kinds(&mut follower), [EventKind::Changes { count: 100 }]);
}

#[test]
fn an_attachment_on_trial_ends_unless_it_is_confirmed() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let attach =
        |confirm_within| Request::Attach { interface: "eth0".to_owned(), force: false, lane: None, confirm_within };
    let confirm = |interface: Option<&str>| Request::Confirm { interface: interface.map(str::to_owned) };
    assert!(director.answer(&confirm(None)).is_err());
    let now = Instant::now();
    director.answer(&attach(Some(60))).unwrap();
    assert!(plane.kernel().trials.contains_key("eth0"));
    for again in [attach(None), attach(Some(60))] {
        assert!(director.answer(&again).err().unwrap().message.contains("`xlvs confirm eth0` keeps it"));
    }
    director.end_trials(now + Duration::from_secs(59));
    assert!(plane.kernel().attached.contains("eth0"));
    // The next daemon goes on with it.
    let mut director = start(&plane, &network);
    director.interfaces.adopt(&plane).unwrap();
    director.adopt_trials(Instant::now());
    assert!(director.next_trial().is_some());
    let mut follower = director.events.follow();
    director.end_trials(now + Duration::from_secs(62));
    let interface = "eth0".to_owned();
    assert_eq!(
        kinds(&mut follower)[1..],
        [EventKind::AttachmentExpired { interface: interface.clone() }, EventKind::InterfaceDetached { interface }]
    );
    assert!(plane.kernel().attached.is_empty() && plane.kernel().trials.is_empty());

    director.answer(&attach(Some(60))).unwrap();
    assert!(director.answer(&confirm(Some("eth9"))).is_err());
    director.answer(&confirm(Some("eth0"))).unwrap();
    assert_eq!(director.next_trial(), None);
    assert!(plane.kernel().attached.contains("eth0") && plane.kernel().trials.is_empty());
    let again = director.answer(&attach(None)).unwrap();
    assert!(matches!(again.response, api::Response::Attached { before: Some(_), .. }));
    assert!(director.answer(&attach(Some(60))).err().unwrap().message.contains("attached already, for good"));
}

/// What is kept of a trial is kept for an index: a link that is created anew needs it again, before the programs run there.
#[test]
fn a_trial_goes_on_with_a_link_that_is_created_anew() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let attach = Request::Attach { interface: "eth0".into(), force: false, lane: None, confirm_within: Some(60) };
    director.answer(&attach).unwrap();
    let now = Instant::now();
    // The old link goes with what it had; the new one comes.
    *plane.kernel() = Kernel { recreated: 1, ..Kernel::default() };
    network.wire().recreated = Some(1);
    director.look(now);
    assert!(plane.kernel().attached.contains("eth0"));
    let left = plane.kernel().trials.get("eth0").map(|end| end.saturating_duration_since(now));
    // The fake plane counts from when it is told, which on a busy machine is a while after `now`.
    assert!(left.is_some_and(|left| left <= Duration::from_secs(65)), "{left:?}");
    let status = director.status().unwrap();
    assert_eq!((status.trials[0].interface.as_str(), status.trials[0].confirm.as_str()), ("eth0", "xlvs confirm eth0"));
    assert!((50..=60).contains(&status.trials[0].seconds_left), "{:?}", status.trials);
    // A daemon that comes now goes on with it.
    let mut next = start(&plane, &network);
    next.interfaces.adopt(&plane).unwrap();
    next.adopt_trials(Instant::now());
    assert!(next.next_trial().is_some());
}

/// Time goes on while the link is gone: one that comes later is not attached to.
#[test]
fn a_trial_ends_while_its_link_is_gone() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let attach = Request::Attach { interface: "eth0".into(), force: false, lane: None, confirm_within: Some(60) };
    director.answer(&attach).unwrap();
    let now = Instant::now();
    *plane.kernel() = Kernel { recreated: 1, ..Kernel::default() };
    network.wire().recreated = None;
    director.look(now);
    director.end_trials(now + Duration::from_secs(61));
    network.wire().recreated = Some(1);
    director.look(now);
    assert!(plane.kernel().attached.is_empty(), "attached for good, which nobody has confirmed");
}
