//! The director as a server of its own, and as a client of its own.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::node::{Client, Entry, RealServer, Reuse, ServerKind, ServerPlan, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Mode, Topology};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Another port than the web servers', so that NAT has something to do on the director too.
const PORT: u16 = 8080;
const BULK: u64 = 16 << 20;

#[test]
#[ignore = "needs root"]
fn a_server_on_the_director_is_reached_by_nat() {
    for (lane, topology) in shapes() {
        let lab = Lab::build(topology).unwrap();
        let director = started(&lab, lane, &[]);
        let server = own_server(&lab);
        for family in Family::ALL {
            let service =
                configure(&lab, &director, family, &[server.address.of(family), lab.servers[0].address.of(family)]);
            let shares = balanced(&lab.client, service, 60);
            assert_eq!(shares, BTreeMap::from([("director".to_owned(), 30), ("server1".to_owned(), 30)]), "{lane}");
            for _ in 0..2 {
                carries_bulk(&lab.client, service);
            }
        }
        assert_eq!(lab.counters().unwrap().checksum_errors, 0, "{lane}");
    }
}

#[test]
#[ignore = "needs root"]
fn the_director_is_a_client_of_its_own() {
    for (lane, topology) in shapes() {
        let lab = Lab::build(topology).unwrap();
        let director = started(&lab, lane, &["lo"]);
        let client = Client { host: lab.director.clone() };
        for family in Family::ALL {
            let all: Vec<_> = lab.servers.iter().map(|server| server.address.of(family)).collect();
            let service = configure(&lab, &director, family, &all);
            if family == Family::V4 {
                let notes = director.status().unwrap()["notes"].to_string();
                assert!(notes.contains("net.ipv4.conf.d1.accept_local=1"), "{notes}");
                lab.director.sysctl("ipv4/conf/all/accept_local", "1").unwrap();
                let notes = director.status().unwrap()["notes"].to_string();
                assert!(!notes.contains("accept_local"), "{notes}");
            }
            assert_eq!(balanced(&client, service, 60).into_values().collect::<Vec<_>>(), [20; 3], "{lane}, {family}");
            for _ in 0..3 {
                carries_bulk(&client, service);
            }
            // The real one, too.
            let url = format!("http://{service}/");
            assert_eq!(client.curl(&[&url]).unwrap().code, Some(0), "{lane}, {family}");
            // Others are served as before.
            assert_eq!(balanced(&lab.client, service, 21).into_values().sum::<u64>(), 21);
        }
        assert_eq!(lab.counters().unwrap().checksum_errors, 0, "{lane}");
    }
}

/// BIG TCP: between a client and a server that are both here, segments are larger than an IPv4 header can say.
#[test]
#[ignore = "needs root"]
fn segments_larger_than_a_header_can_say_pass() {
    let lab = Lab::build(Topology::point_to_point(Mode::Nat).with_offload()).unwrap();
    let director = started(&lab, "tc", &["lo"]);
    lab.director.sysctl("ipv4/conf/all/accept_local", "1").unwrap();
    let server = own_server(&lab);
    let client = Client { host: lab.director.clone() };
    let service = configure(&lab, &director, Family::V4, &[server.address.of(Family::V4)]);
    for _ in 0..3 {
        carries_bulk(&client, service);
    }
    let counters = director.status().unwrap()["counters"].clone();
    assert_eq!(counters["drop_malformed"], 0, "{counters}");
}

/// XDP for hosts that finish their checksums, tc for those that do not.
fn shapes() -> [(&'static str, Topology); 2] {
    let topology = Topology::point_to_point(Mode::Nat);
    [("auto", topology), ("tc", topology.with_offload())]
}

fn started(lab: &Lab, lane: &str, more: &[&str]) -> Xlvs {
    let interfaces: Vec<&str> = lab.interfaces.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let director = Xlvs::new(&lab.director, "director", &interfaces, lab.network.work(), Entry::Direct).unwrap();
    let mut director = director.in_lane(lane);
    director.start().unwrap();
    director
}

/// A web server on the director, known by its address towards the first server.
fn own_server(lab: &Lab) -> RealServer {
    let address = lab.topology.director_back(1);
    let listens: Vec<_> = address.host().into_iter().map(|(address, _)| address).collect();
    RealServer::start(&ServerPlan {
        name: "director",
        host: &lab.director,
        address,
        listens: &listens,
        kind: ServerKind::Embedded,
        directory: lab.network.work().path(),
        bulk: 0,
        logs: false,
    })
    .unwrap()
}

fn configure(_lab: &Lab, director: &Xlvs, family: Family, servers: &[std::net::IpAddr]) -> SocketAddr {
    let service = SocketAddr::new(address::VIRTUAL.of(family), PORT);
    director.ipvsadm(&format!("-A -t {service} -s rr")).unwrap();
    for server in servers {
        director.ipvsadm(&format!("-a -t {service} -r {} -m", SocketAddr::new(*server, 80))).unwrap();
    }
    director.wait_for_servers().unwrap();
    service
}

fn balanced(client: &Client, service: SocketAddr, count: u64) -> BTreeMap<String, u64> {
    let tally = client.requests(service, count, Reuse::Close, |_| true).unwrap();
    assert_eq!(tally.ok, count, "{service}: {:?}", tally.errors);
    tally.served_by
}

fn carries_bulk(client: &Client, service: SocketAddr) {
    assert!(client.download(service, BULK, |_| ()).unwrap());
    let answer = client.upload(service, BULK).unwrap();
    assert_eq!(answer, format!("bytes={BULK}\ndigest={:016x}\n", lab::content::digest(BULK)));
}
