//! Every malformed file there is, brought to a daemon that runs with a sound one: each is refused with its place, and
//! nothing is otherwise than before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use support::Said;
use support::node::Node;

/// One server accepts and one refuses; both are the director itself. The other service has no checks.
const SOUND: &str = "virtual_server 198.51.100.10 80 {\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n delay_loop 1\n\
                     real_server 10.0.1.1 81 {\n weight 3\n TCP_CHECK {\n connect_timeout 2\n retry 0\n }\n }\n\
                     real_server 10.0.1.1 82 {\n weight 5\n TCP_CHECK {\n connect_timeout 2\n retry 0\n }\n }\n}\n\
                     virtual_server 198.51.100.10 53 {\n lb_algo rr\n lb_kind NAT\n protocol UDP\n\
                     real_server 10.0.1.7 53 {\n weight 1\n }\n}\n";

fn of_model(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests").join(path)
}

/// Names of the malformed files of keepalived, each with what is said of it: place and remedy.
fn keepalived_files() -> Vec<(String, String)> {
    let snapshot = fs::read_to_string(of_model("snapshots/keepalived__malformed.snap")).unwrap();
    let errors = snapshot.split("\n---\n").nth(1).unwrap().lines();
    let name = |error: &str| error.split_once(':').unwrap().0.to_owned();
    errors.map(|error| (name(error), error.to_owned())).collect()
}

/// A daemon with the sound file, one of its servers taken out by its check. The listener is the other one.
fn running() -> (Node, TcpListener) {
    let mut node = Node::new();
    let listener = node.host.run(|| TcpListener::bind("10.0.1.1:81").unwrap());
    let accepting = listener.try_clone().unwrap();
    // Ends with the process.
    std::thread::spawn(move || accepting.incoming().for_each(drop));
    let file = node.write("keepalived.conf", SOUND);
    node.start(&["-c", &file, "--interface", "e0"]);
    node.wait_for("the checks", |node| states(&node.status()).contains("10.0.1.1:82=false/false"));
    node.wait_for("the checks", |node| states(&node.status()).contains("10.0.1.1:81=true/true"));
    (node, listener)
}

/// Servers and their checks, up or down.
fn states(status: &Value) -> String {
    let servers = status["health"].as_array().unwrap().iter().flat_map(|it| it["servers"].as_array().unwrap());
    let state = |server: &Value| {
        format!("{}={}/{}", server["server"].as_str().unwrap(), server["up"], server["checks"][0]["up"])
    };
    servers.map(state).collect::<Vec<_>>().join(" ")
}

/// How often each check was made: a check that begins anew begins at 0.
fn made(status: &Value) -> Vec<u64> {
    let servers = status["health"].as_array().unwrap().iter().flat_map(|it| it["servers"].as_array().unwrap());
    servers.map(|server| server["checks"][0]["made"].as_u64().unwrap_or(0)).collect()
}

/// What no file may change: rules, generation, health, interfaces.
struct Picture {
    fixed: (String, u64, String, Value),
    made: Vec<u64>,
}

impl Picture {
    fn of(node: &Node, status: &Value) -> Self {
        let generation = status["generation"].as_u64().unwrap();
        let interfaces = status["interfaces"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
        Self { fixed: (node.ipvsadm("-Ln"), generation, states(status), interfaces), made: made(status) }
    }

    #[track_caller]
    fn assert_goes_on_in(&mut self, other: Self, name: &str) {
        assert_eq!(self.fixed, other.fixed, "{name}");
        assert!(self.made.iter().zip(&other.made).all(|(before, now)| before <= now), "{name}: checks begin anew");
        self.made = other.made;
    }
}

#[test]
#[ignore = "needs root"]
fn every_malformed_file_is_refused_with_its_place_and_changes_nothing() {
    let (mut node, _listener) = running();
    let mut before = Picture::of(&node, &node.status());
    let told = File::create(node.place.path("events")).unwrap();
    let mut events = node.place.command("xlvs").arg("events").stdout(told).spawn().unwrap();
    let files = keepalived_files();
    assert!(files.len() >= 90, "{}", files.len());
    let own = node.place.path("keepalived.conf");
    for (name, error) in &files {
        let text = fs::read_to_string(of_model("keepalived/malformed").join(name)).unwrap();
        // By a command, under its own name.
        let path = node.write(name, &text);
        let refused = format!("xlvs: {}\n", error.replacen(name.as_str(), &path, 1));
        assert_eq!(node.say(&format!("apply -c {path}")), Said { out: String::new(), err: refused, code: 1 });
        // By a signal, as the daemon's own file.
        fs::write(&own, text.replace(name.as_str(), "keepalived.conf")).unwrap();
        let reason = error.replacen(name.as_str(), own.to_str().unwrap(), 1);
        let expected = format!("the configuration file is not taken over: {reason}");
        node.signal(Signal::SIGHUP);
        node.wait_for(name, |node| node.log().contains(&expected));
        let status = node.status();
        let notes = status["notes"].as_array().unwrap();
        let remedy = " (what was in force goes on; mend the file, then kill -HUP ";
        let is_told = |note: &Value| note.as_str().unwrap().starts_with(&format!("{expected}{remedy}"));
        assert!(notes.iter().any(is_told), "{name}: {notes:?}");
        before.assert_goes_on_in(Picture::of(&node, &status), name);
    }
    let told = fs::read_to_string(node.place.path("events")).unwrap();
    let refusals = told.lines().filter(|line| line.contains(" error the configuration file is not taken over: "));
    assert_eq!(refusals.count(), files.len(), "{told}");
    events.kill().unwrap();
    events.wait().unwrap();
    // A sound file ends the complaint.
    fs::write(&own, SOUND).unwrap();
    node.signal(Signal::SIGHUP);
    node.wait_for("the sound file", |node| !node.say("status").out.contains("is not taken over"));
    before.assert_goes_on_in(Picture::of(&node, &node.status()), "the sound file");
}

#[test]
#[ignore = "needs root"]
fn every_malformed_xlvs_toml_is_refused_with_its_place_and_changes_nothing() {
    let (node, _listener) = running();
    let mut before = Picture::of(&node, &node.status());
    let corpus = fs::read_to_string(of_model("toml/malformed.txt")).unwrap();
    let files: Vec<&str> = corpus.split("\n====\n").collect();
    assert!(files.len() >= 60, "{}", files.len());
    for text in files {
        let path = node.write("bad.toml", text);
        let error = model::Config::parse_toml(text, &path).unwrap_err();
        let refused = Said { out: String::new(), err: format!("xlvs: {error}\n"), code: 1 };
        assert_eq!(node.say(&format!("apply -c {path}")), refused, "{text}");
        before.assert_goes_on_in(Picture::of(&node, &node.status()), text);
    }
}
