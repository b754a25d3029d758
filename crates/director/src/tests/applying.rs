//! Whole configurations: planned, taken over, on trial, and back.

use super::changes::{add_server, add_service, key, network, server, start};
use super::fakes::{FakeNetwork, FakePlane};
use crate::director::{Director, Manner};
use api::{Plan, Refusal, RefusalKind, Request, Response};
use model::{Config, Sysctl};
use std::time::{Duration, Instant};

type Fake = Director<FakePlane, FakeNetwork>;

/// A service with these servers by NAT and their weights, each with a check.
pub(super) fn config(servers: &[(&str, u32)]) -> Config {
    let table = |(endpoint, weight): &(&str, u32)| format!("{{ address = \"{endpoint}\", weight = {weight} }}");
    let list = servers.iter().map(table).collect::<Vec<_>>().join(", ");
    let text = format!("[[service]]\nlisten = \"tcp 192.0.2.1:80\"\nmethod = \"nat\"\nservers = [{list}]\n");
    Config::parse_toml(&text, "xlvs.toml").unwrap()
}

fn checked(mut config: Config) -> Config {
    let service = &config.services[0];
    let servers = service.servers.iter().map(|server| model::health::ServerHealth {
        endpoint: server.endpoint,
        checks: Vec::new(),
        inhibit_on_failure: true,
        notify_up: None,
        notify_down: None,
    });
    let health = model::health::ServiceHealth {
        passive: None,
        quorum: 2,
        hysteresis: 0,
        quorum_up: None,
        quorum_down: None,
        sorry_server: None,
        omega: false,
        suspended_without_address: false,
        servers: servers.collect(),
    };
    config.health = [(service.key, health)].into();
    config
}

fn apply(director: &mut Fake, config: &Config, confirm_within: Option<u32>) -> Result<Plan, Refusal> {
    let request = Request::Apply { config: Box::new(config.clone()), confirm_within, generation: None };
    match director.answer(&request)?.response {
        Response::Applied { plan, .. } => Ok(plan),
        other => panic!("{other:?}"),
    }
}

fn plan(director: &mut Fake, config: &Config) -> Vec<String> {
    let response = director.answer(&Request::Plan { config: Box::new(config.clone()) }).unwrap().response;
    let Response::Plan(plan) = response else { panic!("{response:?}") };
    plan.changes.iter().map(ToString::to_string).collect()
}

/// Everything that a roll-back brings back; the generation goes on.
fn everything(director: &Fake, plane: &FakePlane) -> impl PartialEq + std::fmt::Debug + use<> {
    let kernel = plane.kernel();
    (director.store.configuration(), kernel.state.clone(), kernel.attached.clone())
}

#[test]
fn what_is_planned_is_what_is_applied() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let first = config(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 2)]);
    let planned = plan(&mut director, &first);
    assert_eq!(planned.len(), 3, "{planned:?}");
    assert!(director.store.services().is_empty() && plane.kernel().changes.is_empty(), "planning changes nothing");
    let applied = apply(&mut director, &first, None).unwrap();
    assert_eq!(applied.changes.iter().map(ToString::to_string).collect::<Vec<_>>(), planned);
    assert_eq!(applied.generation, 1);
    assert_eq!(plan(&mut director, &first), Vec::<String>::new());
    assert_eq!(apply(&mut director, &first, None).unwrap(), Plan { generation: 1, ..Plan::default() });
    // What was edited at run time is a difference to the file.
    director.answer(&add_server("10.0.0.3:80")).unwrap();
    assert_eq!(plan(&mut director, &first), ["- tcp 192.0.2.1:80 -> 10.0.0.3:80"]);
    apply(&mut director, &first, None).unwrap();
    assert_eq!(plane.kernel().state.services[&key()].servers.len(), 2);
}

#[test]
fn a_configuration_is_applied_to_the_generation_that_was_looked_at() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let request = |generation| Request::Apply {
        config: Box::new(config(&[])),
        confirm_within: None,
        generation: Some(generation),
    };
    assert_eq!(director.answer(&request(5)).err().unwrap().kind, RefusalKind::Conflict);
    director.answer(&request(0)).unwrap();
    assert_eq!(director.answer(&request(0)).err().unwrap().kind, RefusalKind::Conflict);
}

#[test]
fn only_what_is_otherwise_is_touched() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let mut both = config(&[("10.0.0.1:80", 1)]);
    let mut other = both.services[0].clone();
    other.key = model::ServiceKey { endpoint: "192.0.2.1:81".parse().unwrap(), ..key() }.into();
    both.services.push(other);
    apply(&mut director, &both, None).unwrap();
    plane.kernel().changes.clear();
    both.services[1].servers[0].weight = model::Weight::new(9).unwrap();
    director.reload(&both, Instant::now()).unwrap();
    let changes = plane.kernel().changes.clone();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].to_string().starts_with("~ tcp 192.0.2.1:81 -> 10.0.0.1:80 nat weight 9"), "{changes:?}");
}

#[test]
fn what_is_not_confirmed_goes_back_as_it_was() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let first = checked(config(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 2)]));
    apply(&mut director, &first, None).unwrap();
    let before = everything(&director, &plane);
    let mut second = config(&[("10.0.0.2:80", 7)]);
    second.director.sysctls = [(Sysctl::SloppyTcp, 1)].into();
    second.director.interfaces = vec!["eth0".to_owned()];
    second.timeouts.tcp = 60;
    apply(&mut director, &second, Some(60)).unwrap();
    assert_ne!(everything(&director, &plane), before);
    assert!(director.next_trial().is_some_and(|end| end <= Instant::now() + Duration::from_secs(60)));
    // Nothing else is taken over meanwhile.
    assert_eq!(apply(&mut director, &first, None).unwrap_err().kind, RefusalKind::Conflict);
    assert_eq!(director.reload(&first, Instant::now()).unwrap_err().kind, RefusalKind::Conflict);
    assert_eq!(director.answer(&Request::RollBack).unwrap().response, Response::RolledBack { generation: 3 });
    assert_eq!(everything(&director, &plane), before);
    assert_eq!(director.answer(&Request::RollBack).err().unwrap().kind, RefusalKind::Conflict);
    assert_eq!(director.answer(&Request::Confirm { interface: None }).err().unwrap().kind, RefusalKind::Conflict);
    // The next one knows that this was rejected, until somebody takes it over by hand.
    let mut again = start(&plane, &network);
    assert_eq!(everything(&again, &plane), before);
    assert!(again.store.has_rejected(&second) && !again.store.has_rejected(&first));
    again.reload(&second, Instant::now()).unwrap();
    assert!(!again.store.has_rejected(&second));
}

#[test]
fn a_file_that_comes_during_a_trial_is_refused_until_its_end() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let (first, second) = (config(&[("10.0.0.1:80", 1)]), config(&[("10.0.0.1:80", 2)]));
    let notes = |director: &Fake| {
        let notes = director.status().unwrap().notes;
        notes.into_iter().filter(|note| note.contains("not taken over")).collect::<Vec<_>>()
    };
    for end in [Request::RollBack, Request::Confirm { interface: None }] {
        apply(&mut director, &first, Some(60)).unwrap();
        director.follow_file(&second, Instant::now());
        let told = notes(&director);
        assert!(told.len() == 1 && told[0].contains("a configuration is on trial (what was in force"), "{told:?}");
        assert!(told[0].contains("first `xlvs confirm` or `xlvs roll-back`, then kill -HUP"), "{told:?}");
        director.answer(&end).unwrap();
        assert_eq!(notes(&director), Vec::<String>::new());
    }
    // What is wrong with the file itself stays wrong, whatever ends.
    apply(&mut director, &second, Some(60)).unwrap();
    director.refuse_file("xlvs.toml:1:1: this is wrong");
    director.answer(&Request::RollBack).unwrap();
    let told = notes(&director);
    assert!(told.len() == 1 && told[0].contains("; mend the file, then kill -HUP "), "{told:?}");
    director.follow_file(&second, Instant::now());
    assert_eq!(notes(&director), Vec::<String>::new());
}

#[test]
fn what_is_confirmed_stays() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let mut wanted = config(&[("10.0.0.1:80", 1)]);
    wanted.director.interfaces = vec!["eth0".to_owned()];
    apply(&mut director, &wanted, Some(60)).unwrap();
    let after = everything(&director, &plane);
    let confirmed = director.answer(&Request::Confirm { interface: None }).unwrap().response;
    assert_eq!(confirmed, Response::Confirmed { interfaces: vec!["eth0".to_owned()], configuration: true });
    assert_eq!(director.next_trial(), None);
    assert!(director.answer(&Request::RollBack).is_err());
    let again = start(&plane, &network);
    assert_eq!(everything(&again, &plane), after);
    assert!(again.store.trial().is_none());
}

#[test]
fn a_trial_outlives_the_daemon() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let first = checked(config(&[("10.0.0.1:80", 1)]));
    apply(&mut director, &first, None).unwrap();
    let before = everything(&director, &plane);
    apply(&mut director, &config(&[("10.0.0.2:80", 1)]), Some(1)).unwrap();
    // What is done by hand meanwhile to something else stays.
    let other = Request::AddService {
        key: model::ServiceKey { endpoint: "192.0.2.1:82".parse().unwrap(), ..key() }.into(),
        options: first.services[0].options.clone(),
    };
    director.answer(&other).unwrap();
    drop(director);
    // The next daemon goes on with it while there is time.
    let director = start(&plane, &network);
    assert!(director.store.trial().is_some());
    drop(director);
    std::thread::sleep(Duration::from_millis(1_100));
    let mut last = Director::open(plane.clone(), network.clone(), "/nowhere".into()).unwrap();
    assert!(last.end_overdue_trial().unwrap().is_some());
    last.begin(Instant::now()).unwrap();
    assert_eq!(last.store.services().len(), 2);
    let Request::AddService { key, .. } = other else { panic!() };
    last.answer(&Request::DeleteService { key }).unwrap();
    assert_eq!(everything(&last, &plane), before);
}

#[test]
fn what_is_not_taken_leaves_no_trace() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let first = checked(config(&[("10.0.0.1:80", 1)]));
    apply(&mut director, &first, None).unwrap();
    let before = (director.store.clone(), everything(&director, &plane));
    let mut second = config(&[("10.0.0.1:80", 4), ("10.0.0.2:80", 1), ("10.0.0.3:80", 1)]);
    second.director.interfaces = vec!["eth0".to_owned()];
    for confirm_within in [None, Some(60)] {
        // The maps, then the journal, then an interface.
        plane.kernel().room = Some(1);
        assert_eq!(apply(&mut director, &second, confirm_within).unwrap_err().kind, RefusalKind::NoSpace);
        assert_eq!((director.store.clone(), everything(&director, &plane)), before);
        plane.kernel().room = None;
        plane.kernel().journal_is_full = true;
        assert!(apply(&mut director, &second, confirm_within).is_err());
        plane.kernel().journal_is_full = false;
        assert_eq!((director.store.clone(), everything(&director, &plane)), before);
        let mut missing = second.clone();
        missing.director.interfaces.push("eth1".to_owned());
        assert!(apply(&mut director, &missing, confirm_within).is_err());
        // There, but nothing can be attached to it.
        missing.director.interfaces = vec!["eth0".to_owned(), "lo".to_owned()];
        assert!(apply(&mut director, &missing, confirm_within).is_err());
        assert_eq!((director.store.clone(), everything(&director, &plane)), before);
        assert!(plane.kernel().trials.is_empty() && director.trials.is_empty());
        let again = start(&plane, &network);
        assert_eq!((again.store.clone(), everything(&again, &plane)), before);
    }
    // SIGHUP goes the same way.
    plane.kernel().room = Some(1);
    assert!(director.reload(&second, Instant::now()).is_err());
    assert_eq!((director.store.clone(), everything(&director, &plane)), before);
}

#[test]
fn a_file_that_says_the_same_leaves_edits_alone_unless_it_is_applied() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    let file = config(&[("10.0.0.1:80", 1)]);
    assert!(director.reload(&file, Instant::now()).unwrap());
    let edit = Request::EditServer {
        service: key().into(),
        server: model::RealServer {
            weight: model::Weight::new(5).unwrap(),
            ..server("10.0.0.1:80", model::ForwardingMethod::Nat)
        },
    };
    director.answer(&edit).unwrap();
    assert!(!director.reload(&file, Instant::now()).unwrap());
    assert_eq!(plan(&mut director, &file), ["~ tcp 192.0.2.1:80 -> 10.0.0.1:80 weight 1 (was 5)"]);
    let manner = Manner { again: true, ..Manner::default() };
    director.apply(&file, manner, None, Instant::now()).unwrap();
    assert_eq!(plan(&mut director, &file), Vec::<String>::new());
}

#[test]
fn what_a_file_asks_for_and_is_not_done_is_in_the_status_for_as_long_as_the_file_is_in_force() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    let notes = |director: &Fake| director.status().unwrap().notes.join("\n");
    let mut file = config(&[("10.0.0.1:80", 1)]);
    file.not_done = vec!["k.conf:1: VRRP is not run yet".to_owned()];
    apply(&mut director, &file, None).unwrap();
    let expected = "asked for and not done: k.conf:1: VRRP is not run yet";
    assert!(notes(&director).contains(expected), "{}", notes(&director));
    drop(director);
    let mut next = start(&plane, &network);
    assert!(notes(&next).contains(expected), "{}", notes(&next));
    // A comment above it moves the place, and is no news.
    file.not_done = vec!["k.conf:2: VRRP is not run yet".to_owned()];
    assert!(!next.reload(&file, Instant::now()).unwrap());
    assert!(notes(&next).contains("k.conf:2: VRRP") && !notes(&next).contains("k.conf:1:"), "{}", notes(&next));
    next.reload(&config(&[("10.0.0.1:80", 2)]), Instant::now()).unwrap();
    assert!(!notes(&next).contains("asked for and not done"), "{}", notes(&next));
}
