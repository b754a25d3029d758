//! The listings of the real ipvsadm after eight connections by NAT and by direct routing, against ours after the same:
//! byte for byte, but for what no two runs have in common (times, client ports, packets).

use super::{Lab, connection_to, each, serve_on};
use crate::support::host::add_address;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What the original printed for `command`.
fn recorded(recording: &str, command: &str) -> String {
    let after = recording.split(&format!("$ {command}\n")).nth(1).unwrap();
    after.split_inclusive('\n').take_while(|line| !line.starts_with("# exit")).collect()
}

/// Connections without time and client port, in an order of their own: how many there are of each kind.
fn kinds(listing: &str) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for line in listing.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let line = match columns[..] {
            ["TCP", time, state, client, service, server] => {
                assert_eq!((time.len(), line.find(state), line.find(client)), (5, Some(11), Some(23)), "{line}");
                assert_eq!((line.find(service), line.find(server)), (Some(42), Some(61)), "{line}");
                format!("{state} {} {service} {server}", client.split(':').next().unwrap())
            }
            _ => line.to_owned(),
        };
        *kinds.entry(line).or_default() += 1;
    }
    kinds
}

/// The counters of a listing are zeroed, its widths are kept.
fn without_traffic(listing: &str) -> String {
    let zeroed = |line: &str| match line.char_indices().nth(33) {
        // Five columns of nine places after the name; connections stay.
        Some((names, _)) if line.ends_with(|letter: char| letter.is_ascii_digit()) && line.len() == names + 45 => {
            format!("{}{}", &line[..names + 9], "        0".repeat(4))
        }
        _ => line.to_owned(),
    };
    listing.lines().map(|line| zeroed(line) + "\n").collect()
}

fn check(direct: bool, recording: &str) {
    let lab = Lab::with(direct, "connections = 4096\n");
    for (host, address, device) in [
        (&lab.client, "10.0.0.2/24", "e0"),
        (&lab.node.host, "10.0.0.1/24", "e0"),
        (&lab.node.host, "10.0.0.100/32", "e0"),
    ] {
        add_address(host, address, device);
    }
    for (number, server) in lab.servers.iter().enumerate() {
        if direct {
            add_address(server, "10.0.0.100", "lo");
            server.ip("route add 10.0.0.0/24 via 10.0.1.2");
        }
        serve_on(server, ["one", "two"][number], 80);
    }
    let mut lab = lab;
    lab.node.ipvsadm("-A -t 10.0.0.100:80 -s rr");
    let method = if direct { "-g" } else { "-m" };
    for (server, weight) in [("10.0.1.11", 1), ("10.0.1.12", 3)] {
        lab.node.ipvsadm(&format!("-a -t 10.0.0.100:80 -r {server}:80 {method} -w {weight}"));
    }
    lab.node.wait_for("the servers", |node| !node.status()["notes"].to_string().contains("not "));
    let service: SocketAddr = "10.0.0.100:80".parse().unwrap();
    let mut answers = BTreeMap::new();
    for _ in 0..8 {
        let text = lab.client.run(|| connection_to(service)).unwrap();
        *answers.entry(text.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(answers, each(["one", "two"], 4));
    let state = if direct { "FIN_WAIT" } else { "TIME_WAIT" };
    lab.node.wait_for("the last packets", |node| node.ipvsadm("-Lnc").matches(state).count() == 8);
    for command in ["-Ln", "-Sn", "-L", "-Ln --thresholds", "-Ln --persistent-conn"] {
        assert_eq!(lab.node.ipvsadm(command), recorded(recording, &format!("ipvsadm {command}")), "{command}");
    }
    for command in ["-Ln --stats", "-Ln --stats --exact"] {
        let (ours, theirs) = (lab.node.ipvsadm(command), recorded(recording, &format!("ipvsadm {command}")));
        assert_eq!(without_traffic(&ours), without_traffic(&theirs), "{command}");
    }
    let theirs = kinds(&recorded(recording, "ipvsadm -Lnc"));
    assert_eq!(kinds(&lab.node.ipvsadm("-Lnc")), theirs);
}

#[test]
#[ignore = "needs root"]
fn listings_of_nat_are_the_recorded_ones() {
    check(false, include_str!("../goldens/listing-nat.txt"));
}

#[test]
#[ignore = "needs root"]
fn listings_of_direct_routing_are_the_recorded_ones() {
    check(true, include_str!("../goldens/listing-dr.txt"));
}
