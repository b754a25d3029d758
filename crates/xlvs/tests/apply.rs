//! Configuration files against the real daemon: planned, applied, confirmed, and rolled back when they are not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use nix::sys::signal::Signal;
use std::fs;
use support::node::Node;
use support::{Place, Said};

const FIRST: &str = "[[service]]\nlisten = \"tcp 198.51.100.10:80\"\nscheduler = \"rr\"\nmethod = \"nat\"\n\
                     servers = [\"198.51.100.2:80\"]\n";
const SECOND: &str = "[director]\ninterfaces = [\"e1\"]\nsloppy_tcp = 1\n[[service]]\n\
                      listen = \"tcp 198.51.100.10:80\"\nscheduler = \"wrr\"\nmethod = \"nat\"\n\
                      servers = [{ address = \"198.51.100.2:80\", weight = 5 }, \"198.51.100.3:80\"]\n";
const CHANGES: &str = "+ interface e1 lane auto\n~ sysctl sloppy_tcp 1 (was 0)\n\
                       ~ tcp 198.51.100.10:80 scheduler wrr (was rr)\n\
                       ~ tcp 198.51.100.10:80 -> 198.51.100.2:80 weight 5 (was 1)\n\
                       + tcp 198.51.100.10:80 -> 198.51.100.3:80 nat weight 1\n";

fn said(out: String, code: i32) -> Said {
    Said { out, err: String::new(), code }
}

/// A daemon with the first configuration.
fn running() -> (Node, String) {
    let mut node = Node::new();
    let file = node.write("xlvs.toml", FIRST);
    node.start(&["-c", &file, "--interface", "e0"]);
    (node, file)
}

/// Rules, sysctl and attached interfaces.
fn everything(node: &Node) -> (String, String, serde_json::Value) {
    let status = node.status();
    let names = status["interfaces"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    (node.ipvsadm("-Sn"), node.say("sysctl sloppy_tcp").out, names)
}

#[test]
#[ignore = "needs root"]
fn a_plan_an_apply_and_a_confirmation() {
    let (node, file) = running();
    assert_eq!(node.say("plan"), said("nothing would change (against generation 1 of the daemon)\n".into(), 0));
    fs::write(&file, SECOND).unwrap();
    let count = "5 changes: 2 added, 3 changed";
    let planned = format!("{CHANGES}{count} (against generation 1 of the daemon)\n");
    assert_eq!(node.say("plan"), said(planned, 2));
    let json: serde_json::Value = serde_json::from_str(&node.say("plan --json").out).unwrap();
    assert_eq!((json["is"].as_str(), json["changes"].as_array().map(Vec::len)), (Some("plan"), Some(5)));
    let refused = node.say("apply --generation 7");
    let expected = "xlvs: the configuration is generation 1, not 7: look at a new plan\n";
    assert_eq!((refused.err.as_str(), refused.code), (expected, 1));
    let end = format!("{count}, generation 2; rolled back in 600 s unless you say: xlvs confirm\n");
    assert_eq!(node.say("apply --confirm-within 10m"), said(format!("{CHANGES}{end}"), 0));
    assert!(node.say("status").out.contains("\non trial     the configuration: rolled back in "));
    let after = everything(&node);
    let confirmed = "the configuration stays\ne1 stays attached\n".to_owned();
    assert_eq!(node.say("confirm"), said(confirmed, 0));
    assert_eq!(node.say("apply"), said("nothing to change, generation 2\n".into(), 0));
    // Another file is applied all the same; the daemon goes on to read its own.
    assert!(node.say("status").out.contains(&format!("\nfile         {file} (read at the start")));
    let other = node.write("other.toml", SECOND);
    let applied = node.say(&format!("apply -c {other}"));
    let note =
        format!("note: SIGHUP and the next start read {file}, which the daemon was started with, and not {other}");
    assert!(applied.code == 0 && applied.err.contains(&note), "{applied:?}");
    let refused = node.say("roll-back");
    let expected = "xlvs: no configuration is on trial: there is nothing to go back to\n";
    assert_eq!((refused.err.as_str(), refused.code), (expected, 1));
    assert_eq!(everything(&node), after);
}

#[test]
#[ignore = "needs root"]
fn what_nobody_confirms_is_rolled_back() {
    let (mut node, file) = running();
    let before = everything(&node);
    fs::write(&file, SECOND).unwrap();
    assert_eq!(node.say("apply --confirm-within 1s").code, 0);
    node.wait_for("the roll-back", |node| node.log().contains("rolled back (not confirmed in time), generation 3"));
    assert_eq!(everything(&node), before);
    // At once.
    assert_eq!(node.say("apply --confirm-within 60m").code, 0);
    assert_ne!(everything(&node), before);
    assert_eq!(node.say("roll-back"), said("rolled back, as generation 5\n".into(), 0));
    assert_eq!(everything(&node), before);
    // What cannot be applied changes nothing, with its place.
    fs::write(&file, format!("{SECOND}[[service]]\nlisten = 5\n")).unwrap();
    let refused = node.say("apply --confirm-within 1s");
    assert!(refused.err.contains("xlvs.toml:10:10: `listen` takes a string") && refused.code == 1, "{refused:?}");
    assert_eq!(everything(&node), before);
}

#[test]
#[ignore = "needs root"]
fn a_trial_outlives_kill_nine() {
    let (mut node, file) = running();
    let before = everything(&node);
    fs::write(&file, SECOND).unwrap();
    let restart = |node: &mut Node| {
        node.signal(Signal::SIGKILL);
        assert_eq!(node.ended(), None);
        node.start(&["-c", &file, "--interface", "e0"]);
    };
    // The next daemon goes on with the trial, and goes back at its end.
    assert_eq!(node.say("apply --confirm-within 4s").code, 0);
    let after = everything(&node);
    assert_ne!(after, before);
    restart(&mut node);
    assert_eq!(everything(&node), after);
    node.wait_for("the roll-back", |node| node.log().contains("rolled back (not confirmed in time)"));
    assert_eq!(everything(&node), before);
    // One that starts after the end goes back at once, and leaves the rejected file alone.
    assert_eq!(node.say("apply --confirm-within 1s").code, 0);
    node.signal(Signal::SIGKILL);
    assert_eq!(node.ended(), None);
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    node.start(&["-c", &file, "--interface", "e0"]);
    assert_eq!(everything(&node), before);
    assert!(node.log().contains("was on trial and not confirmed"), "{}", node.log());
    // And so does every one after it, until somebody applies the file again.
    restart(&mut node);
    assert_eq!(everything(&node), before);
    assert_eq!(node.say("apply").code, 0);
    assert_eq!(everything(&node), after);
    restart(&mut node);
    assert_eq!(everything(&node), after);
}

/// Servers that are checked: one accepts, one refuses, both of them the director itself.
fn checked(weight: u32) -> String {
    let check = "check = { tcp = true, interval = \"300ms\", timeout = \"2s\", fall = 1, rise = 1 }";
    format!(
        "[[service]]\nlisten = \"tcp 198.51.100.10:80\"\nscheduler = \"wrr\"\nmethod = \"nat\"\n{check}\n\
         servers = [{{ address = \"10.0.1.1:81\", weight = {weight} }}, \"10.0.1.1:82\"]\n"
    )
}

#[test]
#[ignore = "needs root"]
fn a_trial_that_ends_without_its_daemon_leaves_health_as_it_was() {
    let mut node = Node::new();
    let listener = node.host.run(|| std::net::TcpListener::bind("10.0.1.1:81").unwrap());
    // Ends with the process.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let file = node.write("xlvs.toml", &checked(3));
    let start = |node: &mut Node| node.start(&["-c", &file, "--interface", "e0"]);
    start(&mut node);
    node.wait_for("the failed server", |node| !node.ipvsadm("-Sn").contains("10.0.1.1:82"));
    let rules = "-A -t 198.51.100.10:80 -s wrr\n-a -t 198.51.100.10:80 -r 10.0.1.1:81 -m -w 3\n";
    assert_eq!(node.ipvsadm("-Sn"), rules);

    // Only one configuration can be on trial, and nothing else comes between.
    fs::write(&file, checked(9)).unwrap();
    assert_eq!(node.say("apply --confirm-within 3s").code, 0);
    let on_trial = rules.replace("-w 3", "-w 9");
    assert_eq!(node.ipvsadm("-Sn"), on_trial);
    for line in ["apply --confirm-within 5s", "apply"] {
        let refused = node.say(line);
        let expected = "xlvs: a configuration is on trial for ";
        assert!(refused.err.starts_with(expected) && refused.err.lines().count() == 1, "{refused:?}");
        assert_eq!((refused.out.as_str(), refused.code), ("", 1));
    }
    assert_eq!(node.ipvsadm("-Sn"), on_trial);

    // Its time ends while nobody is there. Who was out stays out, and who was in stays in.
    node.signal(Signal::SIGKILL);
    assert_eq!(node.ended(), None);
    std::thread::sleep(std::time::Duration::from_millis(3_200));
    start(&mut node);
    assert_eq!(node.ipvsadm("-Sn"), rules);
    let late = node.say("confirm");
    assert!(late.err.starts_with("xlvs: ") && late.err.lines().count() == 1, "{late:?}");
    assert_eq!((late.out.as_str(), late.code), ("", 1));
    node.wait_for("the checks", |node| {
        let servers = node.status()["health"][0]["servers"].clone();
        let made = |place: usize| servers[place]["checks"][0]["made"].as_u64() >= Some(2);
        made(0) && made(1) && servers[0]["up"] == true && servers[1]["up"] == false
    });
    assert_eq!(node.ipvsadm("-Sn"), rules);
}

#[test]
fn without_a_daemon_files_are_compared() {
    let place = Place::new();
    let shell = |line: &str| place.shell(&format!("cd {} && {line}", place.path("").display()));
    let write = |name: &str, text: &str| fs::write(place.path(name), text).unwrap();
    write("xlvs.toml", FIRST);
    write("new.toml", &SECOND.replace("[director]\ninterfaces = [\"e1\"]\nsloppy_tcp = 1\n", ""));
    let new = "+ tcp 198.51.100.10:80 rr\n+ tcp 198.51.100.10:80 -> 198.51.100.2:80 nat weight 1\n\
               2 changes: 2 added (against nothing: no daemon is running)\n";
    assert_eq!(shell("xlvs plan -c xlvs.toml"), said(new.to_owned(), 2));
    let changes: String = CHANGES.lines().skip(2).map(|line| format!("{line}\n")).collect();
    let end = "3 changes: 1 added, 2 changed (against xlvs.toml)\n";
    assert_eq!(shell("xlvs plan -c new.toml --against xlvs.toml"), said(format!("{changes}{end}"), 2));
    let same = "nothing would change (against xlvs.toml)\n";
    assert_eq!(shell("xlvs plan -c xlvs.toml --against xlvs.toml"), said(same.to_owned(), 0));
    for (line, error) in [("plan", "no daemon at "), ("apply -c xlvs.toml", "no daemon at "), ("plan -c none", "none")]
    {
        let said = shell(&format!("xlvs {line}"));
        assert!(said.err.contains(error) && said.code == 1 && said.err.lines().count() == 1, "{said:?}");
    }
    // What is not done is told with its place, and fails unless it is accepted.
    write(
        "k.conf",
        "vrrp_instance a {\n}\nvirtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n }\n}\n",
    );
    let refused = shell("xlvs plan -c k.conf");
    assert!(refused.err.starts_with("k.conf:1: refused: VRRP is not run yet"), "{refused:?}");
    assert!(refused.err.ends_with("xlvs: say --accept to do without what is refused here\n"), "{refused:?}");
    assert_eq!(refused.code, 1);
    assert_eq!(shell("xlvs plan -c k.conf --accept").code, 2);
}
