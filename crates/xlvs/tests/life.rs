//! The life of the real daemon: what it leaves, what it keeps, and who may be beside it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use nix::sys::signal::Signal;
use support::Said;
use support::node::{Node, finish};

const SERVICE: &str = "[[service]]\nlisten = \"tcp 198.51.100.10:80\"\nscheduler = \"rr\"\nmethod = \"nat\"\n";

/// A node with a daemon on `e0` and a service with two servers.
fn running() -> Node {
    let mut node = Node::new();
    node.start(&["--interface", "e0"]);
    for line in ["-A -t 198.51.100.10:80 -s wrr", "-a -t 198.51.100.10:80 -r 198.51.100.2:0 -m -w 3"] {
        node.ipvsadm(line);
    }
    node.ipvsadm("-a -t 198.51.100.10:80 -r 198.51.100.3 -m");
    assert!(node.is_attached());
    node
}

fn saved(node: &Node) -> String {
    node.ipvsadm("-Sn")
}

fn lines(log: &str, word: &str) -> usize {
    log.lines().filter(|line| line.contains(word)).count()
}

#[test]
#[ignore = "needs root"]
fn stop_and_sigterm_leave_nothing() {
    for by_signal in [true, false] {
        let mut node = running();
        if by_signal {
            node.signal(Signal::SIGTERM);
        } else {
            let out = "stopped; e0 detached, configuration and connections gone\n".to_owned();
            assert_eq!(node.say("stop"), Said { out, err: String::new(), code: 0 });
        }
        assert_eq!(node.ended(), Some(0), "{}", node.log());
        assert!(node.is_clean(), "{}", node.log());
        node.start(&[]);
        assert_eq!(saved(&node), "");
    }
}

#[test]
#[ignore = "needs root"]
fn kill_nine_and_keep_forwarding_keep_everything() {
    let mut node = running();
    let rules = saved(&node);
    let generation = node.status()["generation"].clone();
    for by_signal in [true, false] {
        if by_signal {
            node.signal(Signal::SIGKILL);
            assert_eq!(node.ended(), None);
        } else {
            let said = node.say("stop --keep-forwarding");
            assert!(said.code == 0 && said.out.starts_with("stopped; e0 forwards without the daemon"), "{said:?}");
            assert!(!node.has_socket(), "said to be stopped, and still there: the next one could not start");
            assert_eq!(node.ended(), Some(0));
        }
        assert!(node.is_attached());
        let said = node.say("status");
        assert!(said.err.starts_with("xlvs: no daemon at ") && said.code == 1, "{said:?}");
        // Attached to what it was attached to, without being told again.
        node.start(&[]);
        assert_eq!(saved(&node), rules);
        assert_eq!(node.status()["generation"], generation);
        assert_eq!(node.status()["interfaces"][0]["name"], "e0");
    }
    assert_eq!(lines(&node.log(), "generation=3 changes=0"), 2, "{}", node.log());
    node.signal(Signal::SIGKILL);
    node.ended();
    // Without a daemon. Indices of interfaces have names only in their own namespace.
    let mut detach = node.host.command(env!("CARGO_BIN_EXE_xlvs"));
    detach.args(["detach", "--all", "--pin-dir"]).arg(node.pins()).env("XLVS_SOCKET", node.place.socket());
    assert_eq!(finish(detach), Said { out: "detached e0\n".to_owned(), err: String::new(), code: 0 });
    assert!(!node.is_attached());
}

#[test]
#[ignore = "needs root"]
fn hang_up_reads_the_file_again() {
    let mut node = Node::new();
    let file = node.write("xlvs.toml", SERVICE);
    node.start(&["-c", &file, "--interface", "e0"]);
    node.ipvsadm("-A -t 198.51.100.10:81 -s rr");
    let reload = |node: &mut Node, text: &str, word: &str| {
        let before = lines(&node.log(), word);
        node.write("xlvs.toml", text);
        node.signal(Signal::SIGHUP);
        node.wait_for(word, |node| lines(&node.log(), word) > before);
        saved(node)
    };
    let server = format!("{SERVICE}servers = [{{ address = \"198.51.100.2:8080\", weight = 7 }}]\n");
    let expected = "-A -t 198.51.100.10:80 -s rr\n\
        -a -t 198.51.100.10:80 -r 198.51.100.2:8080 -m -w 7\n\
        -A -t 198.51.100.10:81 -s rr\n";
    assert_eq!(reload(&mut node, &server, "configuration file taken over"), expected);
    assert_eq!(reload(&mut node, &format!("# why\n{server}"), "says what it said before"), expected);
    // What cannot be read changes nothing, and the place is named.
    let malformed = format!("{server}\n[[service]]\nlisten = 5\n");
    assert_eq!(reload(&mut node, &malformed, "xlvs.toml:8:10: "), expected);
    let refused = |node: &Node| node.status()["notes"].to_string().contains("is not taken over: ");
    assert!(refused(&node) && node.say("status").out.contains("xlvs.toml:8:10: "), "{}", node.status());
    assert_eq!(reload(&mut node, &server, "configuration file taken over"), expected);
    assert!(!refused(&node), "it says again what is in force: {}", node.status());
    std::fs::remove_file(&file).unwrap();
    node.signal(Signal::SIGHUP);
    node.wait_for("the missing file", |node| node.log().contains("xlvs.toml: No such file"));
    assert!(saved(&node) == expected && refused(&node));
    // What the file no longer names goes; what it never named stays.
    assert_eq!(reload(&mut node, "", "configuration file taken over"), "-A -t 198.51.100.10:81 -s rr\n");
    assert!(node.log().contains("names no service any more: the 1 that it had brought are removed"), "{}", node.log());
    assert!(node.is_attached());
}

#[test]
#[ignore = "needs root"]
fn a_hang_up_before_the_daemon_is_ready_is_followed_when_it_is() {
    // On a busy machine it may be ready before this process has seen it listen: there are other starts.
    let is_early = (0..5).any(|_| {
        let mut node = Node::new();
        let file = node.write("xlvs.toml", SERVICE);
        let is_early = node.start_and_hang_up(&["-c", &file]);
        node.wait_for("the reading", |node| node.log().contains("says what it said before"));
        is_early
    });
    assert!(is_early, "it listens to SIGHUP only when it is ready");
}

#[test]
#[ignore = "needs root"]
fn hang_up_attaches_to_interfaces_that_the_file_names_now() {
    let mut node = Node::new();
    let file = node.write("xlvs.toml", "");
    node.start(&["-c", &file]);
    assert!(!node.is_attached());
    node.write("xlvs.toml", "[director]\ninterfaces = [\"xlvs-none\", \"e0\"]\n");
    node.signal(Signal::SIGHUP);
    node.wait_for("the refusal", |node| node.log().contains("there is no interface xlvs-none"));
    assert!(!node.is_attached());
    node.write("xlvs.toml", "[director]\ninterfaces = [\"e0\"]\nconnections = 4096\n");
    node.signal(Signal::SIGHUP);
    node.wait_for("the interface", |node| node.is_attached());
    node.wait_for("the size", |node| node.log().contains("connections = 4096: the tables keep room for"));
}

#[test]
#[ignore = "needs root"]
fn a_second_daemon_is_refused_and_harms_nobody() {
    let node = running();
    let (rules, pid) = (saved(&node), node.status()["pid"].clone());
    let refused = |finished: Said, word: &str| {
        assert_eq!((finished.code, finished.out.as_str()), (1, ""), "{finished:?}");
        assert!(finished.err.lines().count() == 1 && finished.err.contains(word), "{finished:?}");
    };
    // The same socket, then the same pins behind another one.
    let socket = node.place.socket();
    refused(node.run_to_its_end(&[]), socket.to_str().unwrap());
    let mut command = node.run_command(&["--interface", "e0"]);
    let other = node.place.path("other");
    command.env("XLVS_SOCKET", &other);
    refused(finish(command), node.pins().to_str().unwrap());
    assert!(!other.exists() && !node.place.path("other.lock").exists());
    assert_eq!((saved(&node), node.status()["pid"].clone()), (rules, pid));
    assert!(node.is_attached());
}

#[test]
#[ignore = "needs root"]
fn an_unchanged_file_says_what_it_does_not_undo() {
    let mut node = Node::new();
    let file = node.write("xlvs.toml", SERVICE);
    node.start(&["-c", &file, "--interface", "e0"]);
    node.ipvsadm("-C");
    node.signal(Signal::SIGKILL);
    node.ended();
    assert!(!node.log().contains("is unchanged since"));
    node.start(&["-c", &file]);
    assert_eq!(saved(&node), "");
    assert!(
        node.log().contains("xlvs.toml is unchanged since it was applied; run-time changes to 1 "),
        "{}",
        node.log()
    );
}

#[test]
#[ignore = "needs root"]
fn a_log_that_cannot_be_written_ends_nothing() {
    for full in [true, false] {
        let mut node = Node::new();
        let mut command = node.run_command(&["--interface", "e0"]);
        if full {
            command.stderr(std::fs::File::options().write(true).open("/dev/full").unwrap());
        } else {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stderr(writer);
        }
        node.adopt(command);
        node.ipvsadm("-A -t 198.51.100.10:80 -s rr");
        node.signal(Signal::SIGHUP);
        assert_eq!(saved(&node), "-A -t 198.51.100.10:80 -s rr\n");
        assert_eq!(node.say("stop").code, 0);
        assert_eq!(node.ended(), Some(0), "stderr full: {full}");
        assert!(node.is_clean());
    }
}

/// Pins in a mount namespace of their own are kept where only the director's network namespace finds them.
#[test]
#[ignore = "needs root"]
fn detach_all_from_elsewhere_says_where_the_director_is() {
    let mut node = Node::new();
    let pins = node.place.path("private");
    let mut command = node.host.command("unshare");
    command.args(["-m", env!("CARGO_BIN_EXE_xlvs"), "run", "--interface", "e0", "--pin-dir"]).arg(&pins);
    command.env("XLVS_SOCKET", node.place.socket());
    node.adopt(command);
    node.signal(Signal::SIGKILL);
    node.ended();
    assert!(node.is_attached());
    let elsewhere = node.say(&format!("detach --all --pin-dir {}", pins.display()));
    let there = elsewhere.err.split_once("belongs to another network namespace; detach there: ");
    let (_, there) = there.unwrap_or_else(|| panic!("{elsewhere:?}"));
    assert!(elsewhere.code == 1 && node.is_attached());
    let said = node.place.shell(there.trim());
    assert_eq!((said.out.as_str(), said.code), ("detached e0\n", 0), "{said:?}");
    assert!(!node.is_attached());
}
