//! Checks of servers that mean harm.

use super::make;
use model::health::{Check, Connection, GrpcProbe, HttpProbe, HttpVersion, Pace, Page, Probe};
use protocols::health::{Outcome, Task};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// A check that is made once.
pub(super) fn task(server: SocketAddr, probe: Probe, timeout: Duration) -> Task {
    let pace = Pace {
        interval: Duration::from_secs(1),
        timeout,
        retries: 0,
        delay_before_retry: Duration::ZERO,
        warmup: Duration::ZERO,
        rise: 1,
        jitter: Duration::ZERO,
    };
    let connection = Connection::default();
    Task {
        server,
        check: Check { probe, connection, pace, starts_down: false, logs_every_failure: false },
        rests_without: None,
    }
}

/// Longer than any of these takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn http(tls: bool) -> Probe {
    let page = Page { path: "/".into(), host: None, status: vec![(200, 200)], digest: None, body: None };
    let version = HttpVersion::V11;
    Probe::Http(HttpProbe { tls, server_name_indication: false, version, fast_recovery: false, pages: vec![page] })
}

/// What comes of a check of a server that says this, and then that for as long as somebody listens.
fn flooded(probe: Probe, first: &'static [u8], then: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let is_asked_first = !matches!(probe, Probe::Smtp { .. });
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        if is_asked_first {
            assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0, "nobody asks");
        }
        flood(stream, first, then);
    });
    let (sender, outcome) = mpsc::channel();
    // A thread of its own: a check that listens for ever does not hear of its time-out.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let task = task(server, probe, PATIENCE / 4);
        let _ = sender.send(runtime.block_on(make(&task, 0, None)));
    });
    match outcome.recv_timeout(PATIENCE).expect("the check goes on for ever") {
        Outcome::Failure(why) => why,
        other => panic!("{other:?}"),
    }
}

fn flood(mut stream: TcpStream, first: &[u8], then: &[u8]) {
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(first).unwrap();
    let many = then.repeat(65_536 / then.len().max(1));
    if then.is_empty() {
        let _ = stream.read_to_end(&mut Vec::new());
    } else {
        while stream.write_all(&many).is_ok() {}
    }
}

#[test]
fn servers_that_never_come_to_an_answer_fail() {
    let grpc = || Probe::Grpc(GrpcProbe::default());
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    for (probe, first, then) in [
        (http(false), &b""[..], &b"HTTP/1.1 103 Early Hints\r\n\r\n"[..]),
        (http(false), b"HTTP/1.1 103 Early Hints\r\n", b"x: y\r\n"),
        (http(false), b"HTTP/1.1 200 OK\r\n\r\n", b"more"),
        (http(false), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;longer=than-the-page\r\nx\r\n"),
        (http(true), b"", b"\x14\x03\x03\0\x01\x01"),
        (grpc(), settings, b"\0\0\x08\x06\0\0\0\0\0pingpong"),
        (grpc(), settings, settings),
        (Probe::Smtp { helo: "us".into() }, b"", b"220-more\r\n"),
        (Probe::Smtp { helo: "us".into() }, b"220-", b"longer"),
    ] {
        let why = flooded(probe, first, then);
        assert!(!why.contains("no answer within"), "{first:?}: {why}");
    }
    let why = flooded(http(false), b"", b"HTTP/1.1 103 Early Hints\r\n\r\n");
    assert_eq!(why, "the server says more and more, and nothing of it is an answer");
}

#[test]
fn what_servers_say_does_not_reach_the_terminal_as_it_is() {
    for (probe, first) in [
        (Probe::Smtp { helo: "us".into() }, &b"554 \x1b]0;owned\x07\r\n"[..]),
        (http(false), b"HTTP/1.1 \x1b[2J\r\n\r\n"),
    ] {
        let why = flooded(probe, first, b"");
        assert!(!why.chars().any(char::is_control), "{why:?}");
    }
}

#[test]
fn a_plain_port_does_not_speak_tls() {
    let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(flooded(http(true), answer, b""), "the server does not speak TLS");
    let grpc = Probe::Grpc(GrpcProbe { tls: true, ..GrpcProbe::default() });
    assert_eq!(flooded(grpc, answer, b""), "the server does not speak TLS");
}
