//! `xlvs real-server`: hosts are made real servers and afterwards are what they were, whatever happened in between.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/killed.rs"]
mod killed;

use killed::{Killed, run_and_kill};
use lab::net::{Device, Namespace};
use lab::network::Network;
use lab::node::{Agent, Cgroup, Entry};
use lab::topology::address;
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const BOTH: &str = "up --mode dr --vip 203.0.113.10 2001:db8::10";

/// A host with an interface, and what is said of it by ip(8), the kernel's settings and the directory of records.
struct Server {
    _network: Network,
    host: Namespace,
    agent: Agent,
    peer: Namespace,
}

impl Server {
    fn new() -> Self {
        let mut network = Network::new().unwrap();
        let (host, peer) = (network.host("server1").unwrap(), network.host("peer").unwrap());
        network.link(&Device::new(&host, "e0"), &Device::new(&peer, "p0")).unwrap();
        Device::new(&host, "e0").add_address("10.0.0.11".parse().unwrap(), 24).unwrap();
        let agent = Agent::new(&host, network.work());
        Self { _network: network, host, agent, peer }
    }

    /// One line each: addresses, settings, records.
    fn look(&self) -> BTreeSet<String> {
        let addresses = self.host.command("ip").args(["-oneline", "address"]).output().unwrap().stdout;
        // The kernel makes sure of a link-local address in its own time.
        let addresses = String::from_utf8(addresses).unwrap().replace(" tentative", "");
        let mut lines: BTreeSet<String> = addresses.lines().map(str::to_owned).collect();
        let settings = self.host.run(|| Ok(settings(Path::new("/proc/sys/net")))).unwrap();
        assert!(settings.len() > 300, "only {} settings are compared", settings.len());
        lines.extend(settings.into_iter().map(|(key, value)| format!("{key} = {}", value.trim())));
        lines.extend(tree(self.agent.directory()));
        lines.extend(tree(self.agent.pins()));
        lines.extend(self.programs());
        lines
    }

    /// Programs on interfaces and on the cgroup of this thread, as bpftool lists them, without their numbers.
    fn programs(&self) -> Vec<String> {
        let mut network = self.host.command("bpftool");
        network.args(["net", "show"]);
        let mut cgroup = Command::new("bpftool");
        cgroup.args(["cgroup", "show"]).args(Cgroup::of_this_process());
        let said = [network, cgroup].map(|mut command| String::from_utf8(command.output().unwrap().stdout).unwrap());
        assert!(said[0].contains("tc:"), "{}", said[0]);
        let is_number = |word: &&str| word.parse::<u64>().is_ok();
        let plain = |line: &str| line.split_whitespace().filter(|word| !is_number(word)).collect::<Vec<_>>().join(" ");
        said.iter().flat_map(|text| text.lines()).map(plain).collect()
    }

    /// Everything that is pinned: kind and number.
    fn objects(&self) -> Vec<(&'static str, String)> {
        let files = tree(self.agent.pins()).into_iter().filter(|path| Path::new(path).is_file());
        let kind = |path: String| {
            ["prog", "map", "link"].into_iter().find_map(|kind| {
                let shown = Command::new("bpftool").args(["-j", kind, "show", "pinned", &path]).output().unwrap();
                let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).ok()?;
                Some((kind, shown["id"].as_u64()?.to_string()))
            })
        };
        files.filter_map(kind).collect()
    }
}

/// Everything below a directory, and itself.
fn tree(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let below =
        entries.flatten().flat_map(|entry| tree(&entry.path()).into_iter().chain([entry.path().display().to_string()]));
    below.chain([path.display().to_string()]).collect()
}

/// What is only there, and only here.
fn differences(there: &BTreeSet<String>, here: &BTreeSet<String>) -> Vec<String> {
    let gone = there.difference(here).map(|line| format!("- {line}"));
    gone.chain(here.difference(there).map(|line| format!("+ {line}"))).collect()
}

#[track_caller]
fn assert_same(there: &BTreeSet<String>, here: &BTreeSet<String>, when: &str) {
    assert_eq!(differences(there, here), Vec::<String>::new(), "{when}");
}

/// Every setting below a directory that can be read and does not count by itself.
fn settings(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(settings(&path));
        } else if let Ok(text) = std::fs::read_to_string(&path)
            && !path.ends_with("nf_conntrack_count")
        {
            found.insert(path.display().to_string(), text);
        }
    }
    found
}

#[test]
#[ignore = "needs root"]
fn what_was_there_comes_back_to_the_letter() {
    let server = Server::new();
    server.host.sysctl("ipv4/conf/lo/arp_ignore", "2").unwrap();
    server.host.sysctl("ipv4/conf/all/arp_announce", "1").unwrap();
    let before = server.look();
    server.agent.must(BOTH).unwrap();
    let up = server.look();
    let changed = differences(&before, &up);
    // lo's arp_ignore is stricter already, and stays.
    let settings: Vec<&str> =
        changed.iter().filter_map(|line| line.strip_prefix("+ /proc/sys/net/ipv4/conf/")).collect();
    assert_eq!(settings, ["all/arp_announce = 2", "all/arp_ignore = 1", "lo/arp_announce = 2"]);
    let has = |text: &str| changed.iter().any(|line| line.contains(text));
    assert!(has("203.0.113.10/32") && has("2001:db8::10/128") && has(".json") && has(".lock"), "{changed:?}");
    assert_eq!(changed.len(), 11, "{changed:?}");
    let (code, status) = server.agent.status().unwrap();
    assert_eq!(code, Some(1), "no default route is a warning: {status:#}");

    server.agent.must(BOTH).unwrap();
    assert_same(&up, &server.look(), "a second time changes nothing");
    server.agent.must("up --mode dr --vip 2001:db8::10").unwrap();
    let fewer = differences(&before, &server.look());
    assert_eq!(fewer.len(), 4, "what is not asked for any more goes: {fewer:?}");
    server.agent.must(BOTH).unwrap();
    for _ in 0..2 {
        server.agent.must("down").unwrap();
        assert_same(&before, &server.look(), "after down");
    }
    assert_eq!(server.agent.status().unwrap().0, Some(2), "no real server any more");
}

#[test]
#[ignore = "needs root"]
fn what_others_own_or_change_is_left_to_them() {
    let server = Server::new();
    Device::new(&server.host, "lo").add_address("203.0.113.10".parse().unwrap(), 32).unwrap();
    let before = server.look();
    server.agent.must(BOTH).unwrap();
    server.agent.must("down").unwrap();
    assert_same(&before, &server.look(), "an address that was there before stays");

    server.agent.must(BOTH).unwrap();
    server.host.sysctl("ipv4/conf/all/arp_announce", "1").unwrap();
    let down = server.agent.run("down").unwrap();
    assert!(down.stderr.contains("net.ipv4.conf.all.arp_announce is 1 by now"), "{}", down.stderr);
    server.host.sysctl("ipv4/conf/all/arp_announce", "0").unwrap();
    assert_same(&before, &server.look(), "what somebody else has set meanwhile stays");
}

#[test]
#[ignore = "needs root"]
fn what_cannot_be_is_refused_in_one_line_and_changes_nothing() {
    let server = Server::new();
    Device::new(&server.host, "e0").add_address("203.0.113.20".parse().unwrap(), 24).unwrap();
    server.host.sysctl("ipv6/conf/lo/disable_ipv6", "1").unwrap();
    let before = server.look();
    for (line, code, remedy) in [
        ("up --mode dr --vip 203.0.113.30 203.0.113.20", 1, "ip address del 203.0.113.20/24 dev e0"),
        (BOTH, 1, "sysctl -w net.ipv6.conf.lo.disable_ipv6=0"),
        ("up --mode dr --vip 10.0.0.11", 1, "own address on e0: --vip takes the virtual address"),
        ("up --mode dr --vip 203.0.113.30 --interface e9", 1, "no interface e9"),
        ("up --mode dr", 2, "needs a virtual address"),
        ("up --mode dr --vip 127.0.0.1", 2, "clients use"),
        ("up --mode tun --vip 203.0.113.30", 2, "give their addresses"),
        ("up --mode nat --vip 203.0.113.30", 2, "gateway"),
        ("up --mode dr --vip web", 2, "--vip"),
    ] {
        let refused = server.agent.run(line).unwrap();
        assert_eq!((refused.code, refused.stderr.lines().count()), (Some(code), 1), "{line}: {}", refused.stderr);
        assert!(refused.stderr.contains(remedy), "{line}: {}", refused.stderr);
        assert_same(&before, &server.look(), line);
    }
}

#[test]
#[ignore = "needs root"]
fn one_directory_serves_every_network_namespace() {
    let server = Server::new();
    let peer = server.agent.beside(&server.peer);
    Device::new(&server.peer, "p0").add_address("10.0.0.12".parse().unwrap(), 24).unwrap();
    let before = server.look();
    let attached = |agent: &Agent| {
        let (_, status) = agent.status().unwrap();
        let trusts = status["setup"]["directors"].to_string();
        (status["programs"]["attached"]["decapsulate"].to_string(), trusts)
    };
    server.agent.must("up --mode tun --vip 203.0.113.10 --director 10.0.0.1").unwrap();
    let alone = attached(&server.agent);
    assert_eq!(alone, (r#"["e0"]"#.to_owned(), r#"["10.0.0.1"]"#.to_owned()));
    peer.must("up --mode tun --vip 203.0.113.20 --director 10.0.0.2").unwrap();
    assert_eq!(attached(&server.agent), alone, "the other takes nothing from it");
    assert_eq!(attached(&peer), (r#"["p0"]"#.to_owned(), r#"["10.0.0.2"]"#.to_owned()));
    peer.must("down").unwrap();
    assert_eq!(attached(&server.agent), alone, "nor does its end");
    server.agent.must("down").unwrap();
    assert_same(&before, &server.look(), "after both");
}

#[test]
#[ignore = "needs root"]
fn killed_at_any_step_the_next_up_or_down_repairs() {
    let (ups, downs) = killed_everywhere(BOTH, 1);
    assert!(ups >= 20 && downs >= 10, "only {ups} and {downs} places to be killed at");
}

#[test]
#[ignore = "needs root"]
fn the_same_with_programs() {
    let (ups, downs) = killed_everywhere("up --mode tun --vip 203.0.113.10 2001:db8::10 --director 10.0.0.1", 4);
    assert!(ups >= 60 && downs >= 20, "only {ups} and {downs} places to be killed at");
}

#[test]
#[ignore = "needs root"]
fn the_same_with_programs_on_a_cgroup() {
    let cgroup = Cgroup::enter().unwrap();
    let line = format!("up --mode fullnat --director 10.0.0.1 --cgroup {}", cgroup.path().display());
    let (ups, downs) = killed_everywhere(&line, 7);
    assert!(ups >= 60 && downs >= 20, "only {ups} and {downs} places to be killed at");
}

/// Kills `line` and `down` at each of their changes (or each of so many) and repairs it by `up` and by `down`.
fn killed_everywhere(line: &str, stride: usize) -> (usize, usize) {
    let server = Server::new();
    let before = server.look();
    server.agent.must(line).unwrap();
    let (up, objects) = (server.look(), server.objects());
    server.agent.must(line).unwrap();
    assert_eq!((server.look(), server.objects()), (up.clone(), objects.clone()), "a second time changes nothing");
    for _ in 0..2 {
        server.agent.must("down").unwrap();
        assert_same(&before, &server.look(), "before anything is killed");
    }
    assert_eq!(objects.is_empty(), line.contains(" dr "), "{objects:?}");
    objects.iter().for_each(|(kind, number)| wait_until_gone(kind, number));
    let ups = at_every_step(
        || server.agent.command(line).unwrap(),
        stride,
        |kill| {
            if (kill / stride).is_multiple_of(2) {
                server.agent.must(line).unwrap();
                assert_same(&up, &server.look(), &format!("up after kill {kill}"));
            }
            server.agent.must("down").unwrap();
            assert_same(&before, &server.look(), &format!("down after kill {kill}"));
        },
    );
    server.agent.must(line).unwrap();
    let downs = at_every_step(
        || server.agent.command("down").unwrap(),
        stride,
        |kill| {
            if (kill / stride).is_multiple_of(2) {
                server.agent.must("down").unwrap();
                assert_same(&before, &server.look(), &format!("down again after kill {kill}"));
            }
            server.agent.must(line).unwrap();
            assert_same(&up, &server.look(), &format!("up after kill {kill}"));
        },
    );
    (ups, downs)
}

/// The kernel frees what nobody holds in its own time.
fn wait_until_gone(kind: &str, number: &str) {
    let is_there = || Command::new("bpftool").args([kind, "show", "id", number]).output().unwrap().status.success();
    for _ in 0..1000 {
        if !is_there() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{kind} {number} is still there");
}

/// Runs a command again and again, killed before and after each system call that changes something; gives how often.
fn at_every_step(command: impl Fn() -> Command, stride: usize, repaired: impl Fn(usize)) -> usize {
    for kill in (0..10_000).step_by(stride) {
        if run_and_kill(command(), kill).unwrap() == Killed::NotInTime {
            return kill;
        }
        repaired(kill);
    }
    panic!("it never ends");
}

#[test]
#[ignore = "needs root"]
fn the_virtual_address_has_one_owner() {
    let lab = Lab::build(Topology::one_armed(Mode::Dr)).unwrap();
    let _director = lab.director(Entry::Direct).unwrap();
    let owner = Device::new(&lab.director, "d0").mac().unwrap().to_string();
    for flush in [false, true] {
        if flush {
            for host in lab.servers.iter().map(|server| &server.host).chain([&lab.client.host, &lab.director]) {
                assert!(host.command("ip").args(["neigh", "flush", "all"]).status().unwrap().success());
            }
        }
        assert_eq!(who_has(&lab), BTreeMap::from([(owner.clone(), 3)]), "flushed: {flush}");
        assert_eq!(solicited(&lab), BTreeSet::from([owner.clone()]), "flushed: {flush}");
    }
    // The same with a server that was never told to be silent.
    let careless = &lab.servers.first().unwrap().host;
    careless.sysctl("ipv4/conf/all/arp_ignore", "0").unwrap();
    assert_eq!(who_has(&lab).len(), 2, "the question is not one that two can answer");
    careless.sysctl("ipv4/conf/all/arp_ignore", "1").unwrap();
    Device::new(careless, "e0").add_address(address::VIRTUAL.v6.into(), 128).unwrap();
    assert_eq!(solicited(&lab).len(), 2, "the question is not one that two can answer");
}

/// How many answers of whom three questions of arping get.
fn who_has(lab: &Lab) -> BTreeMap<String, usize> {
    let address = address::VIRTUAL.v4.to_string();
    let mut command = lab.client.host.command("arping");
    let said = command.args(["-i", "c0", "-c", "3", "-W", "0.3", "-r", &address]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    said.lines().fold(BTreeMap::new(), |mut counts, line| {
        *counts.entry(line.trim().to_owned()).or_default() += 1;
        counts
    })
}

/// Who answers neighbour solicitations of the client's kernel.
fn solicited(lab: &Lab) -> BTreeSet<String> {
    const ADVERTISEMENT: u8 = 136;
    lab.clear_taps();
    let flush = lab.client.host.command("ip").args(["-6", "neigh", "flush", "all"]).status().unwrap();
    assert!(flush.success());
    let address = address::VIRTUAL.v6.to_string();
    let ping =
        lab.client.host.command("ping").args(["-6", "-c", "2", "-i", "0.2", "-W", "5", &address]).output().unwrap();
    assert!(ping.status.success(), "{}", String::from_utf8_lossy(&ping.stdout));
    let taps = lab.network.taps().iter().filter(|tap| tap.device().name == "c0");
    let packets = taps.flat_map(|tap| tap.packets()).filter(|packet| !packet.outgoing).map(|packet| packet.bytes);
    let answers = packets.filter(|bytes| {
        bytes.get(12..14) == Some(&[0x86, 0xdd])
            && bytes.get(54) == Some(&ADVERTISEMENT)
            && bytes.get(62..78) == Some(&address::VIRTUAL.v6.octets()[..])
    });
    answers.map(|bytes| wire::MacAddress(bytes[6..12].try_into().unwrap()).to_string()).collect()
}

/// A director that is its servers' gateway, and lets their answers through (`accept_local`): a client that hears them is
/// the proof.
#[test]
#[ignore = "needs root"]
fn a_director_that_is_the_gateway_is_well_while_a_client_hears() {
    let lab = Lab::build(Topology::point_to_point(Mode::Dr)).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.start().unwrap();
    let scenario = Scenario::usual(Family::V4);
    scenario.configure(&lab, &director).unwrap();
    let agents = (1..).zip(&lab.servers).map(|(number, server)| {
        let agent = Agent::new(&server.host, lab.network.work());
        let dip = lab.topology.director_back(number).of(Family::V4);
        agent.must(&format!("up --mode dr --vip {} --director {dip}", address::VIRTUAL.of(Family::V4))).unwrap();
        agent
    });
    let agents: Vec<Agent> = agents.collect();
    // How many of the servers find their gateway ill.
    let ill = || agents.iter().filter(|agent| is_ill(agent, "gateway")).count();
    assert_eq!(ill(), 3, "nobody has asked yet");
    let connect = || Ok(TcpStream::connect_timeout(&scenario.service(), Duration::from_secs(30))?);
    let clients: Vec<TcpStream> = (0..3).map(|_| lab.client.host.run(connect).unwrap()).collect();
    // The last acknowledgement may still be on its way.
    let begin = Instant::now();
    while ill() != 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{:?}",
            agents.iter().map(Agent::status).collect::<Vec<_>>()
        );
    }
    drop(clients);
    director.stop(false).unwrap();
}

fn is_ill(agent: &Agent, check: &str) -> bool {
    let (_, status) = agent.status().unwrap();
    let findings = status["findings"].as_array().unwrap();
    assert!(findings.iter().any(|it| it["check"] == check), "{status}");
    findings.iter().any(|it| it["check"] == check && it["level"] != "ok")
}
