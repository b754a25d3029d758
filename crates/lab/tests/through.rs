//! Checks on the way of a service's clients, by an xlvs.toml: they find what a check of the server's own address does not.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::node::{Agent, Client, Entry, Reuse, Xlvs};
use lab::topology::{Tunnel, address};
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longest wait for what the settings say takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service of each family, whose servers are checked as clients go: by a page for IPv4, by a connection for IPv6.
fn configuration(lab: &Lab) -> String {
    let topology = &lab.topology;
    let tunnel = match (topology.mode, topology.tunnel) {
        (Mode::Tun, Tunnel::GueChecksum) => "\ntunnel = { type = \"gue\", port = 6080, checksum = \"full\" }",
        _ => "",
    };
    Family::ALL
        .map(|family| {
            let range = |address| SocketAddr::new(address, 20000);
            let local = topology.local().map(|it| format!("\nlocal_addresses = [\"{}-29999\"]", range(it.of(family))));
            let servers: Vec<String> =
                lab.servers.iter().map(|it| format!("\"{}\"", SocketAddr::new(it.address.of(family), 80))).collect();
            let what = if family == Family::V4 { "http = \"/\"" } else { "tcp = true" };
            format!(
                "[[service]]\nlisten = \"tcp {service}\"\nscheduler = \"rr\"\nmethod = \"{mode}\"{tunnel}{local}\n\
             check = {{ {what}, through = \"service\", interval = \"300ms\", timeout = \"400ms\", rise = 2, fall = 2, \
             delay_before_retry = \"100ms\", warmup = \"0s\", starts_down = true }}\nservers = [{servers}]\n",
                service = Scenario::usual(family).service(),
                mode = topology.mode,
                local = local.unwrap_or_default(),
                servers = servers.join(", "),
            )
        })
        .concat()
}

fn started(lab: &Lab, lane: &str) -> Xlvs {
    let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
    director.configure(&configuration(lab)).unwrap();
    director.start().unwrap();
    // Each starts down: checks of both families have gone there and back.
    wait_for(&director, [3, 3], "all servers rise");
    director
}

/// How many servers each family's service has in its table.
fn present(director: &Xlvs) -> [usize; 2] {
    let listing = director.ipvsadm("-Ln").unwrap();
    let count = |family: &str| listing.lines().filter(|line| line.trim_start().starts_with(family)).count();
    [count("-> 10."), count("-> [fd00:")]
}

fn wait_for(director: &Xlvs, wanted: [usize; 2], what: &str) {
    let begin = Instant::now();
    while present(director) != wanted {
        let status = || director.run(&["status"]).unwrap().stdout;
        assert!(begin.elapsed() < PATIENCE, "{what}: {:?} and not {wanted:?}\n{}", present(director), status());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The director itself gets an answer at the server's own address.
fn answers_itself(lab: &Lab, number: usize, family: Family) -> bool {
    let here = Client { host: lab.director.clone() };
    here.get(SocketAddr::new(lab.servers[number].address.of(family), 80)).is_ok()
}

fn ip(lab: &Lab, number: usize, line: &str) {
    let status = lab.servers[number].host.command("ip").args(line.split_whitespace()).status().unwrap();
    assert!(status.success(), "ip {line}");
}

/// A virtual address that is missing on one server, of one family and then of the other.
fn a_missing_virtual_address_is_found(topology: Topology, lane: &str) {
    let lab = Lab::build(topology).unwrap();
    let mut director = started(&lab, lane);
    for (family, gone) in [(Family::V4, [2, 3]), (Family::V6, [3, 2])] {
        let virtual_address = address::VIRTUAL.of(family);
        ip(&lab, 1, &format!("address delete {virtual_address} dev lo"));
        wait_for(&director, gone, &format!("{topology}, {lane}: {family} without its virtual address"));
        assert!(answers_itself(&lab, 1, family), "{topology}, {family}");
        let status = director.run(&["status"]).unwrap().success().unwrap();
        assert!(status.contains(&format!("is {virtual_address} an address of")), "{topology}, {family}: {status}");
        let tally = lab.client.requests(Scenario::usual(family).service(), 20, Reuse::Close, |_| true).unwrap();
        assert_eq!(tally.ok, 20, "{topology}, {family}: {:?}", tally.errors);
        ip(&lab, 1, &format!("address add {virtual_address} dev lo"));
        wait_for(&director, [3, 3], &format!("{topology}, {lane}: {family} with it again"));
    }
    assert_eq!(lab.counters().unwrap().checksum_errors, 0, "{topology}");
    leaves_nothing_behind(&lab, &director);
    a_standby_checks_too(&lab, &director);
    director.stop(false).unwrap();
}

/// The virtual address is another node's now: its servers are checked as before.
fn a_standby_checks_too(lab: &Lab, director: &Xlvs) {
    let virtual_address = address::VIRTUAL.of(Family::V4);
    let line = format!("address delete {virtual_address} dev d0");
    assert!(lab.director.command("ip").args(line.split_whitespace()).status().unwrap().success());
    ip(lab, 1, &format!("address delete {virtual_address} dev lo"));
    wait_for(director, [2, 3], "a standby misses the virtual address");
    ip(lab, 1, &format!("address add {virtual_address} dev lo"));
    wait_for(director, [3, 3], "a standby finds it again");
}

/// No connection of a check is remembered or counted by the director, nor left open at a server.
fn leaves_nothing_behind(lab: &Lab, director: &Xlvs) {
    let services: u64 = director.ipvsadm("-Ln --stats").unwrap().lines().filter_map(connections_of_service).sum();
    assert_eq!(services, 40, "the clients' own requests alone");
    let open = lab.servers[0].host.run(|| Ok(std::fs::read_to_string("/proc/thread-self/net/tcp")?)).unwrap();
    // Column `st`; 01 is ESTABLISHED.
    let established = open.lines().filter(|line| line.split_whitespace().nth(3) == Some("01")).count();
    assert!(established < 10, "{open}");
    let counters = director.status().unwrap()["counters"].clone();
    assert_eq!(counters["pass_no_service"], 0, "checks are no clients that ask for what is not there: {counters}");
    let status = director.run(&["status"]).unwrap().success().unwrap();
    assert!(status.contains("http through the service") && status.contains("tcp through the service"), "{status}");
}

fn connections_of_service(line: &str) -> Option<u64> {
    line.strip_prefix("TCP")?.split_whitespace().nth(1)?.parse().ok()
}

#[test]
#[ignore = "needs root"]
fn direct_routing_by_xdp() {
    a_missing_virtual_address_is_found(Topology::bridged(Mode::Dr), "xdp");
}

#[test]
#[ignore = "needs root"]
fn direct_routing_by_tc_with_offload() {
    a_missing_virtual_address_is_found(Topology::one_armed(Mode::Dr).with_offload(), "tc");
}

#[test]
#[ignore = "needs root"]
fn tunnels_by_xdp() {
    a_missing_virtual_address_is_found(Topology::bridged(Mode::Tun), "xdp");
}

#[test]
#[ignore = "needs root"]
fn tunnels_by_tc_with_offload_and_a_server_that_does_not_end_them() {
    let topology = Topology::point_to_point(Mode::Tun).with_tunnel(Tunnel::GueChecksum, false).with_offload();
    let lab = Lab::build(topology).unwrap();
    let mut director = started(&lab, "tc");
    let agent = Agent::new(&lab.servers[2].host, lab.network.work());
    agent.must("down").unwrap();
    // It has the addresses, but nobody takes packets out of tunnels.
    for (address, length) in address::VIRTUAL.host() {
        ip(&lab, 2, &format!("address add {address}/{length} dev lo"));
    }
    wait_for(&director, [2, 2], "a server that does not decapsulate");
    assert!(Family::ALL.iter().all(|family| answers_itself(&lab, 2, *family)));
    for (address, length) in address::VIRTUAL.host() {
        ip(&lab, 2, &format!("address delete {address}/{length} dev lo"));
    }
    let [v4, v6] = address::VIRTUAL.host().map(|(address, _)| address);
    agent.must(&format!("up --mode tun --vip {v4} {v6} --director 10.0.0.0/8 fd00::/16")).unwrap();
    wait_for(&director, [3, 3], "it does again");
    // A new daemon begins with the programs and passages of nobody else.
    director.kill_nine().unwrap();
    director.start().unwrap();
    wait_for(&director, [3, 3], "after kill -9");
    director.stop(false).unwrap();
}

/// NAT: the server answers its neighbour, the director, but has no way to clients.
#[test]
#[ignore = "needs root"]
fn nat_finds_a_missing_gateway() {
    let lab = Lab::build(Topology::bridged(Mode::Nat)).unwrap();
    let mut director = started(&lab, "xdp");
    ip(&lab, 1, "route delete default");
    wait_for(&director, [2, 3], "a server without its gateway");
    assert!(answers_itself(&lab, 1, Family::V4));
    let dip = lab.topology.director_back(2).of(Family::V4);
    ip(&lab, 1, &format!("route add default via {dip}"));
    wait_for(&director, [3, 3], "with its gateway");
    // A server takes nothing from an address that it has itself, and the check says where to look.
    let vip = address::VIRTUAL.of(Family::V4);
    ip(&lab, 1, &format!("address add {vip}/32 dev lo"));
    wait_for(&director, [2, 3], "a server that has the virtual address");
    let status = director.run(&["status"]).unwrap().success().unwrap();
    let doubt = format!("is this node the server's gateway, and {vip} not an address of the server?");
    assert!(status.contains(&doubt), "{status}");
    ip(&lab, 1, &format!("address delete {vip}/32 dev lo"));
    wait_for(&director, [3, 3], "without it");
    let counters = director.status().unwrap()["counters"].clone();
    assert_eq!(counters["pass_no_service"], 0, "checks are no clients that ask for what is not there: {counters}");
    assert!(counters["pass_no_flow"].as_u64() > Some(0), "{counters}");
    director.stop(false).unwrap();
}

/// FullNAT: from a local address, on a port that no client's connection has.
#[test]
#[ignore = "needs root"]
fn full_nat_goes_from_a_local_address() {
    let lab = Lab::build(Topology::bridged(Mode::FullNat)).unwrap();
    let mut director = started(&lab, "xdp");
    // A server that does not find the way back to the local address.
    let local = lab.topology.local().unwrap().of(Family::V4);
    ip(&lab, 0, &format!("route add blackhole {local}/32"));
    wait_for(&director, [2, 3], "a server without a way to the local address");
    assert!(answers_itself(&lab, 0, Family::V4));
    ip(&lab, 0, &format!("route delete blackhole {local}/32"));
    wait_for(&director, [3, 3], "with one");
    director.stop(false).unwrap();
}

/// By a rule of routing that the director does not see, a check's packets leave where there are no programs: the server
/// answers, and that is no success.
#[test]
#[ignore = "needs root"]
fn an_answer_by_another_way_is_no_success() {
    let lab = Lab::build(Topology::bridged(Mode::Dr)).unwrap();
    let run = |host: &lab::net::Namespace, line: &str| {
        assert!(host.command("ip").args(line.split_whitespace()).status().unwrap().success(), "ip {line}");
    };
    lab.client.host.sysctl("ipv4/ip_forward", "1").unwrap();
    run(&lab.director, "rule add fwmark 7 lookup 100");
    let (server, client) = (lab.servers[0].address.of(Family::V4), address::CLIENT.of(Family::V4));
    run(&lab.director, &format!("route add {server}/32 via {client} dev d0 table 100"));
    let service = Scenario::usual(Family::V4).service();
    let mut director = lab.director(Entry::Direct).unwrap();
    let check = "{ tcp = true, through = \"service\", mark = 7, interval = \"300ms\", warmup = \"0s\", fall = 1 }";
    let text = format!(
        "[[service]]\nlisten = \"tcp {service}\"\nmethod = \"dr\"\ncheck = {check}\nservers = [\"{}\"]\n",
        SocketAddr::new(server, 80)
    );
    director.configure(&text).unwrap();
    director.start().unwrap();
    wait_for(&director, [0, 0], "the other way");
    let status = director.run(&["status"]).unwrap().success().unwrap();
    assert!(status.contains("left by an interface without the programs"), "{status}");
    run(&lab.director, "rule delete fwmark 7 lookup 100");
    wait_for(&director, [1, 0], "the way of clients");
    director.stop(false).unwrap();
}
