//! The recordings of the real ipvsadm against the real daemon: what the front and the director make of it together.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::collections::BTreeSet;
use support::Said;
use support::node::Node;
use support::recording::{ERRORS, OPTIONS, recorded};

/// Lines that differ on purpose, with the reason that docs/compatibility.md gives.
const DIFFERENT: [(&str, &str); 0] = [];

/// What we say on stderr beyond the original, to the letter: what is done without effect, and what is wrong with what
/// the original only calls invalid.
const ADDED: [&str; 19] = [
    "ipvsadm: a service by firewall mark (-f) is kept and listed, but does not act yet: it matches no packet",
    "ipvsadm: an SCTP service (--sctp-service) is kept and listed, but does not act yet: it matches no packet",
    "ipvsadm: a service of all ports (port 0) is kept and listed, but does not act yet: it matches no packet",
    "ipvsadm: persistence (-p) is kept and listed, but does not act yet: each connection is scheduled by itself",
    "ipvsadm: a persistence engine (--pe) is kept and listed, but does not act yet: each connection is scheduled by itself",
    "ipvsadm: one-packet scheduling (-o) is kept and listed, but does not act yet: the packets of a flow stay with one server",
    "ipvsadm: a threshold (-x, -y) is kept and listed, but does not act yet: the server takes as many connections as it gets",
    "ipvsadm: connection synchronization (--start-daemon) is kept and listed, but does not act yet: nothing is sent or received",
    "ipvsadm: scheduler lblc is kept and listed, but does not act yet: nothing is scheduled",
    "ipvsadm: scheduler lblcr is kept and listed, but does not act yet: nothing is scheduled",
    "ipvsadm: scheduler twos is kept and listed, but does not act yet: nothing is scheduled",
    "ipvsadm: server 0.0.0.0:80 of tcp 10.1.0.1:80: the unspecified address is no server; name an address",
    "ipvsadm: server [::]:80 of tcp 10.1.0.1:80: the unspecified address is no server; name an address",
    "ipvsadm: server 224.0.0.1:80 of tcp 10.1.0.1:80: a multicast address is no server; name a unicast address",
    "ipvsadm: server [ff02::1]:80 of tcp 10.1.0.1:80: a multicast address is no server; name a unicast address",
    "ipvsadm: server 255.255.255.255:80 of tcp 10.1.0.1:80: a broadcast address is no server; name a unicast address",
    "ipvsadm: server [fe80::99]:80 of tcp 10.1.0.1:80: a link-local address says nothing without its link; name a global one",
    "ipvsadm: server [fd00:1::5]:80 of tcp 10.1.0.1:80: while connections are synchronized its family must be the service's (--stop-daemon)",
    "ipvsadm: synchronization knows no servers of another family than their service's; delete those first",
];

/// Takes out of stderr the lines that are ours alone, and notes them.
fn without_additions(said: Said, seen: &mut BTreeSet<String>) -> Said {
    let (added, err): (Vec<_>, Vec<_>) =
        said.err.split_inclusive('\n').partition(|line| ADDED.contains(&line.trim_end()));
    seen.extend(added.iter().map(|line| line.trim_end().to_owned()));
    Said { err: err.concat(), ..said }
}

/// Gives the lines that were said beyond the original.
fn replay(recording: &str) -> BTreeSet<String> {
    let mut node = Node::new();
    // The recorded listings name the size of the kernel's connection table.
    let file = node.write("xlvs.toml", "[director]\nconnections = 4096\n");
    node.start(&["-c", &file]);
    let cases = recorded(recording);
    let mut wrong = Vec::new();
    let mut equal = 0;
    let mut added = BTreeSet::new();
    for (command, expected) in &cases {
        let said = without_additions(node.place.shell(command), &mut added);
        let on_purpose = DIFFERENT.iter().any(|(line, _)| line == command);
        match (said == *expected, on_purpose) {
            (true, false) => equal += 1,
            (false, true) => {}
            (true, true) => wrong.push(format!("$ {command}\n is equal, and listed as different")),
            (false, false) => wrong.push(format!("$ {command}\n real: {expected:?}\n ours: {said:?}")),
        }
    }
    eprintln!("{equal} of {} recorded lines are answered as by IPVS", cases.len());
    assert!(wrong.is_empty(), "{} of {} lines differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    added
}

#[test]
#[ignore = "needs root"]
fn the_daemon_says_what_ipvs_said() {
    replay(ERRORS);
}

#[test]
#[ignore = "needs root"]
fn every_option_says_what_ipvs_said() {
    assert_eq!(replay(OPTIONS), ADDED.iter().map(|line| (*line).to_owned()).collect());
}
