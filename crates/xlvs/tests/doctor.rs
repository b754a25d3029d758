//! `xlvs doctor` on a host where things are broken one after the other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use support::Said;
use support::node::{Node, finish};

/// The findings that are not well, as `check: what`, and the exit code.
fn doctor(node: &Node, words: &[&str]) -> (Vec<String>, i32) {
    let mut command = node.host.command(env!("CARGO_BIN_EXE_xlvs"));
    command.args(["doctor", "--json"]).args(words).env("XLVS_SOCKET", node.place.socket());
    let Said { out, err, code } = finish(command);
    let findings: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let ill = findings["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] != "ok");
    let told = ill.map(|it| format!("{}: {}", it["check"].as_str().unwrap(), it["what"].as_str().unwrap()));
    (told.collect(), code)
}

fn has(findings: &[String], what: &str) -> bool {
    findings.iter().any(|finding| finding.contains(what))
}

#[test]
#[ignore = "needs root"]
fn what_is_broken_is_named() {
    let mut node = Node::new();
    let (found, code) = doctor(&node, &["e0", "e9"]);
    assert!(
        has(&found, "daemon: no daemon at") && has(&found, "interface: e9 does not exist") && code == 2,
        "{found:?}"
    );

    node.start(&["--interface", "e0"]);
    node.ipvsadm("-A -t 198.51.100.10:80 -s rr");
    let (before, _) = doctor(&node, &[]);
    for what in ["vip: ", "server: ", "firewall: ", "filter: "] {
        assert!(!has(&before, what), "{before:?}");
    }
    // A server that does not answer, a rule for the virtual address, strict filters, and another address on lo.
    node.ipvsadm("-a -t 198.51.100.10:80 -r 198.51.100.99 -m");
    node.ipvsadm("-A -t 198.51.100.77:80 -s rr");
    node.ipvsadm("-A -t 198.51.100.78:80 -s rr");
    node.host.ip("link set lo up");
    node.host.ip("address add 198.51.100.77/32 dev lo");
    node.host.sysctl("ipv4.conf.e0.rp_filter=1");
    node.host.sysctl("ipv4.ip_forward=0");
    let nft = |line: &str| {
        let mut command = node.host.command("nft");
        command.args(line.split(' '));
        assert_eq!(finish(command).code, 0, "nft {line}");
    };
    nft("add table inet t");
    nft("add chain inet t c { type filter hook prerouting priority 0 ; }");
    nft("add rule inet t c ip daddr 198.51.100.10 drop");
    nft("add rule inet t c tcp dport 443 meta mark set 7");
    let (found, code) = doctor(&node, &["e0", "e1"]);
    for what in [
        "server: 198.51.100.99:80 of tcp 198.51.100.10:80 is not reached",
        "vip: 198.51.100.77 is on lo only",
        "vip: 198.51.100.78 is not on this node",
        "filter: e0 takes packets only from where",
        "firewall: names what is balanced: ip daddr 198.51.100.10 drop",
        "firewall: marks packets: tcp dport 443",
    ] {
        assert!(has(&found, what), "{what}: {found:#?}");
    }
    assert!(!has(&found, "forwarding: "), "balanced packets do not need it: {found:#?}");
    assert_eq!(code, 2);
    // From outside of the daemon's namespace the same is found, not what is true there.
    let outside = node.say("doctor --json e0 e1");
    for what in ["198.51.100.77 is on lo only", "which is looked at", "ip daddr 198.51.100.10 drop"] {
        assert!(outside.out.contains(what), "{what}: {}", outside.out);
    }
    let mut command = node.host.command(env!("CARGO_BIN_EXE_xlvs"));
    command.arg("doctor").env("XLVS_SOCKET", node.place.socket());
    let text = finish(command).out;
    assert!(text.contains("\n      fix: ip address add 198.51.100.78/32 dev IF"), "{text}");
}
