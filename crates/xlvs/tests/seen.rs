//! What programs see of the real daemon: events as they happen, metrics, and HTTP's own words for a refusal.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::node::Node;

/// Head and body of the answer to one HTTP request.
fn http(node: &Node, head: &str, body: &str) -> (String, String) {
    let mut stream = UnixStream::connect(node.place.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    write!(stream, "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// A program whose output goes to a file of the node's place; ended with the value.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn background(node: &Node, words: &[&str], file: &str) -> Background {
    let output = std::fs::File::create(node.place.path(file)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xlvs"));
    command.args(words).env("XLVS_SOCKET", node.place.socket());
    Background(command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap())
}

fn wait_for_text(node: &mut Node, file: &str, text: &str) {
    node.wait_for(&format!("`{text}` in {file}"), |node| {
        std::fs::read_to_string(node.place.path(file)).unwrap().contains(text)
    });
}

#[test]
#[ignore = "needs root"]
fn events_are_followed_to_the_end_of_the_daemon() {
    let mut node = Node::new();
    node.start(&["--interface", "e0"]);
    let mut json = background(&node, &["events", "--json"], "events.json");
    let mut text = background(&node, &["events"], "events.txt");
    wait_for_text(&mut node, "events.json", "\"event\":\"listening\"");
    wait_for_text(&mut node, "events.txt", "listening after event");
    node.ipvsadm("-A -t 198.51.100.10:80 -s rr");
    assert_eq!(node.say("detach e0").code, 0);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
    for reader in [&mut json, &mut text] {
        assert!(
            reader.0.wait().unwrap().success(),
            "{}",
            std::fs::read_to_string(node.place.path("events.txt")).unwrap()
        );
    }
    let lines = std::fs::read_to_string(node.place.path("events.json")).unwrap();
    let events: Vec<api::Event> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = events.iter().skip(1).map(|event| event.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let log = node.log();
    for kind in ["service-added", "interface-detached", "stopping"] {
        let line = lines
            .lines()
            .find(|line| line.contains(&format!("\"event\":\"{kind}\"")))
            .unwrap_or_else(|| panic!("{kind}: {lines}"));
        let event: api::Event = serde_json::from_str(line).unwrap();
        assert!(log.contains(&event.text), "{} is not in the log", event.text);
        assert!(std::fs::read_to_string(node.place.path("events.txt")).unwrap().contains(&event.text));
    }
}

#[test]
#[ignore = "needs root"]
fn metrics_on_the_socket_and_on_loopback() {
    let mut node = Node::new();
    node.host.ip("link set lo up");
    let public = node.run_to_its_end(&["--metrics", "0.0.0.0:9100"]);
    assert!(public.code == 2 && public.err.contains("public 0.0.0.0:9100"), "{public:?}");
    node.start(&["--interface", "e0", "--metrics", "127.0.0.1:9100"]);
    node.ipvsadm("-A -t 198.51.100.10:80 -s rr");
    node.ipvsadm("-a -t 198.51.100.10:80 -r 198.51.100.2 -m -w 7");
    let (head, body) = http(&node, "GET /metrics", "");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/plain; version=0.0.4"), "{head}");
    let series = "xlvs_server_weight{protocol=\"tcp\",service=\"198.51.100.10:80\",server=\"198.51.100.2:80\"} 7\n";
    assert!(body.contains(series) && body.contains("xlvs_interface_info{interface=\"e0\",lane=\"xdp"), "{body}");
    let mut curl = node.host.command("curl");
    let by_tcp = curl.args(["-sS", "--max-time", "20", "http://127.0.0.1:9100/metrics"]).output().unwrap();
    assert!(String::from_utf8(by_tcp.stdout).unwrap().contains(series), "{:?}", by_tcp.stderr);
    // The control surface is not there.
    let mut curl = node.host.command("curl");
    let refused =
        curl.args(["-sS", "--max-time", "20", "-d", "{\"do\":\"status\"}", "http://127.0.0.1:9100/v1"]).output();
    assert_eq!(String::from_utf8(refused.unwrap().stdout).unwrap(), "");
}

#[test]
#[ignore = "needs root"]
fn a_refusal_has_the_status_of_its_kind() {
    let mut node = Node::new();
    node.start(&[]);
    let key = r#"{"protocol":"tcp","endpoint":"198.51.100.10:80"}"#;
    let add = format!(r#"{{"do":"add-service","key":{key},"options":{{"scheduler":"rr"}}}}"#);
    let delete = format!(r#"{{"do":"delete-service","key":{key}}}"#);
    for (body, status) in [
        (add.as_str(), "200"),
        (add.as_str(), "409"),
        (delete.as_str(), "200"),
        (delete.as_str(), "404"),
        ("{}", "400"),
        ("nonsense", "400"),
    ] {
        let (head, answer) = http(&node, "POST /v1", body);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{body}: {head}\n{answer}");
        assert_eq!(answer.starts_with("{\"Ok\""), status == "200", "{answer}");
    }
}

#[test]
#[ignore = "needs root"]
fn an_attachment_on_trial_ends_with_and_without_the_daemon() {
    let mut node = Node::new();
    node.start(&[]);
    let said = node.say("attach e0 --confirm-within 3s");
    assert!(said.code == 0 && said.out.contains("detached in 3 s unless you say: xlvs confirm e0"), "{said:?}");
    assert!(node.is_attached());
    node.wait_for("the end of the trial", |node| !node.is_attached());
    assert!(node.log().contains("interface e0: not confirmed in time"), "{}", node.log());
    // Killed in between: a watchdog keeps the deadline.
    node.say("attach e0 --confirm-within 3s");
    node.signal(Signal::SIGKILL);
    node.ended();
    assert!(node.is_attached());
    node.wait_for("the watchdog", |node| !node.is_attached());
    node.start(&[]);
    assert_eq!(node.status()["interfaces"], serde_json::json!([]));
    // Killed, and started again within the time: the next daemon keeps it.
    node.say("attach e0 --confirm-within 6s");
    node.signal(Signal::SIGKILL);
    node.ended();
    node.start(&[]);
    assert!(node.is_attached());
    assert_eq!(node.status()["trials"][0]["confirm"], "xlvs confirm e0");
    let said = node.say("status").out;
    assert!(
        said.contains("\non trial     e0: detached in ") && said.contains(" s unless you say: xlvs confirm e0\n"),
        "{said}"
    );
    assert_eq!(node.say("confirm").out, "e0 stays attached\n");
    std::thread::sleep(Duration::from_secs(7));
    assert!(node.is_attached());
    assert_eq!(node.say("attach e0").out, "e0 was attached already (xdp: native)\n");
    assert_eq!(node.say("attach e0 --lane tc").out, "e0 has moved from lane xdp to tc (as asked for)\n");
    assert_eq!(node.say("detach e0").out, "detached e0\n");
    assert_eq!(node.say("attach e0").out, "e0 is attached (xdp: native)\n");
    let json = node.say("detach --all --json --pin-dir nowhere").out;
    let direct: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(direct, serde_json::json!({"is": "detached", "interfaces": []}), "other pins, not asked of the daemon");
    assert_eq!(node.say("detach e0").code, 0);
    let again = node.say("detach e0");
    assert!(again.code == 1 && again.err.contains("e0"), "{again:?}");
    // The interface is created anew, then the daemon is killed.
    node.say("attach e0 --confirm-within 6s");
    node.host.ip("link del e0");
    node.switch.plug(&node.host, "e0", "br0", &["198.51.100.1/24"]);
    node.wait_for("the new interface", |node| node.is_attached());
    node.signal(Signal::SIGKILL);
    node.ended();
    assert!(node.is_attached());
    node.wait_for("the watchdog of the new interface", |node| !node.is_attached());
}
