//! The daemon over a real Unix socket: what a client writes and reads.

use super::changes::{add_server, add_service, key, network, start};
use super::fakes::{FakeNetwork, FakePlane};
use crate::daemon::{Daemon, Stopped};
use crate::reader::Reload;
use crate::server::{Server, calls};
use crate::signals::{HangUps, Signals};
use crate::socket::Claim;
use api::{ConnectionFilter, ConnectionsRequest, ExplainRequest, RefusalKind, Reply, Request, Response};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

async fn post(socket: &Path, body: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let head = format!(
        "POST /v1 HTTP/1.1\r\nhost: xlvs\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses a body does not read all of it.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.starts_with("HTTP/1.1 200"), body.starts_with("{\"Ok\""), "{answer}");
    body.to_owned()
}

pub(super) async fn ask(socket: &Path, request: &Request) -> Reply {
    let body = serde_json::to_vec(request).unwrap();
    serde_json::from_str(&post(socket, &body).await).unwrap()
}

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("xlvs-dir-{name}-{}", std::process::id())).join("xlvs.sock")
}

fn with_daemon<F: Future<Output = ()>>(
    name: &str,
    plane: &FakePlane,
    network: &FakeNetwork,
    client: impl FnOnce(PathBuf) -> F,
) -> Stopped {
    with_file(name, plane, network, Arc::new(|| Ok(None)), client)
}

/// Runs a daemon on fakes, lets `client` talk to it, and gives what the client and the daemon came to.
pub(super) fn with_file<F: Future<Output = ()>>(
    name: &str,
    plane: &FakePlane,
    network: &FakeNetwork,
    file: Reload,
    client: impl FnOnce(PathBuf) -> F,
) -> Stopped {
    let path = socket(name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stopped = runtime.block_on(async {
        let hang_ups = HangUps::listen().unwrap();
        let mut claim = Claim::take(&path).unwrap();
        let listener = claim.listen().unwrap();
        let (sender, calls) = calls();
        let (stop, stopping) = watch::channel(false);
        let director = start(plane, network);
        let server = Server { calls: sender, events: director.events.clone(), stop: stopping };
        let serving = tokio::spawn(server.serve(listener));
        let daemon = Daemon::new(director, file);
        let signals = Signals::listen(hang_ups).unwrap();
        let talk = async {
            client(path.clone()).await;
            // Nobody waits for this answer: the daemon ends with it.
            let _ =
                tokio::time::timeout(Duration::from_millis(200), ask(&path, &Request::Stop { keep_forwarding: true }))
                    .await;
        };
        let (ended, ()) = tokio::join!(daemon.run(signals, calls, None), talk);
        stop.send(true).unwrap();
        let (_, mut stopped) = ended.unwrap();
        drop(stopped.reply.take());
        serving.await.unwrap().unwrap();
        claim.remove();
        stopped
    });
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    stopped
}

#[test]
fn requests_are_carried_out_and_answered() {
    let (plane, network) = (FakePlane::default(), network());
    let stopped = with_daemon("requests", &plane, &network, |socket| async move {
        assert_eq!(ask(&socket, &add_service()).await, Ok(Response::Done { generation: 1 }));
        assert_eq!(ask(&socket, &add_server("10.0.0.1:80")).await, Ok(Response::Done { generation: 2 }));
        assert_eq!(ask(&socket, &add_service()).await.unwrap_err().kind, RefusalKind::ServiceExists);
        let Ok(Response::Listing(listing)) = ask(&socket, &Request::List).await else { panic!() };
        assert_eq!(listing.services[0].service.key, key().into());
        assert_eq!((listing.services[0].servers[0].active, listing.services[0].servers[0].inactive), (2, 3));
        assert_eq!(listing.connection_table_size, 1024);
        let attach = |interface: &str| Request::Attach {
            interface: interface.to_owned(),
            force: false,
            lane: None,
            confirm_within: None,
        };
        assert_eq!(ask(&socket, &attach("eth9")).await.unwrap_err().kind, RefusalKind::Invalid);
        ask(&socket, &attach("eth0")).await.unwrap();
        let Ok(Response::Status(status)) = ask(&socket, &Request::Status).await else { panic!() };
        assert_eq!((status.services, status.servers, status.interfaces[0].name.as_str()), (1, 1, "eth0"));
        assert_eq!(status.notes, Vec::<String>::new());
        let question = ExplainRequest { service: key(), client: "198.51.100.7:4000".parse().unwrap() };
        let Ok(Response::Explanation(explained)) = ask(&socket, &Request::Explain(question)).await else { panic!() };
        assert_eq!((explained.verdict.as_str(), explained.reason.as_str()), ("forward", "forward_in"));
        assert_eq!(explained.server, Some("10.0.0.1:80".parse().unwrap()));
        assert!(explained.because.contains("rr chooses 10.0.0.1:80"), "{}", explained.because);
        ask(&socket, &Request::Detach { interface: None }).await.unwrap();
    });
    assert!(stopped.keep_forwarding);
    assert!(plane.kernel().attached.is_empty());
}

#[test]
fn what_is_no_request_is_answered_by_a_refusal() {
    let (plane, network) = (FakePlane::default(), network());
    with_daemon("nonsense", &plane, &network, |socket| async move {
        for body in ["", "{", "{\"do\":\"dance\"}", "[1]", "{\"do\":\"add-service\",\"key\":{\"protocol\":\"icmp\"}}"] {
            let answer: Reply = serde_json::from_str(&post(&socket, body.as_bytes()).await).unwrap();
            assert_eq!(answer.unwrap_err().kind, RefusalKind::Invalid, "{body}");
        }
        let heavy = add_server("10.0.0.1:80");
        let heavy = serde_json::to_string(&heavy).unwrap().replace("\"weight\":1", "\"weight\":2147483648");
        let answer: Reply = serde_json::from_str(&post(&socket, heavy.as_bytes()).await).unwrap();
        assert!(answer.unwrap_err().message.contains("2147483648"));
    });
    assert_eq!(plane.kernel().changes, []);
}

#[test]
fn an_answer_waits_a_moment_for_the_neighbour_and_no_longer() {
    let (plane, network) = (FakePlane::default(), network());
    with_daemon("waiting", &plane, &network, |socket| async move {
        ask(&socket, &add_service()).await.unwrap();
        let began = Instant::now();
        ask(&socket, &add_server("10.0.0.2:80")).await.unwrap();
        let silent = began.elapsed();
        assert!(silent > Duration::from_millis(140) && silent < Duration::from_secs(1), "{silent:?}");
        // One waited in vain: for the rest of this second nobody does.
        let began = Instant::now();
        for server in 3..7 {
            ask(&socket, &add_server(&format!("10.0.0.{server}:80"))).await.unwrap();
        }
        let impatient = began.elapsed();
        assert!(impatient < Duration::from_millis(4 * 140), "{impatient:?}");
    });
}

#[test]
fn connections_come_in_pages() {
    let entry = |number: u16| dataplane::ConnectionEntry {
        protocol: model::Protocol::Tcp,
        client: std::net::SocketAddr::new([198, 51, 100, 1 + (number % 2) as u8].into(), number),
        service: "192.0.2.1:80".parse().unwrap(),
        server: Some("192.0.2.10:80".parse().unwrap()),
        state: Some(forward::TcpState::Established),
        expires: 900,
    };
    let plane = FakePlane::default();
    plane.kernel().table = (0..10).map(|slice| (slice * 4096..(slice + 1) * 4096).map(entry).collect()).collect();
    let director = start(&plane, &network());
    let pages = |filter: ConnectionFilter, enough: Option<u32>| {
        let mut request = ConnectionsRequest { filter, enough, ..ConnectionsRequest::default() };
        let mut pages = Vec::new();
        loop {
            let page = director.connections(&request).unwrap();
            request.from = page.next;
            pages.push(page.connections.len());
            if page.next.is_none() {
                return pages;
            }
        }
    };
    assert_eq!(pages(ConnectionFilter::default(), None), [8192; 5]);
    assert_eq!(pages(ConnectionFilter::default(), Some(1)), [4096; 10]);
    let client = Some("198.51.100.2".parse().unwrap());
    assert_eq!(pages(ConnectionFilter { client, ..ConnectionFilter::default() }, None), [8192, 8192, 4096]);
    // A page in which nothing is found ends, too, so that others get their turn.
    let state = Some("SYN_RECV".to_owned());
    assert_eq!(pages(ConnectionFilter { state, ..ConnectionFilter::default() }, None), [0, 0]);
}

#[test]
fn an_explanation_names_what_cannot_work() {
    let (plane, network) = (FakePlane::default(), network());
    network.wire().addresses.push("10.0.0.254".parse().unwrap());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    director.answer(&add_server("10.0.0.1:80")).unwrap();
    director
        .answer(&Request::Attach { interface: "eth0".to_owned(), force: false, lane: None, confirm_within: None })
        .unwrap();
    let mut warnings = |client: &str| {
        let question = ExplainRequest { service: key(), client: client.parse().unwrap() };
        let explanation = director.explain(&question).unwrap();
        assert_eq!(explanation.verdict, "forward");
        explanation.warnings
    };
    assert_eq!(warnings("198.51.100.7:4000"), Vec::<String>::new());
    for (client, expected) in [
        ("10.0.0.7:4000", "is in the client's own network and answers it directly"),
        ("10.0.0.1:4000", "10.0.0.1 is a server of this service"),
        ("192.0.2.1:4000", "192.0.2.1 is an address of this node"),
        ("203.0.113.255:4000", "this node has no route to 203.0.113.255"),
    ] {
        let warnings = warnings(client);
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{client}: {warnings:?}");
    }
}
