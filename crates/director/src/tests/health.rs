//! Health as operators meet it: starts, servers added by hand, and explanations.

use super::changes::{add_server, key, network, start};
use super::fakes::{FakeNetwork, FakePlane};
use crate::director::{Director, Manner};
use api::{ExplainRequest, Request};
use model::{Config, ServiceKey};
use protocols::health::{CheckId, Outcome};
use std::time::{Duration, Instant};

type Fake = Director<FakePlane, FakeNetwork>;

/// A service on each of two ports, the first one with a check of its server.
const TWO: &str = "[[service]]\nlisten = \"tcp 192.0.2.1:80\"\nmethod = \"nat\"\ncheck = \"tcp\"\n\
                   servers = [\"10.0.0.1:80\"]\n\
                   [[service]]\nlisten = \"tcp 192.0.2.1:81\"\nmethod = \"nat\"\nservers = [\"10.0.0.2:80\"]\n";

/// A service whose server has failed as soon as its check does, and that has a sorry server.
const SORRY: &str = "[[service]]\nlisten = \"tcp 192.0.2.1:80\"\nmethod = \"nat\"\n\
                     check = { tcp = true, fall = 1, warmup = \"0s\", interval = \"1ms\", rise = 2 }\n\
                     sorry_server = \"10.0.0.9:80\"\nservers = [\"10.0.0.1:80\"]\n";

fn apply(director: &mut Fake, text: &str, confirm_within: Option<u32>) {
    let config = Config::parse_toml(text, "xlvs.toml").unwrap();
    director.apply(&config, Manner { again: true, confirm_within }, None, Instant::now()).map(drop).unwrap();
}

fn in_maps(plane: &FakePlane, key: &ServiceKey) -> Vec<String> {
    let kernel = plane.kernel();
    kernel.state.services[key].servers.iter().map(|state| state.server.endpoint.to_string()).collect()
}

/// The first check is made, and fails.
fn fail(director: &mut Fake) {
    director.check();
    director.checked([(CheckId(0), Outcome::Failure("connection refused".to_owned()))]);
}

fn explain(director: &mut Fake) -> api::Explanation {
    let attach = Request::Attach { interface: "eth0".to_owned(), force: false, lane: None, confirm_within: None };
    director.answer(&attach).unwrap();
    director.explain(&ExplainRequest { service: key(), client: "198.51.100.7:4000".parse().unwrap() }).unwrap()
}

#[test]
fn a_roll_back_at_the_start_leaves_other_services_alone() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    apply(&mut director, TWO, None);
    let other = ServiceKey { endpoint: "192.0.2.1:81".parse().unwrap(), ..key() };
    let Request::AddServer { server, .. } = add_server("10.0.0.1:80") else { panic!() };
    director.answer(&Request::AddServer { service: other.into(), server }).unwrap();
    apply(&mut director, TWO, Some(1));
    assert_eq!(in_maps(&plane, &other), ["10.0.0.2:80"]);
    drop(director);
    std::thread::sleep(Duration::from_millis(1_100));
    let mut last = Director::open(plane.clone(), network.clone(), "/nowhere".into()).unwrap();
    assert!(last.end_overdue_trial().unwrap().is_some());
    last.begin(Instant::now()).unwrap();
    assert_eq!(in_maps(&plane, &other), ["10.0.0.2:80", "10.0.0.1:80"]);
    assert_eq!(in_maps(&plane, &key()), ["10.0.0.1:80"]);
}

#[test]
fn a_roll_back_at_the_start_brings_checked_servers_back() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    apply(&mut director, TWO, None);
    apply(&mut director, &TWO.replace("10.0.0.1:80", "10.0.0.3:80"), Some(1));
    assert_eq!(in_maps(&plane, &key()), ["10.0.0.3:80"]);
    drop(director);
    std::thread::sleep(Duration::from_millis(1_100));
    let mut last = Director::open(plane.clone(), network.clone(), "/nowhere".into()).unwrap();
    last.end_overdue_trial().unwrap();
    last.begin(Instant::now()).unwrap();
    assert_eq!(in_maps(&plane, &key()), ["10.0.0.1:80"], "it was the trial that took it out, not its check");
}

#[test]
fn a_server_added_by_hand_does_not_end_the_service_of_the_sorry_server() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    apply(&mut director, SORRY, None);
    fail(&mut director);
    assert_eq!(in_maps(&plane, &key()), ["10.0.0.9:80"]);
    director.answer(&add_server("10.0.0.7:80")).unwrap();
    assert_eq!(in_maps(&plane, &key()), ["10.0.0.9:80", "10.0.0.7:80"]);
    assert!(!director.health.statuses()[0].quorum);
}

#[test]
fn an_explanation_tells_who_is_out_by_checks_and_names_the_sorry_server() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    apply(&mut director, SORRY, None);
    fail(&mut director);
    let because = explain(&mut director).because;
    let out = "10.0.0.1:80: taken out by its checks: connection refused; 10.0.0.9:80, the sorry server: ";
    assert!(because.contains(out), "{because}");
    drop(director);

    let (plane, network) = (FakePlane::default(), super::changes::network());
    network.wire().answering.insert("10.0.0.9".parse().unwrap(), super::changes::THEIRS);
    let mut director = start(&plane, &network);
    apply(&mut director, SORRY, None);
    fail(&mut director);
    let explained = explain(&mut director);
    assert_eq!(explained.server, Some("10.0.0.9:80".parse().unwrap()));
    assert!(explained.because.contains("chooses 10.0.0.9:80, the sorry server"), "{}", explained.because);
}

#[test]
fn a_service_that_is_new_at_the_start_does_not_bring_a_failed_server_back() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let one = SORRY.replace("sorry_server = \"10.0.0.9:80\"\n", "");
    apply(&mut director, &one, None);
    fail(&mut director);
    assert!(in_maps(&plane, &key()).is_empty());
    drop(director);
    let both = format!("{one}{}", one.replace("192.0.2.1:80", "192.0.2.1:81"));
    let mut next = Director::open(plane.clone(), network.clone(), "/nowhere".into()).unwrap();
    next.adopt(&Config::parse_toml(&both, "xlvs.toml").unwrap()).unwrap();
    next.begin(Instant::now()).unwrap();
    assert!(in_maps(&plane, &key()).is_empty());
}

/// A server that was out and has come back is behind one that was added by hand meanwhile, in the next daemon, too.
#[test]
fn a_new_daemon_leaves_servers_in_the_order_in_which_they_came() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    apply(&mut director, SORRY, None);
    director.answer(&add_server("10.0.0.3:80")).unwrap();
    fail(&mut director);
    for _ in 0..2 {
        // Until it is due again.
        std::thread::sleep(Duration::from_millis(10));
        director.check();
        director.checked([(CheckId(0), Outcome::Success)]);
    }
    let before = in_maps(&plane, &key());
    drop(director);
    plane.kernel().changes.clear();
    let mut next = Director::open(plane.clone(), network.clone(), "/nowhere".into()).unwrap();
    assert_eq!(next.begin(Instant::now()).unwrap(), 0, "{:?}", plane.kernel().changes);
    assert_eq!(in_maps(&plane, &key()), before);
    assert_eq!(before, ["10.0.0.3:80", "10.0.0.1:80"]);
}

#[test]
fn a_server_that_is_down_and_added_again_by_hand_stays_out() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let text = SORRY.replace("servers = [\"10.0.0.1:80\"]", "servers = [\"10.0.0.1:80\", \"10.0.0.2:80\"]");
    apply(&mut director, &text, None);
    fail(&mut director);
    assert_eq!(in_maps(&plane, &key()), ["10.0.0.2:80"]);
    let endpoint = "10.0.0.1:80".parse().unwrap();
    for _ in 0..2 {
        director.answer(&Request::DeleteServer { service: key().into(), endpoint }).unwrap();
        // Something else changes meanwhile.
        director.answer(&add_server("10.0.0.7:80")).unwrap();
        let by_hand = Request::DeleteServer { service: key().into(), endpoint: "10.0.0.7:80".parse().unwrap() };
        director.answer(&by_hand).unwrap();
        director.answer(&add_server("10.0.0.1:80")).unwrap();
        assert_eq!(in_maps(&plane, &key()), ["10.0.0.2:80"]);
    }
    // One that was well comes back well.
    let endpoint = "10.0.0.2:80".parse().unwrap();
    director.answer(&Request::DeleteServer { service: key().into(), endpoint }).unwrap();
    director.answer(&add_server("10.0.0.2:80")).unwrap();
    assert_eq!(in_maps(&plane, &key()), ["10.0.0.2:80"]);
}

#[test]
fn a_server_that_another_service_knows_to_be_well_is_added_again_as_that() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let one = "[[service]]\nlisten = \"tcp 192.0.2.1:80\"\nmethod = \"nat\"\n\
               check = { tcp = true, fall = 1, rise = 1, interval = \"5ms\", warmup = \"0s\" }\n\
               servers = [\"10.0.0.1:80\"]\n";
    apply(&mut director, &format!("{one}{}", one.replace("192.0.2.1:80", "192.0.2.1:81")), None);
    let other = ServiceKey { endpoint: "192.0.2.1:81".parse().unwrap(), ..key() };
    fail(&mut director);
    assert!(in_maps(&plane, &key()).is_empty() && in_maps(&plane, &other).is_empty());
    let endpoint = "10.0.0.1:80".parse().unwrap();
    director.answer(&Request::DeleteServer { service: key().into(), endpoint }).unwrap();
    // Until it is due again.
    std::thread::sleep(Duration::from_millis(50));
    director.check();
    director.checked([(CheckId(0), Outcome::Success)]);
    assert_eq!(in_maps(&plane, &other), ["10.0.0.1:80"]);
    director.answer(&add_server("10.0.0.1:80")).unwrap();
    for service in [&key(), &other] {
        assert_eq!(in_maps(&plane, service), ["10.0.0.1:80"]);
    }
}
