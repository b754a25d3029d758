//! The client: HTTP with and without keep-alive, bulk both ways, UDP, and the real curl.

use super::process::{Finished, finish};
use crate::content::Digest;
use crate::http::Connection;
use crate::net::Namespace;
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Longest wait for a connection, and for each portion of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether connections are used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reuse {
    /// `Connection: close`: each request has a connection of its own.
    Close,
    /// All requests go over one connection.
    KeepAlive,
}

/// A host that asks.
#[derive(Clone)]
pub struct Client {
    /// Where it is.
    pub host: Namespace,
}

/// What came of many requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests sent.
    pub requests: u64,
    /// Answered as they should be.
    pub ok: u64,
    /// Answers by server.
    pub served_by: BTreeMap<String, u64>,
    /// Addresses that servers saw.
    pub client_seen: BTreeSet<IpAddr>,
    /// The client's own ends of all connections.
    pub ends: BTreeSet<SocketAddr>,
    /// What went wrong, the first few.
    pub errors: Vec<String>,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The server that gave it.
    pub server: String,
    /// The client's address as the server saw it.
    pub client: IpAddr,
    /// The client's end of the connection.
    pub local: SocketAddr,
}

/// An open connection on which requests can be sent.
pub struct Session {
    connection: Connection,
    service: SocketAddr,
}

impl Client {
    /// Opens a connection.
    pub fn connect(&self, service: SocketAddr) -> Result<Session> {
        self.host.run(|| Session::open(service))
    }

    /// One request on a connection of its own.
    pub fn get(&self, service: SocketAddr) -> Result<Answer> {
        self.connect(service)?.get(Reuse::Close)
    }

    /// `count` requests one after another. `progress` is told the sum so far after each, and says whether to go on.
    pub fn requests(
        &self,
        service: SocketAddr,
        count: u64,
        reuse: Reuse,
        mut progress: impl FnMut(&Tally) -> bool + Send,
    ) -> Result<Tally> {
        self.host.run(|| {
            let mut tally = Tally::default();
            let mut kept = None;
            while tally.requests < count {
                tally.add(attempt(service, reuse, &mut kept));
                if !progress(&tally) {
                    break;
                }
            }
            Ok(tally)
        })
    }

    /// Downloads `bytes` and says whether they are the right ones. `portion` is told how many came so far.
    pub fn download(&self, service: SocketAddr, bytes: u64, portion: impl FnMut(u64) + Send) -> Result<bool> {
        self.host.run(|| Session::open(service)?.download(bytes, portion))
    }

    /// Uploads `bytes`; returns the answer of the server.
    pub fn upload(&self, service: SocketAddr, bytes: u64) -> Result<String> {
        self.host.run(|| Session::open(service)?.upload(bytes))
    }

    /// Sends a datagram from a new port and waits for its echo.
    pub fn echo(&self, service: SocketAddr, text: &str) -> Result<(String, IpAddr)> {
        self.host.run(|| echo_once(&udp(service)?, text))
    }

    /// Sends `count` datagrams of one flow, `pause` apart; returns how many got no echo. Nothing is sent again, so
    /// this sees what TCP would hide.
    pub fn lost_echoes(&self, service: SocketAddr, count: u32, pause: Duration) -> Result<u32> {
        self.host.run(|| {
            let socket = udp(service)?;
            let mut lost = 0;
            for number in 0..count {
                lost += u32::from(echo_once(&socket, &format!("datagram {number}")).is_err());
                std::thread::sleep(pause);
            }
            Ok(lost)
        })
    }

    /// The real curl.
    pub fn curl(&self, arguments: &[&str]) -> Result<Finished> {
        finish(self.host.command("curl").args(["-sS", "--max-time", "20"]).args(arguments), Duration::from_secs(30))
    }
}

/// A socket that hears only `service`: an answer from any other address than the one asked does not arrive.
fn udp(service: SocketAddr) -> Result<UdpSocket> {
    let any: IpAddr = if service.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, fresh_port()))?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    socket.connect(service)?;
    Ok(socket)
}

/// A port that no datagram of this process was sent from yet. The kernel gives one again after a while, and its flow would
/// still be known: the second datagram would go where the first one went, and servers would not get equal shares.
fn fresh_port() -> u16 {
    /// Below the kernel's own choices.
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static USED: AtomicU16 = AtomicU16::new(0);
    FIRST + USED.fetch_add(1, Ordering::Relaxed) % COUNT
}

fn echo_once(socket: &UdpSocket, text: &str) -> Result<(String, IpAddr)> {
    socket.send(text.as_bytes())?;
    let mut buffer = vec![0; 65_536];
    let size = socket.recv(&mut buffer).context("no echo")?;
    let answer = std::str::from_utf8(&buffer[..size])?;
    ensure!(answer.ends_with(text), "the echo is another text: {answer}");
    identity(answer)
}

fn attempt(service: SocketAddr, reuse: Reuse, kept: &mut Option<Session>) -> Result<Answer> {
    let mut session = match kept.take() {
        Some(session) => session,
        None => Session::open(service)?,
    };
    let answer = session.get(reuse)?;
    if reuse == Reuse::KeepAlive {
        *kept = Some(session);
    }
    Ok(answer)
}

impl Session {
    /// Opens a connection in the namespace of this thread.
    fn open(service: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect_timeout(&service, PATIENCE).with_context(|| format!("connecting to {service}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { connection: Connection::new(stream), service })
    }

    /// The client's end.
    pub fn local(&self) -> Result<SocketAddr> {
        Ok(self.connection.stream().local_addr()?)
    }

    /// How long to wait for each portion of an answer from now on.
    pub fn set_patience(&self, patience: Duration) -> Result<()> {
        Ok(self.connection.stream().set_read_timeout(Some(patience))?)
    }

    /// One request for `/`.
    pub fn get(&mut self, reuse: Reuse) -> Result<Answer> {
        self.ask(reuse)?;
        self.answer()
    }

    /// Sends a request for `/`, which [`answer`](Self::answer) waits for.
    pub fn ask(&mut self, reuse: Reuse) -> Result<()> {
        let ends = if reuse == Reuse::Close { "close" } else { "keep-alive" };
        self.connection.send_head("GET / HTTP/1.1", &[("Host", &self.service.to_string()), ("Connection", ends)])
    }

    /// The answer to the request sent last.
    pub fn answer(&mut self) -> Result<Answer> {
        let local = self.local()?;
        let length = self.ok_head()?;
        let (server, client) = identity(&self.connection.text(length)?)?;
        Ok(Answer { server, client, local })
    }

    /// Downloads `bytes` and says whether they are the right ones.
    pub fn download(&mut self, bytes: u64, mut portion: impl FnMut(u64)) -> Result<bool> {
        let host = self.service.to_string();
        let first = format!("GET /bulk?bytes={bytes} HTTP/1.1");
        self.connection.send_head(&first, &[("Host", &host), ("Connection", "close")])?;
        let length = self.ok_head()?;
        ensure!(length == bytes, "{length} bytes announced, {bytes} asked for");
        let mut digest = Digest::default();
        self.connection.body(length, |bytes| {
            digest.add(bytes);
            portion(digest.length());
        })?;
        Ok(digest.finish() == crate::content::digest(bytes))
    }

    /// Uploads `bytes` of content; returns the answer's body.
    pub fn upload(&mut self, bytes: u64) -> Result<String> {
        let (host, length) = (self.service.to_string(), bytes.to_string());
        let fields = [("Host", host.as_str()), ("Content-Length", &length), ("Connection", "close")];
        self.connection.send_head("PUT /upload HTTP/1.1", &fields)?;
        self.connection.send_content(bytes)?;
        let length = self.ok_head()?;
        self.connection.text(length)
    }

    /// Reads a head that must say success; returns the length of the body.
    fn ok_head(&mut self) -> Result<u64> {
        let head = self.connection.head()?.context("the server closed without an answer")?;
        match head.first.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => head.body_length(),
            _ => bail!("the server says: {}", head.first),
        }
    }
}

impl Tally {
    fn add(&mut self, outcome: Result<Answer>) {
        self.requests += 1;
        match outcome {
            Ok(answer) => {
                self.ok += 1;
                *self.served_by.entry(answer.server).or_default() += 1;
                self.client_seen.insert(answer.client);
                self.ends.insert(answer.local);
            }
            Err(error) if self.errors.len() < 10 => self.errors.push(format!("request {}: {error:#}", self.requests)),
            Err(_) => {}
        }
    }
}

/// The server's name and the client it saw.
fn identity(text: &str) -> Result<(String, IpAddr)> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in {text}"))
    };
    Ok((field("server=")?.to_owned(), field("client=")?.parse()?))
}
