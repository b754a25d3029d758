//! The embedded web server: says who it is and whom it sees, sends and receives bulk data.

use super::WEB;
use crate::content::Digest;
use crate::http::{Connection, Head};
use crate::net::Namespace;
use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::TimeVal;
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longest silence within a connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves until dropped.
pub(super) struct WebServer {
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl WebServer {
    /// Listens on every address of the host, both families.
    pub(super) fn start(host: &Namespace, name: &str) -> Result<Self> {
        let listener = host.run(|| Ok(TcpListener::bind((Ipv6Addr::UNSPECIFIED, WEB))?)).context("web server")?;
        // So that the acceptor looks at `stop` now and then.
        setsockopt(&listener, ReceiveTimeout, &TimeVal::new(0, 100_000))?;
        let stop = Arc::new(AtomicBool::new(false));
        let acceptor = thread::spawn({
            let (stop, name) = (stop.clone(), Arc::<str>::from(name));
            move || accept(&listener, &name, &stop)
        });
        Ok(Self { stop, acceptor: Some(acceptor) })
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, name: &Arc<str>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        if let Ok((stream, peer)) = listener.accept() {
            let name = name.clone();
            // A client that goes away in the middle is the client's business; what was lost shows there.
            thread::spawn(move || serve(stream, peer.ip().to_canonical(), &name));
        }
    }
}

fn serve(stream: TcpStream, client: IpAddr, name: &str) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(stream);
    // Even after `Connection: close` the client closes first. So its kernel keeps the port in TIME_WAIT and does not
    // use it again, which the director would rightly take for the same connection: counts would not be exact.
    while let Some(head) = connection.head()? {
        answer(&mut connection, &head, client, name)?;
    }
    Ok(())
}

fn answer(connection: &mut Connection, head: &Head, client: IpAddr, name: &str) -> Result<()> {
    let mut words = head.first.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let ends = if head.closes() { "close" } else { "keep-alive" };
    let reply = |connection: &mut Connection, status: &str, body: &str| {
        let length = body.len().to_string();
        connection.send(&format!("HTTP/1.1 {status}"), &[("Content-Length", &length), ("Connection", ends)], body)
    };
    match (method, path) {
        ("GET", "/") => reply(connection, "200 OK", &format!("server={name}\nclient={client}\n")),
        ("GET", "/bulk") => {
            let bytes = query.strip_prefix("bytes=").and_then(|number| number.parse::<u64>().ok());
            let Some(bytes) = bytes else { return reply(connection, "400 Bad Request", "want /bulk?bytes=N\n") };
            let length = bytes.to_string();
            connection.send_head("HTTP/1.1 200 OK", &[("Content-Length", &length), ("Connection", ends)])?;
            connection.send_content(bytes)
        }
        ("POST" | "PUT", "/upload") => {
            let mut digest = Digest::default();
            connection.body(head.body_length()?, |portion| digest.add(portion))?;
            let body = format!("bytes={}\ndigest={:016x}\n", digest.length(), digest.finish());
            reply(connection, "200 OK", &body)
        }
        _ => reply(connection, "404 Not Found", "not here\n"),
    }
}
