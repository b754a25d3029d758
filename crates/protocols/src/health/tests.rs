mod amending;
mod bursts;

use super::*;
use crate::Machine;
use forward::Time;
use model::health::{
    Check, Connection, HttpProbe, HttpVersion, Pace, Page, Probe, Script, ServerHealth, ServiceHealth, SorryServer,
};
use model::{
    Endpoint, ForwardingMethod, Key, Protocol, RealServer, ServiceKey, ServiceOptions, VirtualService, Weight,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn key(port: u16) -> Key {
    ServiceKey { protocol: Protocol::Tcp, endpoint: ([192, 0, 2, 10], port).into() }.into()
}

fn endpoint(number: u8) -> Endpoint {
    ([10, 0, 0, number], 80).into()
}

/// A check each 10 s, with 2 retries after 1 s, without warm-up.
fn check(probe: Probe) -> Check {
    let pace = Pace {
        interval: 10 * SECOND,
        timeout: 2 * SECOND,
        retries: 2,
        delay_before_retry: SECOND,
        warmup: Duration::ZERO,
        rise: 1,
        jitter: Duration::ZERO,
    };
    let connection = Connection::default();
    Check { probe, connection, pace, starts_down: false, logs_every_failure: false }
}

fn script(name: &str) -> Option<Script> {
    Some(Script { words: vec![name.to_owned()], user: None, group: None })
}

/// A service with these servers by weight, each with one TCP check.
fn service(port: u16, weights: &[u32]) -> (VirtualService, ServiceHealth) {
    let servers: Vec<RealServer> = (1..)
        .zip(weights)
        .map(|(number, weight)| RealServer::new(endpoint(number), ForwardingMethod::Nat, Weight::new(*weight).unwrap()))
        .collect();
    let health = ServiceHealth {
        passive: None,
        quorum: 1,
        hysteresis: 0,
        quorum_up: script("gained"),
        quorum_down: script("lost"),
        sorry_server: None,
        omega: false,
        suspended_without_address: false,
        servers: servers
            .iter()
            .map(|server| ServerHealth {
                endpoint: server.endpoint,
                checks: vec![check(Probe::Tcp)],
                inhibit_on_failure: false,
                notify_up: script("up"),
                notify_down: script("down"),
            })
            .collect(),
    };
    (VirtualService { key: key(port), options: ServiceOptions::default(), servers }, health)
}

/// A checker, its clock, and which servers answer.
struct World {
    checker: Checker,
    now: Time,
    dead: Vec<Endpoint>,
    failing_scripts: bool,
    failing_page: Option<usize>,
    probes: usize,
    log: Vec<String>,
}

impl World {
    fn new(services: Vec<(VirtualService, ServiceHealth)>) -> Self {
        let mut this = Self {
            checker: Checker::new(1),
            now: Time(0),
            dead: Vec::new(),
            failing_scripts: false,
            failing_page: None,
            probes: 0,
            log: Vec::new(),
        };
        this.input(Input::Configure(services));
        this.log.clear();
        this
    }

    fn input(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.checker.handle(input, self.now, &mut |output| outputs.push(output));
        for output in outputs {
            match output {
                Output::Probe(id, task, page) => {
                    self.probes += 1;
                    let is_script = matches!(task.check.probe, Probe::Script { .. });
                    let is_page = matches!(task.check.probe, Probe::Http(_));
                    let dead = self.dead.contains(&task.server)
                        || (is_script && self.failing_scripts)
                        || (is_page && self.failing_page == Some(page));
                    let outcome = if dead { Outcome::Failure("refused".into()) } else { Outcome::Success };
                    if is_page {
                        self.note(format!("page {page}"));
                    }
                    self.input(Input::Finished(id, outcome));
                }
                Output::Server(_, server, came) => {
                    self.note(format!("{server} {}", if came { "came" } else { "went" }));
                }
                Output::Quorum(_, reached) => self.note(format!("quorum {reached}")),
                Output::Run(script) => self.note(format!("run {}", script.words[0])),
                Output::Changed(_) => {}
                Output::Failed(_) => self.note("failed".into()),
                Output::Burst(_, server, burst, follows) => self.note(format!("{server} {burst}: {follows:?}")),
            }
        }
    }

    fn note(&mut self, text: String) {
        self.log.push(format!("{}s {text}", self.now.0 / 1_000_000_000));
    }

    /// Lets time go by; what happened is told.
    fn run(&mut self, seconds: u64) -> Vec<String> {
        let end = Time(self.now.0 + seconds * 1_000_000_000);
        while let Some(deadline) = self.checker.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = Time(deadline.0.max(self.now.0));
            self.input(Input::Tick);
        }
        self.now = end;
        std::mem::take(&mut self.log)
    }

    fn standings(&self, port: u16) -> Vec<Standing> {
        self.checker.service(&key(port)).unwrap().servers.iter().map(|server| server.standing).collect()
    }
}

fn weight(value: u32) -> Standing {
    Standing::In(Weight::new(value).unwrap())
}

#[test]
fn a_server_goes_after_its_retries_and_comes_back_at_once() {
    let mut world = World::new(vec![service(80, &[1, 1])]);
    assert_eq!(world.run(25), Vec::<String>::new());
    world.dead.push(endpoint(1));
    // Checked at 30, again at 31 and 32.
    assert_eq!(world.run(10), ["32s 10.0.0.1:80 went", "32s run down"]);
    assert_eq!(world.standings(80), [Standing::Out, weight(1)]);
    world.dead.clear();
    assert_eq!(world.run(10), ["42s 10.0.0.1:80 came", "42s run up"]);
    assert_eq!(world.standings(80), [weight(1), weight(1)]);
}

#[test]
fn one_failure_that_a_retry_does_not_repeat_is_none() {
    let mut world = World::new(vec![service(80, &[1])]);
    world.run(9);
    world.dead.push(endpoint(1));
    world.run(1);
    world.dead.clear();
    assert_eq!(world.run(30), Vec::<String>::new());
    let id = world.checker.service(&key(80)).unwrap().servers[0].checks[0];
    assert_eq!(world.checker.check(id).unwrap().failed, 1);
}

#[test]
fn alpha_starts_down_and_inhibit_only_quiesces() {
    let (alpha, mut health) = service(80, &[3]);
    health.servers[0].checks[0].starts_down = true;
    health.servers[0].inhibit_on_failure = true;
    let mut world = World::new(vec![(alpha, health)]);
    // The very first check already brings it.
    assert_eq!(world.standings(80), [weight(3)]);
    world.dead.push(endpoint(1));
    let expected = ["12s 10.0.0.1:80 went", "12s run down", "12s quorum false", "12s run lost"];
    assert_eq!(world.run(15), expected);
    assert_eq!(world.standings(80), [Standing::Quiesced]);
}

#[test]
fn a_quorum_with_hysteresis_is_lost_late_and_reached_late() {
    let (four, mut health) = service(80, &[1, 1, 1, 1]);
    (health.quorum, health.hysteresis) = (3, 1);
    let mut world = World::new(vec![(four, health)]);
    let only_quorum = |log: Vec<String>| log.into_iter().filter(|line| line.contains("quorum")).collect::<Vec<_>>();
    world.dead = vec![endpoint(1), endpoint(2)];
    assert_eq!(only_quorum(world.run(20)), Vec::<String>::new());
    world.dead.push(endpoint(3));
    assert_eq!(only_quorum(world.run(20)).len(), 1);
    world.dead = vec![endpoint(1)];
    assert_eq!(only_quorum(world.run(20)), Vec::<String>::new(), "3 of 3 + 1");
    world.dead.clear();
    assert_eq!(only_quorum(world.run(20)).len(), 1);
}

#[test]
fn the_sorry_server_takes_over_from_all() {
    let (two, mut health) = service(80, &[1, 1]);
    health.quorum = 2;
    let sorry = RealServer::new(endpoint(99), ForwardingMethod::Nat, Weight::default());
    health.sorry_server = Some(SorryServer { server: sorry, inhibited: false });
    let mut world = World::new(vec![(two, health)]);
    assert_eq!(world.checker.service(&key(80)).unwrap().sorry, Some(Standing::Out));
    world.dead.push(endpoint(1));
    world.run(15);
    assert_eq!(world.standings(80), [Standing::Out, Standing::Out]);
    assert_eq!(world.checker.service(&key(80)).unwrap().sorry, Some(weight(1)));
    world.dead.clear();
    world.run(15);
    assert_eq!(world.standings(80), [weight(1), weight(1)]);
}

#[test]
fn servers_that_services_share_are_checked_once() {
    let mut world = World::new(vec![service(80, &[1]), service(81, &[1]), service(82, &[1, 1])]);
    assert_eq!(world.checker.check_count(), 2);
    world.probes = 0;
    world.run(100);
    assert_eq!(world.probes, 20);
    world.dead.push(endpoint(1));
    assert_eq!(world.run(15).iter().filter(|line| line.contains("went")).count(), 3);
}

#[test]
fn a_reload_disturbs_nothing_that_it_does_not_change() {
    let mut world = World::new(vec![service(80, &[1, 1])]);
    world.dead.push(endpoint(1));
    world.run(15);
    world.probes = 0;
    world.input(Input::Configure(vec![service(80, &[1, 1]), service(81, &[1, 1, 1])]));
    assert_eq!(world.log, ["0s run gained"].map(|line| line.replace("0s", "15s")), "of the new service alone");
    assert_eq!(world.probes, 1, "only the new server is checked anew");
    assert_eq!(world.standings(80), [Standing::Out, weight(1)]);
    assert_eq!(world.standings(81), [Standing::Out, weight(1), weight(1)]);
    world.input(Input::Configure(vec![service(81, &[1])]));
    assert_eq!(world.checker.check_count(), 1);
    assert!(world.checker.service(&key(80)).is_none());
}

#[test]
fn a_quorum_that_the_file_changes_is_told() {
    let mut world = World::new(vec![service(80, &[1, 1])]);
    let (two, mut health) = service(80, &[1, 1]);
    health.quorum = 3;
    world.input(Input::Configure(vec![(two, health)]));
    assert_eq!(world.log, ["0s quorum false", "0s run lost"]);
    world.log.clear();
    world.input(Input::Configure(vec![service(80, &[1, 1])]));
    assert_eq!(world.log, ["0s quorum true", "0s run gained"]);
}

#[test]
fn servers_known_to_be_down_stay_so_until_they_succeed() {
    let mut checker = Checker::new(1);
    checker.presume_down([(key(80), endpoint(1))].into());
    let (two, mut health) = service(80, &[1, 1]);
    for server in &mut health.servers {
        server.checks[0].pace.warmup = 10 * SECOND;
    }
    checker.handle(Input::Configure(vec![(two, health)]), Time(0), &mut |_| {});
    let standings: Vec<_> = checker.service(&key(80)).unwrap().servers.iter().map(|it| it.standing).collect();
    assert_eq!(standings, [Standing::Out, weight(1)]);

    let mut world = World::new(vec![service(80, &[1, 1])]);
    world.dead.push(endpoint(1));
    world.run(15);
    let (two, mut health) = service(80, &[1, 1]);
    health.servers[0].checks[0].pace.timeout = 3 * SECOND;
    world.input(Input::Configure(vec![(two, health)]));
    assert_eq!(world.standings(80), [Standing::Out, weight(1)], "another check of a server that is down");
}

#[test]
fn what_other_services_find_says_nothing_of_a_new_check() {
    let [one, mut other] = [80, 81].map(|port| service(port, &[1]));
    let probe = Probe::Script { script: script("probe").unwrap(), timeout: None, sets_weight: false };
    other.1.servers[0].checks = vec![check(probe)];
    let mut world = World::new(vec![one, other.clone()]);
    world.failing_scripts = true;
    world.run(15);
    let [mut edited, mut fresh] = [80, 82].map(|port| service(port, &[1]));
    edited.1.servers[0].checks[0].pace.timeout = 3 * SECOND;
    fresh.1.servers[0].checks[0].pace.timeout = 4 * SECOND;
    world.input(Input::Configure(vec![edited, other, fresh]));
    assert_eq!(
        [80, 81, 82].map(|port| world.standings(port)),
        [vec![weight(1)], vec![Standing::Out], vec![weight(1)]],
        "edited, failing and fresh"
    );
}

/// Two pages at an address, 10 s apart.
fn pages() -> (VirtualService, ServiceHealth) {
    let page = |path: &str| Page { path: path.into(), host: None, status: vec![(200, 299)], digest: None, body: None };
    let probe = HttpProbe {
        tls: false,
        server_name_indication: false,
        version: HttpVersion::V10,
        fast_recovery: false,
        pages: vec![page("/a"), page("/b")],
    };
    let (one, mut health) = service(80, &[1]);
    health.servers[0].checks = vec![check(Probe::Http(probe))];
    (one, health)
}

#[test]
fn pages_are_looked_at_in_turn_and_all_of_them_after_a_failure() {
    let mut world = World::new(vec![pages()]);
    assert_eq!(world.run(20), ["10s page 1", "20s page 0"]);
    world.dead.push(endpoint(1));
    world.run(15);
    world.dead.clear();
    let log = world.run(30);
    let came = log.iter().position(|line| line.contains("came")).unwrap();
    assert_eq!(log.get(came - 2..came).unwrap(), ["42s page 0", "52s page 1"]);
}

#[test]
fn a_page_that_fails_is_looked_at_again_until_its_retries_are_used_up() {
    let mut world = World::new(vec![pages()]);
    world.failing_page = Some(1);
    let log = world.run(15);
    assert_eq!(log.get(..4).unwrap(), ["10s page 1", "11s page 1", "12s page 1", "12s 10.0.0.1:80 went"]);
    assert!(world.run(100).iter().all(|line| !line.contains("came")), "its first page alone brings no server back");
    world.failing_page = None;
    assert!(world.run(40).iter().any(|line| line.contains("came")));
}

#[test]
fn weights_follow_checks_that_set_them() {
    let mut world = World::new(vec![service(80, &[5])]);
    let id = world.checker.service(&key(80)).unwrap().servers[0].checks[0];
    world.dead.clear();
    world.now = Time(20_000_000_000);
    world.checker.handle(Input::Tick, world.now, &mut |_| {});
    world.checker.handle(Input::Finished(id, Outcome::Weight(-3)), world.now, &mut |_| {});
    assert_eq!(world.standings(80), [weight(2)]);
}

#[test]
fn a_script_sets_the_weight_until_it_has_nothing_to_say() {
    let script = Script { words: vec!["script".into()], user: None, group: None };
    let probe = Probe::Script { script, timeout: None, sets_weight: true };
    let (mut one, mut health) = service(80, &[5]);
    health.servers[0].checks = vec![check(probe), check(Probe::Tcp)];
    let mut world = World::new(vec![(one.clone(), health.clone())]);
    let say = |world: &mut World, outcome: Outcome| {
        let id = world.checker.service(&key(80)).unwrap().servers[0].checks[0];
        world.now.0 += 20_000_000_000;
        world.checker.handle(Input::Tick, world.now, &mut |_| {});
        world.checker.handle(Input::Finished(id, outcome), world.now, &mut |_| {});
    };
    say(&mut world, Outcome::Weight(8));
    assert_eq!(world.standings(80), [weight(8)]);
    one.servers[0].weight = Weight::new(7).unwrap();
    world.input(Input::Configure(vec![(one, health)]));
    assert_eq!(world.standings(80), [weight(8)], "whatever the file says");
    say(&mut world, Outcome::Success);
    assert_eq!(world.standings(80), [weight(7)]);
}

#[test]
fn scripts_tell_what_a_service_begins_and_ends_with() {
    let mut world = World::new(Vec::new());
    let (two, mut health) = service(80, &[1, 1]);
    health.servers[1].checks[0].starts_down = true;
    world.dead.push(endpoint(2));
    world.input(Input::Configure(vec![(two, health)]));
    assert_eq!(world.log, ["0s run gained", "0s run down"], "its quorum is there, and its second server is not");
    world.run(15);
    world.input(Input::Configure(vec![service(80, &[])]));
    assert_eq!(world.log[0], "15s run down", "the first server has gone; the second one had told so");
    assert_eq!(world.log.iter().filter(|line| line.contains("down")).count(), 1);
    world.log.clear();
    world.input(Input::Configure(vec![service(80, &[1])]));
    world.log.clear();
    world.input(Input::Configure(Vec::new()));
    assert_eq!(world.log, ["15s run down", "15s run lost"]);
}

#[test]
fn checks_rest_while_no_service_has_its_address() {
    let (one, mut health) = service(80, &[1]);
    health.suspended_without_address = true;
    let mut world = World::new(vec![(one, health)]);
    world.input(Input::Absent([key(80)].into()));
    world.probes = 0;
    world.dead.push(endpoint(1));
    assert_eq!(world.run(50), Vec::<String>::new());
    assert_eq!(world.probes, 0);
    world.input(Input::Absent([].into()));
    assert!(!world.run(20).is_empty());
}

#[test]
fn a_service_that_rests_is_not_told_what_others_find() {
    let (one, mut health) = service(80, &[1]);
    health.suspended_without_address = true;
    let mut world = World::new(vec![(one, health), service(81, &[1])]);
    world.input(Input::Absent([key(80)].into()));
    world.dead.push(endpoint(1));
    world.run(50);
    assert_eq!((world.standings(80), world.standings(81)), (vec![weight(1)], vec![Standing::Out]));
    world.input(Input::Absent([].into()));
    world.run(50);
    assert_eq!(world.standings(80), [Standing::Out]);
}

#[test]
fn a_server_whose_new_check_is_known_to_fail_goes_with_its_script() {
    let by_script = |services: &mut (VirtualService, ServiceHealth)| {
        let probe = Probe::Script { script: script("probe").unwrap(), timeout: None, sets_weight: false };
        services.1.servers[0].checks = vec![check(probe)];
    };
    let [one, mut other] = [80, 81].map(|port| service(port, &[1]));
    by_script(&mut other);
    let mut world = World::new(vec![one, other]);
    world.failing_scripts = true;
    world.run(15);
    assert_eq!((world.standings(80), world.standings(81)), (vec![weight(1)], vec![Standing::Out]));
    let mut both = [80, 81].map(|port| service(port, &[1]));
    both.iter_mut().for_each(by_script);
    world.input(Input::Configure(both.into()));
    assert_eq!(world.standings(80), [Standing::Out]);
    assert_eq!(world.log, ["15s 10.0.0.1:80 went", "15s run down", "15s quorum false", "15s run lost"]);
}

#[test]
fn omega_says_goodbye_for_those_that_are_up() {
    let (two, mut health) = service(80, &[1, 1]);
    health.omega = true;
    let mut world = World::new(vec![(two, health)]);
    world.dead.push(endpoint(1));
    world.run(15);
    world.input(Input::End);
    assert_eq!(world.log, ["15s run down", "15s run lost"]);
}

#[test]
fn answers_that_nobody_waits_for_change_nothing() {
    let mut world = World::new(vec![service(80, &[1])]);
    for id in [CheckId(0), CheckId(77)] {
        for _ in 0..5 {
            world.input(Input::Finished(id, Outcome::Failure("late".into())));
        }
    }
    assert_eq!(world.standings(80), [weight(1)]);
}

#[test]
fn a_failed_server_rises_after_successes_in_a_row() {
    let (service, mut health) = service(80, &[1, 1]);
    health.servers[0].checks[0].pace.rise = 3;
    let mut world = World::new(vec![(service, health)]);
    world.dead = vec![endpoint(1)];
    world.run(15);
    world.dead.clear();
    world.log.clear();
    // Down since the failures at 10, 11 and 12 s: checks at 22 and 32 s succeed, the one at 42 s fails.
    world.run(20);
    world.dead = vec![endpoint(1)];
    world.run(10);
    world.dead.clear();
    assert_eq!(world.log, [] as [&str; 0]);
    // Successes at 52, 62 and 72 s.
    assert_eq!(world.run(26), [] as [&str; 0]);
    assert_eq!(world.run(2), ["72s 10.0.0.1:80 came", "72s run up"]);
}

#[test]
fn jitter_brings_checks_forward_and_never_puts_them_off() {
    let (service, mut health) = service(80, &[1]);
    health.servers[0].checks[0].pace.jitter = 5 * SECOND;
    let mut world = World::new(vec![(service, health)]);
    let mut waits = Vec::new();
    for _ in 0..50 {
        let (before, next) = (world.now.0, world.checker.next_deadline().unwrap().0);
        waits.push((next - before) / 1_000_000);
        world.now = Time(next);
        world.input(Input::Tick);
    }
    assert!(waits.iter().all(|wait| (5_000..=10_000).contains(wait)), "{waits:?}");
    assert!(waits.iter().min() < Some(&6_000) && waits.iter().max() > Some(&9_000), "{waits:?}");
}

#[test]
fn the_work_of_a_turn_grows_with_who_has_the_check_and_nothing_else() {
    const SERVICES: u16 = 40;
    const SERVERS: u64 = 50;
    let services = (1..=SERVICES).map(|port| {
        let (mut service, mut health) = service(port, &[1; SERVERS as usize]);
        health.suspended_without_address = true;
        for (server, health) in service.servers.iter_mut().zip(&mut health.servers) {
            server.endpoint = Endpoint::new(server.endpoint.ip(), port);
            health.endpoint = server.endpoint;
        }
        (service, health)
    });
    let checks = u64::from(SERVICES) * SERVERS;
    let mut world = World::new(services.collect());
    assert_eq!(world.checker.check_count() as u64, checks);
    world.dead = (1..=SERVICES)
        .flat_map(|port| (1..=SERVERS as u8).map(move |number| Endpoint::new(endpoint(number).ip(), port)))
        .collect();
    let before = world.checker.looks();
    world.run(15);
    assert!((1..=SERVICES).all(|port| world.standings(port).iter().all(|standing| *standing == Standing::Out)));
    assert_eq!(world.checker.looks() - before, checks, "one look for each check that turned");

    // An address that is elsewhere: whoever has a check is asked whether it rests, each time that it is due.
    world.input(Input::Absent([key(1)].into()));
    let (before, probes) = (world.checker.looks(), world.probes);
    world.run(10);
    assert_eq!(world.probes - probes, usize::try_from(checks - SERVERS).unwrap());
    assert_eq!(world.checker.looks() - before, checks);
}

#[test]
fn a_sorry_server_that_comes_or_goes_is_news_of_all_servers() {
    let (three, mut health) = service(80, &[1, 2, 3]);
    health.quorum = 4;
    health.servers[0].inhibit_on_failure = true;
    let sorry = RealServer::new(endpoint(99), ForwardingMethod::Nat, Weight::default());
    health.sorry_server = Some(SorryServer { server: sorry, inhibited: false });
    let mut world = World::new(vec![(three, health)]);
    world.dead.push(endpoint(3));
    world.run(15);
    assert_eq!(world.standings(80), [Standing::Quiesced, Standing::Out, Standing::Out]);
    assert_eq!(world.checker.service(&key(80)).unwrap().alive, 3);
    world.dead.clear();
    world.run(15);
    assert_eq!(world.standings(80), [weight(1), weight(2), weight(3)]);
    assert_eq!(world.checker.service(&key(80)).unwrap().alive, 6);
}

/// Only those are looked at that have the check; a look at all of them must find nothing else.
#[test]
fn a_look_at_some_servers_leaves_what_a_look_at_all_would() {
    let services: Vec<_> = (80..84)
        .map(|port| {
            let (service, mut health) = service(port, &[3, 2, 1, 4]);
            (health.quorum, health.hysteresis) = (u32::from(port - 78), u32::from(port % 2));
            for server in health.servers.iter_mut().step_by(2) {
                server.inhibit_on_failure = true;
            }
            let sorry = RealServer::new(endpoint(99), ForwardingMethod::Nat, Weight::default());
            health.sorry_server = (port % 2 == 0).then_some(SorryServer { server: sorry, inhibited: port == 82 });
            (service, health)
        })
        .collect();
    let mut world = World::new(services.clone());
    let mut dice = model::Dice::new(7);
    let mut changes = 0;
    for _ in 0..500 {
        let server = endpoint(1 + (dice.share() * 4.0) as u8);
        match world.dead.iter().position(|dead| *dead == server) {
            Some(place) => drop(world.dead.remove(place)),
            None => world.dead.push(server),
        }
        changes += world.run(15).len();
        let checks: Vec<CheckId> =
            world.checker.service(&key(80)).unwrap().servers.iter().map(|it| it.checks[0]).collect();
        // A weight for one of them, by a check that is due.
        world.now.0 += 10_000_000_000;
        world.checker.handle(Input::Tick, world.now, &mut |_| {});
        let heavier = Outcome::Weight((dice.share() * 5.0) as i64 - 2);
        for (place, id) in checks.into_iter().enumerate() {
            let outcome = if place == 1 { heavier.clone() } else { Outcome::Success };
            world.checker.handle(Input::Finished(id, outcome), world.now, &mut |_| {});
        }
        let mut outputs = Vec::new();
        world.checker.handle(Input::Configure(services.clone()), world.now, &mut |output| outputs.push(output));
        assert_eq!(outputs, []);
    }
    assert!(changes > 500, "{changes}");
}

#[test]
fn a_server_that_one_service_had_left_out_stays_in_where_it_was_in() {
    let settled = |checks: Vec<Check>| {
        let mut checker = Checker::new(1);
        checker.presume_down([(key(80), endpoint(1)), (key(80), endpoint(2))].into());
        let (one, health) = service(81, &[1]);
        let (two, mut other) = service(80, &[1, 1]);
        other.servers[0].checks = checks;
        let mut services = vec![(two, other), (one, health)];
        for health in services.iter_mut().flat_map(|(_, health)| &mut health.servers) {
            health.checks.iter_mut().for_each(|check| check.pace.warmup = 10 * SECOND);
        }
        checker.handle(Input::Configure(services), Time(0), &mut |_| {});
        let up = |port| checker.service(&key(port)).unwrap().servers.iter().map(|it| it.up).collect::<Vec<_>>();
        (up(80), up(81))
    };
    assert_eq!(settled(Vec::new()), (vec![true, false], vec![true]), "not checked there");
    assert_eq!(settled(vec![check(Probe::Tcp)]), (vec![true, false], vec![true]), "by a check of both");
    let both = vec![check(Probe::Tcp), check(Probe::Ping)];
    assert_eq!(settled(both), (vec![false, false], vec![true]), "by the check of its own");
}

#[test]
fn servers_added_by_hand_take_part_and_count_for_no_quorum() {
    let with_sorry = |weights: &[u32]| {
        let (service, mut health) = service(80, weights);
        health.servers.truncate(1);
        let sorry = RealServer::new(endpoint(99), ForwardingMethod::Nat, Weight::default());
        health.sorry_server = Some(SorryServer { server: sorry, inhibited: false });
        (service, health)
    };
    let mut world = World::new(vec![with_sorry(&[1])]);
    world.dead.push(endpoint(1));
    world.run(15);
    world.input(Input::Configure(vec![with_sorry(&[1, 5])]));
    let status = world.checker.service(&key(80)).unwrap();
    assert_eq!((status.quorum, status.alive, status.sorry), (false, 0, Some(weight(1))));
    assert_eq!(world.standings(80), [Standing::Out, weight(5)]);
    world.dead.clear();
    world.run(15);
    let status = world.checker.service(&key(80)).unwrap();
    assert_eq!((status.quorum, status.alive, status.sorry), (true, 1, Some(Standing::Out)));
    assert_eq!(world.standings(80), [weight(1), weight(5)]);
}
