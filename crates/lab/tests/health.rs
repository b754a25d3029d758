//! Servers that fail and come back, by a keepalived.conf.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/paced.rs"]
mod paced;

use lab::node::{Entry, Reuse, Tally, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Mode, Scenario, Topology};
use paced::Paced;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest wait for what the settings say takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest time that a server stays in by the settings below: the check before was just made, and then all of them wait
/// in vain: delay_loop + connect_timeout + retry * (delay_before_retry + connect_timeout).
const SETTINGS: Duration = Duration::from_millis(500 + 2000 + (200 + 2000));
/// For a machine that has much else to do.
const SLACK: Duration = Duration::from_secs(20);

/// Two servers, checked each half second, tried again once; the third one is sorry.
fn configuration(lab: &Lab, hooks: &Path) -> String {
    let vip = address::VIRTUAL.of(Family::V4);
    let server = |number: usize| lab.servers[number - 1].address.of(Family::V4);
    let hook = |word: &str| format!("/bin/sh -c 'echo {word} >> {}' root", hooks.display());
    let check =
        "HTTP_GET {\n url {\n path /\n status_code 200\n }\n connect_timeout 2\n retry 1\n delay_before_retry 0.2\n }";
    format!(
        "global_defs {{\n router_id lab\n}}\n\
         virtual_server {vip} 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n delay_loop 0.5\n warmup 0\n\
         quorum_up \"{up}\"\n quorum_down \"{down}\"\n sorry_server {sorry} 80\n\
         real_server {one} 80 {{\n weight 1\n {check}\n }}\n\
         real_server {two} 80 {{\n weight 1\n TCP_CHECK {{\n connect_timeout 2\n retry 1\n delay_before_retry 0.2\n }}\n }}\n}}\n",
        up = hook("gained").trim_end_matches(" root"),
        down = hook("lost").trim_end_matches(" root"),
        sorry = server(3),
        one = server(1),
        two = server(2),
    )
}

/// All servers are in.
struct Stage {
    lab: Lab,
    scenario: Scenario,
    /// What the hooks have written.
    hooks: PathBuf,
    director: Xlvs,
    /// The address of the third server.
    sorry: String,
}

impl Stage {
    fn begin() -> Self {
        let lab = Lab::build(Topology::point_to_point(Mode::Nat)).unwrap();
        let hooks = lab.network.work().path().join("hooks");
        let mut director = lab.director(Entry::Direct).unwrap();
        director.configure_as("keepalived.conf", &configuration(&lab, &hooks)).unwrap();
        director.start().unwrap();
        director.wait_for_servers().unwrap();
        let sorry = lab.servers[2].address.of(Family::V4).to_string();
        Self { lab, scenario: Scenario::usual(Family::V4), hooks, director, sorry }
    }
}

#[test]
#[ignore = "needs root"]
fn servers_leave_and_return_by_their_checks() {
    let Stage { mut lab, scenario, hooks, mut director, sorry } = Stage::begin();
    assert_eq!(shares(&forty(&lab, &scenario)), [20, 20]);

    let took = until(|| served(&director), 1, || lab.servers[1].stop_web());
    let tally = forty(&lab, &scenario);
    assert_eq!((tally.ok, shares(&tally)), (40, vec![40]));
    let status = director.run(&["status"]).unwrap().success().unwrap();
    assert!(status.contains("DOWN") && status.contains("connection refused"), "{status}");
    println!("a refused server was out after {} ms", took.as_millis());
    // It is in no listing, and yet there.
    let line = format!("ipvsadm -a -t {} -r {}:80 -m", scenario.service(), lab.servers[1].address.of(Family::V4));
    let again = director.run(&line.split(' ').collect::<Vec<_>>()).unwrap();
    assert!(again.stderr.starts_with("Destination already exists\n") && again.code == Some(255), "{again:?}");
    assert!(again.stderr.contains("taken out by its checks"), "{again:?}");

    // A new daemon takes the server for what the old one left in the table, not for well.
    director.kill_nine().unwrap();
    director.start().unwrap();
    assert_eq!(served(&director), 1);
    let tally = forty(&lab, &scenario);
    assert_eq!((tally.ok, shares(&tally)), (40, vec![40]), "after a restart");

    until(|| served(&director), 2, || lab.servers[1].start_web().unwrap());
    assert_eq!(shares(&forty(&lab, &scenario)), [20, 20]);

    until(
        || listed(&director, &sorry),
        1,
        || {
            lab.servers[0].stop_web();
            lab.servers[1].stop_web();
        },
    );
    let tally = forty(&lab, &scenario);
    assert_eq!(tally.served_by.keys().collect::<Vec<_>>(), ["server3"], "{:?}", tally.errors);
    until(|| listed(&director, &sorry), 0, || lab.servers[0].start_web().unwrap());
    assert_eq!(forty(&lab, &scenario).served_by.keys().collect::<Vec<_>>(), ["server1"]);
    // At the two starts, and then by the servers.
    until(|| std::fs::read_to_string(&hooks).unwrap_or_default().lines().count(), 4, || ());
    assert_eq!(std::fs::read_to_string(&hooks).unwrap(), "gained\ngained\nlost\ngained\n");
    director.stop(false).unwrap();
}

#[test]
#[ignore = "needs root"]
fn a_server_that_fails_under_load_costs_requests_until_it_is_out_and_none_after() {
    let Stage { mut lab, scenario, hooks, mut director, sorry } = Stage::begin();
    let calm = || std::thread::sleep(Duration::from_millis(700));

    let load = Paced::begin(&lab.client, scenario.service(), 500);
    calm();
    let first = (Instant::now(), until(|| served(&director), 1, || lab.servers[1].stop_web()));
    calm();
    until(|| served(&director), 2, || lab.servers[1].start_web().unwrap());
    calm();
    let all = || lab.servers[..2].iter_mut().for_each(lab::node::RealServer::stop_web);
    let second = (Instant::now(), until(|| listed(&director, &sorry), 1, all));
    calm();
    let asked = load.end();

    let lost = [first, second].map(|(stopped, took)| {
        assert!(took < SETTINGS + SLACK, "{took:?}");
        let within = asked.failures.iter().filter(|(began, ended)| *began <= stopped + took && *ended >= stopped);
        (took, within.count())
    });
    let [(one, of_one), (both, of_both)] = lost;
    println!(
        "{} requests in {:.1?}: {of_one} failed in the {one:.1?} until a server was out, {of_both} in the {both:.1?} \
         until the sorry server was in",
        asked.requests, asked.lasted
    );
    assert_eq!(of_one + of_both, asked.failures.len(), "others failed while all was well: {:?}", asked.errors);
    assert!(of_one > 0 && of_both > 0, "whoever asks a server that is not there fails");
    assert_eq!(forty(&lab, &scenario).served_by.keys().collect::<Vec<_>>(), ["server3"]);

    until(|| served(&director), 2, || lab.servers[..2].iter_mut().for_each(|server| server.start_web().unwrap()));
    assert_eq!(shares(&forty(&lab, &scenario)), [20, 20]);
    until(|| std::fs::read_to_string(&hooks).unwrap_or_default().lines().count(), 3, || ());
    assert_eq!(std::fs::read_to_string(&hooks).unwrap(), "gained\nlost\ngained\n");
    director.stop(false).unwrap();
}

/// Does something, and waits until a number is as it should be; how long that took.
fn until(mut number: impl FnMut() -> usize, wanted: usize, change: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    change();
    while number() != wanted {
        assert!(begin.elapsed() < PATIENCE, "{} and not {wanted}", number());
        std::thread::sleep(Duration::from_millis(20));
    }
    begin.elapsed()
}

/// Servers that the service has in its table.
fn served(director: &Xlvs) -> usize {
    director.ipvsadm("-Ln").unwrap().lines().filter(|line| line.starts_with("  -> 10.")).count()
}

/// 1 while a server is in the table.
fn listed(director: &Xlvs, address: &str) -> usize {
    usize::from(director.ipvsadm("-Ln").unwrap().contains(address))
}

fn forty(lab: &Lab, scenario: &Scenario) -> Tally {
    lab.client.requests(scenario.service(), 40, Reuse::Close, |_| true).unwrap()
}

fn shares(tally: &Tally) -> Vec<u64> {
    tally.served_by.values().copied().collect()
}
