//! Bursts of failed connections: what they need, what they do, and when they are over.

use super::*;
use model::health::Passive;

/// A minute's wait between checks; out for 30 s.
fn watched(weights: &[u32], checked: bool) -> (VirtualService, ServiceHealth) {
    let (service, mut health) = service(80, weights);
    health.passive = Some(Passive { out_for: Some(30 * SECOND), ..Passive::default() });
    for server in &mut health.servers {
        server.checks.truncate(usize::from(checked));
        server.checks.iter_mut().for_each(|check| check.pace.interval = 60 * SECOND);
        (server.notify_up, server.notify_down) = (None, None);
    }
    (service, health)
}

const fn clients(count: u32) -> u64 {
    (1 << count) - 1
}

const fn sample(begun: u32, unanswered: u32, reset: u32, failed_clients: u64) -> Sample {
    Sample { begun, unanswered, reset, failed_clients, served_clients: 0 }
}

/// Nine connections of which seven fail, of four clients.
const BURST: Sample = sample(9, 7, 0, clients(4));

impl World {
    fn hear(&mut self, number: u8, sample: Sample) {
        self.input(Input::Signals(vec![(key(80), endpoint(number), sample)]));
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}

#[test]
fn a_burst_takes_a_server_out_until_its_time_is_over_and_its_checks_have_succeeded() {
    let mut world = World::new(vec![watched(&[1, 1], true)]);
    assert_eq!(world.run(61), Vec::<String>::new());
    let made = world.probes;
    world.hear(1, BURST);
    assert_eq!(world.standings(80), [Standing::Out, weight(1)]);
    assert_eq!((world.told(), world.probes), (vec!["61s 10.0.0.1:80 went".to_owned()], made + 1));
    assert_eq!(world.run(29), Vec::<String>::new());
    assert_eq!(world.run(2), ["91s 10.0.0.1:80 came"]);
    let watch = world.checker.watch(&key(80), &endpoint(1)).unwrap();
    assert_eq!((watch.bursts, watch.returned), (1, Some(Return::Over)));
}

/// Its checks would have found it a minute later; they are made at once, and while they fail it stays out.
#[test]
fn a_dead_server_stays_out_by_its_checks() {
    let mut world = World::new(vec![watched(&[1, 1], true)]);
    world.run(30);
    world.dead.push(endpoint(1));
    world.hear(1, BURST);
    assert_eq!(world.run(120), ["30s 10.0.0.1:80 went"]);
    world.dead.clear();
    assert_eq!(world.run(61), ["152s 10.0.0.1:80 came"]);
}

/// A success before the burst says nothing of the time after it.
#[test]
fn it_must_succeed_as_often_as_after_a_failure() {
    let (service, mut health) = watched(&[1, 1], true);
    health.servers[0].checks[0].pace.rise = 3;
    health.servers[0].checks[0].pace.interval = 20 * SECOND;
    let mut world = World::new(vec![(service, health)]);
    world.run(100);
    world.hear(1, BURST);
    // At once, and 20 and 40 s later.
    assert_eq!(world.run(60), ["100s 10.0.0.1:80 went", "140s 10.0.0.1:80 came"]);
}

#[test]
fn without_checks_its_time_is_all() {
    let mut world = World::new(vec![watched(&[1, 1], false)]);
    world.hear(2, BURST);
    assert_eq!(world.run(60), ["0s 10.0.0.2:80 went", "30s 10.0.0.2:80 came"]);
}

/// Few, of one client, a small part of all, or while others are served: none of them is a burst, for however long they go on.
#[test]
fn what_is_no_burst() {
    let few = sample(4, 4, 0, clients(4));
    let one_client = sample(100, 60, 40, clients(1));
    let small_share = sample(1000, 300, 100, clients(20));
    // What fails is of four clients, however much it is, and ten others are served at the same time.
    let served = Sample { served_clients: clients(14), ..sample(100_000, 99_000, 0, clients(4)) };
    for sample in [few, one_client, small_share, served] {
        let mut world = World::new(vec![watched(&[1, 1], true)]);
        for _ in 0..100 {
            world.hear(1, sample);
            assert_eq!(world.run(10), Vec::<String>::new(), "{sample:?}");
        }
        assert_eq!(world.standings(80), [weight(1), weight(1)]);
    }
}

/// Failures of the last ten seconds count together, older ones do not; clients count once.
#[test]
fn a_window_of_time() {
    let mut world = World::new(vec![watched(&[1, 1], true)]);
    let fail = |client: u32| sample(1, 0, 1, 1 << client);
    for (client, seconds) in [(1, 3), (2, 3), (3, 3), (1, 3), (2, 3)] {
        world.hear(1, fail(client));
        assert_eq!(world.run(seconds), Vec::<String>::new());
    }
    let sum = world.checker.watch(&key(80), &endpoint(1)).unwrap().sum(10 * SECOND, world.now);
    assert_eq!(sum, sample(3, 0, 3, 0b1110));
    world.hear(1, fail(3));
    assert_eq!(world.standings(80), [weight(1), weight(1)], "four in ten seconds");
    world.hear(1, fail(1));
    assert_eq!(world.standings(80), [Standing::Out, weight(1)], "and one more");
}

/// The last server stays, and so does any that the quorum needs; it is told once in the time, and checked.
#[test]
fn never_below_the_quorum() {
    let (service, mut health) = watched(&[3, 1, 1], true);
    health.quorum = 3;
    let mut world = World::new(vec![(service, health)]);
    world.run(5);
    let made = world.probes;
    world.hear(1, BURST);
    world.hear(1, BURST);
    assert_eq!(world.told(), ["5s 10.0.0.1:80 7 of 9 connections of 4 clients unanswered in 10 s: Needed"]);
    assert_eq!(world.probes, made + 1);
    world.hear(2, BURST);
    world.hear(3, sample(8, 2, 6, clients(5)));
    assert_eq!(world.told(), ["5s 10.0.0.2:80 went", "5s 10.0.0.3:80 went"]);
    assert_eq!(world.standings(80), [weight(3), Standing::Out, Standing::Out]);
}

/// Servers fail that were enough without the one that is out: it comes back before the quorum is lost, its time over or not.
#[test]
fn who_is_out_returns_when_the_quorum_needs_it() {
    let mut world = World::new(vec![watched(&[1, 1], true)]);
    world.run(59);
    world.hear(1, BURST);
    world.dead.push(endpoint(2));
    assert_eq!(
        world.run(20),
        ["59s 10.0.0.1:80 went", "62s 10.0.0.2:80 went", "62s 10.0.0.1:80 came"],
        "and the quorum is never lost"
    );
    assert_eq!(world.standings(80), [weight(1), Standing::Out]);
    assert_eq!(world.checker.watch(&key(80), &endpoint(1)).unwrap().returned, Some(Return::Needed));
    assert_eq!(world.run(10), Vec::<String>::new(), "its time ends, and nothing follows");
}

/// Without `out_for` a burst only makes checks come at once.
#[test]
fn checks_come_at_once() {
    let (service, mut health) = watched(&[1, 1], true);
    health.passive = Some(Passive::default());
    let mut world = World::new(vec![(service, health)]);
    world.run(10);
    world.dead.push(endpoint(1));
    world.hear(1, BURST);
    let told = "10s 10.0.0.1:80 7 of 9 connections of 4 clients unanswered in 10 s: Checks";
    assert_eq!(world.run(5), [told, "12s 10.0.0.1:80 went"], "by the check and its two retries");
}

/// A server that fails for half of its clients has a burst; those that met both count with those that failed.
#[test]
fn half_of_the_clients() {
    for (served, standing) in [(clients(16), Standing::Out), (clients(17), weight(1))] {
        let mut world = World::new(vec![watched(&[1, 1], true)]);
        world.hear(1, Sample { served_clients: served, ..sample(20, 15, 0, clients(8)) });
        assert_eq!(world.standings(80)[0], standing, "{served:#x}");
    }
}

/// A service that does not ask hears nothing, whatever it is told.
#[test]
fn off_is_off() {
    let mut world = World::new(vec![service(80, &[1, 1])]);
    world.hear(1, BURST);
    assert_eq!((world.run(1), world.checker.watched().count()), (Vec::new(), 0));
}

/// A configuration that says the same of it leaves a server out for the rest of its time; another one begins anew.
#[test]
fn other_configurations() {
    let same = watched(&[1, 1, 1], true);
    let mut world = World::new(vec![watched(&[1, 1], true)]);
    world.run(1);
    world.hear(1, BURST);
    world.input(Input::Configure(vec![same.clone()]));
    assert_eq!(world.standings(80), [Standing::Out, weight(1), weight(1)]);
    assert_eq!(world.run(35), ["1s 10.0.0.1:80 went", "31s 10.0.0.1:80 came"]);
    world.hear(1, BURST);
    assert_eq!(world.told(), ["36s 10.0.0.1:80 went"]);
    let (service, mut health) = same;
    health.passive = None;
    world.input(Input::Configure(vec![(service, health)]));
    assert_eq!(world.standings(80), [weight(1), weight(1), weight(1)]);
}

#[test]
fn bursts_in_words() {
    let words = |sample| Burst { sample, within: Duration::from_millis(2500) }.to_string();
    assert_eq!(words(sample(9, 0, 7, clients(3))), "7 of 9 connections of 3 clients reset in 2.5 s");
    let both = "8 of 8 connections of 5 clients failed (2 unanswered, 6 reset) in 2.5 s";
    assert_eq!(words(sample(8, 2, 6, clients(5))), both);
}
