//! Endpoints of the servers: each behaves as the play says at the moment.

use super::web::{Manner, Page};
use crate::net::Namespace;
use anyhow::{Context, Result, bail};
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::TimeVal;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often an endpoint looks whether it is over.
const LOOK: TimeVal = TimeVal::new(0, 30_000);
/// Longest time until an address is free again.
const FREE: Duration = Duration::from_secs(10);
/// Longest silence of whoever asks.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an endpoint does to whoever comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Behaviour {
    /// Accepts, says nothing, holds on.
    Hangs,
    /// A web server that has this, whatever is asked for.
    Web(Page),
    /// A mail server that greets with this code.
    Smtp(u16),
    /// A name server with this response code; 0: with one record.
    Dns(u8),
    /// Sends datagrams back.
    Echoes,
}

impl Behaviour {
    pub(super) fn read(text: &str) -> Result<Self> {
        if let Some(page) = Page::read(text)? {
            return Ok(Self::Web(page));
        }
        let words: Vec<&str> = text.splitn(3, ' ').collect();
        Ok(match words.as_slice() {
            ["hangs"] => Self::Hangs,
            ["smtp", code] => Self::Smtp(code.parse()?),
            ["dns", code] => Self::Dns(code.parse()?),
            ["echoes"] => Self::Echoes,
            _ => bail!("`{text}`: hangs, {}, smtp CODE, dns CODE, echoes, or refuses", Manner::WORDS),
        })
    }

    const fn is_datagram(&self) -> bool {
        matches!(self, Self::Dns(_) | Self::Echoes)
    }
}

/// An endpoint that behaves somehow, until dropped.
pub(super) struct Endpoint {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    pub(super) fn open(host: &Namespace, address: SocketAddr, behaviour: Behaviour) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&stop);
        let thread = if behaviour.is_datagram() {
            let socket = when_free(host, address, UdpSocket::bind)?;
            setsockopt(&socket, ReceiveTimeout, &LOOK)?;
            thread::spawn(move || answer_datagrams(&socket, &behaviour, &over))
        } else {
            let listener = when_free(host, address, TcpListener::bind)?;
            setsockopt(&listener, ReceiveTimeout, &LOOK)?;
            thread::spawn(move || accept(&listener, &behaviour, &over))
        };
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A child of ours that does not execute its program yet has our sockets, too, for a moment.
fn when_free<S: Send>(
    host: &Namespace,
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> io::Result<S> + Sync,
) -> Result<S> {
    let begin = Instant::now();
    loop {
        match host.run(|| Ok(bind(address)))? {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && begin.elapsed() < FREE => {
                thread::sleep(Duration::from_millis(10));
            }
            done => return done.with_context(|| address.to_string()),
        }
    }
}

fn accept(listener: &TcpListener, behaviour: &Behaviour, over: &AtomicBool) {
    let mut held = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else { continue };
        if *behaviour == Behaviour::Hangs {
            held.push(stream);
            continue;
        }
        let behaviour = behaviour.clone();
        // Who goes away in the middle is a check that has seen enough.
        thread::spawn(move || serve(stream, &behaviour));
    }
}

fn serve(mut stream: TcpStream, behaviour: &Behaviour) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    match behaviour {
        Behaviour::Web(page) => page.serve(&mut stream)?,
        Behaviour::Smtp(code) => {
            stream.write_all(format!("{code} lab\r\n").as_bytes())?;
            for answer in ["250 lab", "221 lab"] {
                read_until(&mut stream, b"\r\n")?;
                stream.write_all(format!("{answer}\r\n").as_bytes())?;
            }
        }
        Behaviour::Hangs | Behaviour::Dns(_) | Behaviour::Echoes => {}
    }
    // Whoever asked closes first.
    let _ = stream.read(&mut [0]);
    Ok(())
}

/// Reads on until these bytes have come.
pub(super) fn read_until(stream: &mut impl Read, end: &[u8]) -> Result<()> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(end) {
        stream.read_exact(&mut byte)?;
        text.extend(byte);
    }
    Ok(())
}

fn answer_datagrams(socket: &UdpSocket, behaviour: &Behaviour, over: &AtomicBool) {
    let mut buffer = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
        let mut answer = buffer.get(..length).unwrap_or_default().to_vec();
        if let Behaviour::Dns(code) = behaviour {
            resolve(&mut answer, *code);
        }
        let _ = socket.send_to(&answer, peer);
    }
}

/// Makes an answer of a question: with one record, or with a code.
fn resolve(message: &mut Vec<u8>, code: u8) {
    if let Some([high, low]) = message.get_mut(2..4) {
        (*high, *low) = (0x81, 0x80 | code);
    }
    if let (0, Some(count)) = (code, message.get_mut(7)) {
        *count = 1;
        // The name of the question, A, IN, a minute, four bytes.
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    }
}
