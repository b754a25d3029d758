//! The client against a listener that answers, is silent, or talks nonsense.

use super::*;
use crate::{Refusal, RefusalKind, Response};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn socket_path() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("xlvs-api-{}-{}.sock", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(name)
}

/// Answers every request on every connection with `answer`, counting the connections.
async fn serve(listener: UnixListener, answer: String, connections: &AtomicUsize) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::Relaxed);
        let mut buffer = [0_u8; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            assert!(buffer[..read].starts_with(b"POST /v1 HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Sends `times` requests to a listener with this answer; results, and how many connections it took.
fn ask(answer: String, times: usize) -> (Vec<Result<Reply, ClientError>>, usize) {
    run(async {
        let path = socket_path();
        let listener = UnixListener::bind(&path).unwrap();
        let connections = AtomicUsize::new(0);
        let client = Client::new(&path).with_patience(Duration::from_secs(2));
        let mut replies = Vec::new();
        tokio::select! {
            () = serve(listener, answer, &connections) => {}
            () = async { for _ in 0..times { replies.push(client.send(&Request::Flush).await); } } => {}
        }
        std::fs::remove_file(&path).unwrap();
        (replies, connections.into_inner())
    })
}

#[test]
fn replies_come_back_over_one_connection() {
    let (replies, connections) = ask(http("200 OK", r#"{"Ok":{"is":"done","generation":7}}"#), 3);
    for reply in replies {
        assert_eq!(reply.unwrap(), Ok(Response::Done { generation: 7 }));
    }
    assert_eq!(connections, 1);
}

#[test]
fn a_refusal_is_a_reply_whatever_the_status() {
    let body = r#"{"Err":{"kind":"service-exists","message":"tcp 10.0.0.1:80 exists"}}"#;
    let (replies, _) = ask(http("409 Conflict", body), 1);
    let refusal = replies.into_iter().next().unwrap().unwrap().unwrap_err();
    assert_eq!(
        refusal,
        Refusal { kind: RefusalKind::ServiceExists, message: "tcp 10.0.0.1:80 exists".into(), request: None }
    );
}

#[test]
fn nonsense_is_a_bad_answer() {
    for (answer, expected) in [
        (http("200 OK", "hello"), "bad answer from"),
        (http("404 Not Found", "no"), "HTTP status 404 Not Found"),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "cannot talk to the daemon at"),
    ] {
        let error = ask(answer, 1).0.remove(0).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains('\n'));
    }
}

#[test]
fn no_daemon_names_socket_and_remedy() {
    let path = socket_path();
    let error = run(Client::new(&path).send(&Request::List)).unwrap_err();
    assert!(matches!(error, ClientError::NoDaemon { .. }));
    let expected =
        format!("no daemon at {} (start it with `xlvs run`, or name its socket in $XLVS_SOCKET)", path.display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_socket_file_left_behind_is_no_daemon() {
    let path = socket_path();
    run(async { drop(UnixListener::bind(&path).unwrap()) });
    let error = run(Client::new(&path).send(&Request::List)).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(error, ClientError::NoDaemon { .. }), "{error}");
}

#[test]
fn a_silent_daemon_times_out() {
    let path = socket_path();
    let error = run(async {
        let _listener = UnixListener::bind(&path).unwrap();
        Client::new(&path).with_patience(Duration::from_millis(50)).send(&Request::List).await.unwrap_err()
    });
    std::fs::remove_file(&path).unwrap();
    assert_eq!(error.to_string(), format!("no answer from the daemon at {} within 0.05 s", path.display()));
}
