//! Checks of servers that answer as they should, and otherwise.

use super::super::make;
use super::super::tests::task;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, StatusCode};
use model::health::{GrpcProbe, Probe};
use protocols::health::Outcome;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// What a server answers.
#[derive(Clone, Copy)]
struct Answer {
    http: u16,
    kind: &'static str,
    body: &'static [u8],
    /// In trailers, or else in the head where there is no body.
    trailers: &'static [(&'static str, &'static str)],
}

const SERVING: Answer =
    Answer { http: 200, kind: "application/grpc", body: &[0, 0, 0, 0, 2, 8, 1], trailers: &[("grpc-status", "0")] };

fn trailers(answer: &Answer) -> HeaderMap {
    answer.trailers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

/// Serves one call; what it was asked.
async fn serve(stream: TcpStream, answer: Answer) -> (String, HeaderMap, Bytes) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (request, mut respond) = connection.accept().await.unwrap().unwrap();
    let (head, mut body) = request.into_parts();
    let call = async {
        let asked = body.data().await.unwrap().unwrap();
        let mut response = Response::builder().status(StatusCode::from_u16(answer.http).unwrap());
        response = response.header("content-type", answer.kind);
        if answer.body.is_empty() {
            let mut response = response.body(()).unwrap();
            response.headers_mut().extend(trailers(&answer));
            respond.send_response(response, true).unwrap();
        } else {
            let mut stream = respond.send_response(response.body(()).unwrap(), false).unwrap();
            stream.send_data(Bytes::from_static(answer.body), answer.trailers.is_empty()).unwrap();
            if !answer.trailers.is_empty() {
                stream.send_trailers(trailers(&answer)).unwrap();
            }
        }
        asked
    };
    let asked = call.await;
    // The client leaves when it has its answer.
    let _ = std::future::poll_fn(|context| connection.poll_closed(context)).await;
    (head.uri.to_string(), head.headers, asked)
}

/// A check of a server that does this with the connection.
fn check<T>(probe: GrpcProbe, timeout: Duration, server: impl AsyncFnOnce(TcpStream) -> T) -> (Outcome, T) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let task = task(listener.local_addr().unwrap(), Probe::Grpc(probe), timeout);
        let serving = async { server(listener.accept().await.unwrap().0).await };
        tokio::join!(make(&task, 0, None), serving)
    })
}

fn why(answer: Answer) -> String {
    match check(GrpcProbe::default(), PATIENCE, async |stream| serve(stream, answer).await).0 {
        Outcome::Failure(why) => why,
        other => panic!("{other:?}"),
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_server_that_serves_is_well_and_is_asked_for_the_service() {
    let probe = GrpcProbe { service: "a.B".to_owned(), host: Some("b.example".to_owned()), tls: false };
    let (outcome, (uri, headers, asked)) = check(probe, PATIENCE, async |stream| serve(stream, SERVING).await);
    assert_eq!(outcome, Outcome::Success);
    assert_eq!(uri, "http://b.example/grpc.health.v1.Health/Check");
    assert!(headers["te"] == "trailers" && headers["content-type"] == "application/grpc", "{headers:?}");
    assert_eq!(headers["grpc-timeout"], "60000m");
    assert_eq!(asked.as_ref(), b"\0\0\0\0\x05\x0a\x03a.B");
}

#[test]
fn failures_say_what_came() {
    let not_found = &[("grpc-status", "5"), ("grpc-message", "unknown service")];
    for (answer, wanted) in [
        (Answer { body: &[0, 0, 0, 0, 2, 8, 2], ..SERVING }, "the server says NOT_SERVING"),
        (Answer { body: &[0, 0, 0, 0, 0], ..SERVING }, "the server says UNKNOWN"),
        (
            Answer { body: &[], trailers: not_found, ..SERVING },
            "grpc-status 5 (the server knows no service ``): unknown service",
        ),
        (
            Answer { trailers: &[("grpc-status", "14"), ("grpc-message", "\tgoing")], ..SERVING },
            "grpc-status 14 (unavailable): \\tgoing",
        ),
        (
            Answer { trailers: &[("grpc-status", "12"), ("grpc-message", "")], ..SERVING },
            "grpc-status 12 (the server has no grpc.health.v1.Health)",
        ),
        (Answer { trailers: &[], ..SERVING }, "the answer breaks off: it has no grpc-status"),
        (Answer { body: &[], ..SERVING }, "no health in the answer: it is too short"),
        (Answer { http: 503, ..SERVING }, "HTTP status 503, wanted 200"),
        (Answer { kind: "text/html", ..SERVING }, "no answer of gRPC but one of type `text/html`"),
    ] {
        assert_eq!(why(answer), wanted);
    }
}

#[test]
fn a_server_of_another_protocol_or_none_is_told() {
    let refuse = async |mut stream: TcpStream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    };
    let (outcome, ()) = check(GrpcProbe::default(), PATIENCE, refuse);
    assert_eq!(outcome, Outcome::Failure("the server does not speak HTTP/2".to_owned()));
    let (outcome, ()) = check(GrpcProbe::default(), PATIENCE, async |stream| drop(stream));
    assert!(matches!(&outcome, Outcome::Failure(why) if why.starts_with("HTTP/2: ")), "{outcome:?}");
    let silent = async |stream: TcpStream| {
        let mut stream = stream;
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    };
    let (outcome, ()) = check(GrpcProbe::default(), Duration::from_millis(200), silent);
    assert_eq!(outcome, Outcome::Failure("no answer within 200ms".to_owned()));
}
