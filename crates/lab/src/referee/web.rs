//! Web servers of plays: what they say, and in which manner.

use super::endpoint::read_until;
use super::tls;
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::Duration;

/// What is asked for ends so.
const END: &[u8] = b"\r\n\r\n";

/// A status, a body, and how both come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Page {
    manner: Manner,
    status: u16,
    body: String,
}

/// How an answer comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    /// At once.
    Plain,
    /// At once, in TLS.
    Tls,
    /// All of it after a while.
    Late(Duration),
    /// The head at once, the body byte by byte, so that all of them take this long.
    Slow(Duration),
}

impl Manner {
    /// How plays say it.
    pub(super) const WORDS: &str = "[after SECONDS|within SECONDS] http STATUS BODY, https STATUS BODY";
}

impl Page {
    /// `http STATUS BODY` and its relatives; `None` where it is something else.
    pub(super) fn read(text: &str) -> Result<Option<Self>> {
        let words: Vec<&str> = text.splitn(5, ' ').collect();
        let seconds = |text: &str| Ok::<_, anyhow::Error>(Duration::try_from_secs_f64(text.parse()?)?);
        let (manner, rest) = match words.as_slice() {
            ["http", ..] => (Manner::Plain, text),
            ["https", ..] => (Manner::Tls, text),
            ["after", time, "http", ..] => {
                (Manner::Late(seconds(time)?), text.splitn(3, ' ').last().unwrap_or_default())
            }
            ["within", time, "http", ..] => {
                (Manner::Slow(seconds(time)?), text.splitn(3, ' ').last().unwrap_or_default())
            }
            _ => return Ok(None),
        };
        let mut rest = rest.splitn(3, ' ').skip(1);
        let status = rest.next().context("which status?")?.parse()?;
        Ok(Some(Self { manner, status, body: rest.next().context("which body?")?.to_owned() }))
    }

    /// Answers one request.
    pub(super) fn serve(&self, stream: &mut TcpStream) -> Result<()> {
        match self.manner {
            Manner::Plain => self.answer(stream)?,
            Manner::Tls => {
                let mut tls = tls::accept(stream)?;
                self.answer(&mut tls)?;
                tls.conn.send_close_notify();
                tls.flush()?;
            }
            Manner::Late(time) => {
                read_until(stream, END)?;
                sleep(time);
                self.say(stream)?;
            }
            Manner::Slow(time) => self.drip(stream, time)?,
        }
        // keepalived waits for the end, and not for as many bytes as were announced.
        stream.shutdown(Shutdown::Write)?;
        Ok(())
    }

    fn answer(&self, stream: &mut (impl Read + Write)) -> Result<()> {
        read_until(stream, END)?;
        self.say(stream)
    }

    /// At once, as servers do: keepalived looks for the status in what it reads first.
    fn say(&self, stream: &mut impl Write) -> Result<()> {
        stream.write_all(format!("{}{}", self.head(), self.body).as_bytes())?;
        Ok(())
    }

    fn drip(&self, stream: &mut TcpStream, time: Duration) -> Result<()> {
        read_until(stream, END)?;
        stream.set_nodelay(true)?;
        stream.write_all(self.head().as_bytes())?;
        let pause = time / u32::try_from(self.body.len().max(1))?;
        for byte in self.body.bytes() {
            sleep(pause);
            stream.write_all(&[byte])?;
        }
        Ok(())
    }

    fn head(&self) -> String {
        let Self { status, body, .. } = self;
        format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read() {
        let read = |text| Page::read(text).unwrap();
        let page = |manner, body: &str| Some(Page { manner, status: 200, body: body.to_owned() });
        let second = Duration::from_secs(1);
        assert_eq!(read("http 200 all well now"), page(Manner::Plain, "all well now"));
        assert_eq!(read("https 200 ok"), page(Manner::Tls, "ok"));
        assert_eq!(read("after 1 http 200 all well now"), page(Manner::Late(second), "all well now"));
        assert_eq!(read("within 1 http 200 ok"), page(Manner::Slow(second), "ok"));
        assert_eq!(read("smtp 220"), None);
        assert!(Page::read("http well").is_err() && Page::read("after soon http 200 ok").is_err());
    }
}
