//! What keeps the real daemon from starting, and what a running one refuses: one line, and nothing changed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use support::Said;
use support::node::{Node, finish};

/// Asserts one line on stderr that holds each of `words`, and a failure.
fn assert_one_line(typed: &str, finished: &Said, words: &[&str]) {
    assert_ne!(finished.code, 0, "{typed}: {finished:?}");
    assert_eq!(finished.out, "", "{typed}");
    let lines: Vec<&str> = finished.err.lines().collect();
    assert_eq!(lines.len(), 1, "{typed}: {finished:?}");
    assert!(words.iter().all(|word| lines[0].contains(word)), "{typed}: {finished:?}");
}

#[test]
#[ignore = "needs root"]
fn what_cannot_start_says_why_and_leaves_nothing() {
    let node = Node::new();
    let service = "[[service]]\nlisten = \"tcp 198.51.100.10:80\"\nmethod = \"nat\"\n";
    let servers = |servers: &str| format!("{service}servers = [{servers}]\n");
    let files = [
        ("no TOML", "[director\n".to_owned(), vec!["xlvs.toml:1:", "not TOML"]),
        ("key", "[director]\ninterface = [\"e0\"]\n".to_owned(), vec!["xlvs.toml:2:1: ", "interfaces"]),
        (
            "missing interface",
            "[director]\ninterfaces = [\"xlvs-none\"]\n".to_owned(),
            vec!["there is no interface xlvs-none"],
        ),
        (
            "weight",
            servers("{ address = \"198.51.100.2:80\", weight = 2147483648 }"),
            vec!["xlvs.toml:4:52: ", "2147483648", "2147483647"],
        ),
        (
            "twice",
            servers("\"198.51.100.2:80\", \"198.51.100.2:80\""),
            vec!["xlvs.toml:4:", "198.51.100.2:80", "twice"],
        ),
    ];
    for (name, text, words) in files {
        let file = node.write("xlvs.toml", &text);
        assert_one_line(name, &node.run_to_its_end(&["-c", &file, "--interface", "e0"]), &words);
        assert!(node.is_clean(), "{name}");
    }
    let finished = node.run_to_its_end(&["--interface", "eth9"]);
    assert_one_line("eth9", &finished, &["there is no interface eth9"]);
    assert!(node.is_clean());
    let missing = node.run_to_its_end(&["-c", "/nonexistent/xlvs.toml"]);
    assert_one_line("no file", &missing, &["cannot read the configuration /nonexistent/xlvs.toml"]);
    assert!(node.is_clean());
}

#[test]
#[ignore = "needs root"]
fn what_fails_late_takes_back_what_was_made() {
    let node = Node::new();
    // The loopback interface has no native XDP: this is known when the maps are made already.
    let finished = node.run_to_its_end(&["--interface", "e0", "--interface", "lo", "--lane", "xdp"]);
    let last = finished.err.lines().filter(|line| !line.contains(" INFO ")).collect::<Vec<_>>();
    assert!(finished.code == 1 && last.len() == 1 && last[0].contains("lo"), "{finished:?}");
    assert!(node.is_clean(), "{finished:?}");
}

#[test]
#[ignore = "needs root"]
fn without_root_nothing_starts() {
    let node = Node::new();
    let copy = node.place.path("copy");
    std::fs::copy(env!("CARGO_BIN_EXE_xlvs"), &copy).unwrap();
    node.place.open_to_everybody();
    let mut command = node.host.command("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy);
    command.args(["run", "--interface", "e0", "--pin-dir"]).arg(node.pins());
    command.env("XLVS_SOCKET", node.place.socket());
    let finished = finish(command);
    assert_one_line("nobody", &finished, &["must be started by root, or with CAP_BPF and CAP_NET_ADMIN"]);
    assert!(node.is_clean());
}

#[test]
#[ignore = "needs root"]
fn what_is_refused_while_running_changes_nothing() {
    let mut node = Node::new();
    node.start(&["--interface", "e0"]);
    node.ipvsadm("-A -t 198.51.100.10:80 -s rr");
    node.ipvsadm("-a -t 198.51.100.10:80 -r 198.51.100.2 -m");
    let before = (node.ipvsadm("-Sn"), node.status()["generation"].clone());
    for (line, err) in [
        ("ipvsadm -a -t 198.51.100.10:80 -r 198.51.100.3 -m -w 2147483648", "illegal weight specified\n"),
        ("ipvsadm -e -t 198.51.100.10:80 -r 198.51.100.2 -m -w 2147483648", "illegal weight specified\n"),
        ("ipvsadm -a -t 198.51.100.10:80 -r 198.51.100.2 -m", "Destination already exists\n"),
        (
            "ipvsadm -a -t 198.51.100.10:80 -r 198.51.100.255 -m",
            "Invalid operation.  Possibly wrong module version, address not unicast, ...\n\
             ipvsadm: server 198.51.100.255:80 of tcp 198.51.100.10:80: this is the broadcast address of a network; name a unicast address\n",
        ),
        ("attach eth9", "xlvs: there is no interface eth9 in this network namespace\n"),
    ] {
        let said = node.say(line);
        assert_eq!((said.err.as_str(), said.out.as_str()), (err, ""), "{line}");
        assert_ne!(said.code, 0, "{line}");
    }
    let rules = "# two lines and a comment\n-A -t 198.51.100.10:81 -s rr\n\n-a -t 198.51.100.10:81 -r 224.0.0.1 -m\n";
    let said = node.place.run("ipvsadm-restore", &["--atomic"], rules);
    let expected = "line 4: server 224.0.0.1:81 of tcp 198.51.100.10:81: \
                    a multicast address is no server; name a unicast address (nothing was changed)\n";
    assert_eq!((said.err.as_str(), said.code), (expected, 255));
    assert_eq!((node.ipvsadm("-Sn"), node.status()["generation"].clone()), before);
}
