//! What clients meet, from the data plane's counts to who is in the maps.

use super::changes::{key, network, start};
use super::events::told;
use super::fakes::{FakeNetwork, FakePlane};
use crate::director::{Director, Manner};
use api::EventKind;
use dataplane::Signals;
use model::{Config, Endpoint};
use std::time::{Duration, Instant};

/// Two servers without checks, out for half a second.
const SERVICE: &str = "[[service]]\nlisten = \"tcp 192.0.2.1:80\"\nmethod = \"nat\"\n\
                       passive = { within = \"10s\", out_for = \"1s\" }\n\
                       servers = [\"10.0.0.1:80\", \"10.0.0.2:80\"]\n";

fn server(number: u8) -> Endpoint {
    ([10, 0, 0, number], 80).into()
}

fn apply(director: &mut Director<FakePlane, FakeNetwork>, text: &str) {
    let config = Config::parse_toml(text, "xlvs.toml").unwrap();
    director.apply(&config, Manner { again: true, confirm_within: None }, None, Instant::now()).map(drop).unwrap();
}

fn in_maps(plane: &FakePlane) -> Vec<Endpoint> {
    plane.kernel().state.services[&key()].servers.iter().map(|state| state.server.endpoint).collect()
}

fn count(plane: &FakePlane, number: u8, begun: u32, unanswered: u32) {
    let signals = Signals { begun, unanswered, reset: 0, failed: 0b1111, served: 0 };
    plane.kernel().signals.insert(server(number), signals);
}

#[test]
fn a_burst_is_told_once_and_the_maps_follow() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    apply(&mut director, SERVICE);
    assert!(plane.kernel().state.services[&key()].options.watched && director.health.watches_any());
    // What was counted before this daemon is no news.
    count(&plane, 1, 100, 90);
    director.listen();
    let mut follower = director.events.follow();
    count(&plane, 1, 109, 97);
    director.listen();
    assert_eq!(in_maps(&plane), [server(2)]);
    let events = told(&mut follower);
    let down = EventKind::ServerDown { service: key().into(), server: server(1) };
    let texts: Vec<_> = events.iter().filter(|event| event.kind == down).map(|event| event.text.as_str()).collect();
    let why = "passive: 7 of 9 connections of 4 clients unanswered in 10 s";
    assert_eq!(texts, [format!("server 10.0.0.1:80 of tcp 192.0.2.1:80 is down: {why}")]);
    let status = director.health.statuses()[0].servers[0].passive.clone().unwrap();
    assert_eq!((status.bursts, status.seconds_left.is_some()), (1, true));
    assert_eq!(status.out.as_deref(), why.strip_prefix("passive: "));

    // The other one is needed.
    director.listen();
    count(&plane, 2, 10, 10);
    director.listen();
    assert_eq!(in_maps(&plane), [server(2)]);
    let told = told(&mut follower);
    let needed = "it stays, since its service has no quorum without it; its checks come at once";
    assert!(told.iter().any(|event| matches!(event.kind, EventKind::Burst { .. }) && event.text.ends_with(needed)));

    std::thread::sleep(Duration::from_millis(1_100));
    director.check();
    assert_eq!(in_maps(&plane), [server(2), server(1)]);
}

#[test]
fn nobody_is_watched_unless_the_file_says_so() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    apply(&mut director, &SERVICE.replace("passive", "# passive"));
    assert!(!plane.kernel().state.services[&key()].options.watched && !director.health.watches_any());
    count(&plane, 1, 0, 0);
    director.listen();
    count(&plane, 1, 100, 100);
    director.listen();
    assert_eq!(in_maps(&plane).len(), 2);
    apply(&mut director, SERVICE);
    assert!(plane.kernel().state.services[&key()].options.watched, "and from then on");
    let checked = SERVICE.replace("passive", "check = \"tcp\"\npassive");
    for (text, watched) in [(&checked, true), (&checked.replace("passive", "# passive"), false), (&checked, true)] {
        apply(&mut director, text);
        assert_eq!(plane.kernel().state.services[&key()].options.watched, watched, "{text}");
    }
}

/// Who is out when nothing counts any more is in again, also where nothing else is supervised.
#[test]
fn nobody_stays_out_when_nothing_counts_any_more() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    apply(&mut director, SERVICE);
    count(&plane, 1, 0, 0);
    director.listen();
    count(&plane, 1, 9, 7);
    director.listen();
    assert_eq!(in_maps(&plane), [server(2)]);
    apply(&mut director, &SERVICE.replace("passive", "# passive"));
    let mut there = in_maps(&plane);
    there.sort_unstable();
    assert_eq!(there, [server(1), server(2)]);
    assert!(director.health.statuses().is_empty());
}
