//! The recording of the real ipvsadm against the real daemon: what the front and the director make of it together.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use support::node::Node;
use support::recording::recorded;

/// Lines that differ on purpose, with the reason that docs/compatibility.md gives.
const DIFFERENT: [(&str, &str); 0] = [];

#[test]
#[ignore = "needs root"]
fn the_daemon_says_what_ipvs_said() {
    let mut node = Node::new();
    // The recorded listings name the size of the kernel's connection table.
    let file = node.write("xlvs.toml", "[director]\nconnections = 4096\n");
    node.start(&["-c", &file]);
    let cases = recorded();
    let mut wrong = Vec::new();
    let mut equal = 0;
    for (command, expected) in &cases {
        let said = node.place.shell(command);
        let on_purpose = DIFFERENT.iter().any(|(line, _)| line == command);
        match (said == *expected, on_purpose) {
            (true, false) => equal += 1,
            (false, true) => {}
            (true, true) => wrong.push(format!("$ {command}\n is equal, and listed as different")),
            (false, false) => wrong.push(format!("$ {command}\n real: {expected:?}\n ours: {said:?}")),
        }
    }
    eprintln!(
        "{equal} of {} recorded lines are answered as by IPVS, {} differ on purpose",
        cases.len(),
        DIFFERENT.len()
    );
    assert!(wrong.is_empty(), "{} of {} lines differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
