//! As much of HTTP/1.1 as the lab speaks: a head, and a body of known length.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The first line and the fields of a message.
pub struct Head {
    /// Request line or status line.
    pub first: String,
    fields: BTreeMap<String, String>,
}

/// A connection that messages are read from and written to.
pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    /// Over an open stream.
    pub fn new(stream: TcpStream) -> Self {
        Self { reader: BufReader::with_capacity(crate::content::CHUNK, stream) }
    }

    /// The stream.
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// The next head, or `None` at the end.
    pub fn head(&mut self) -> Result<Option<Head>> {
        let Some(first) = self.line()? else { return Ok(None) };
        let mut fields = BTreeMap::new();
        loop {
            let line = self.line()?.context("the head ends early")?;
            if line.is_empty() {
                return Ok(Some(Head { first, fields }));
            }
            let (name, value) = line.split_once(':').context("a field without colon")?;
            fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            ensure!(fields.len() < 100, "too many fields");
        }
    }

    /// Gives `length` bytes of body to `consume`, in portions.
    pub fn body(&mut self, length: u64, mut consume: impl FnMut(&[u8])) -> Result<()> {
        let mut left = length;
        let mut buffer = vec![0; crate::content::CHUNK];
        while left > 0 {
            let size = self.reader.read(&mut buffer[..crate::content::chunk(left)])?;
            ensure!(size > 0, "the body ends {left} bytes early");
            consume(&buffer[..size]);
            left -= size as u64;
        }
        Ok(())
    }

    /// A body as text.
    pub fn text(&mut self, length: u64) -> Result<String> {
        let mut bytes = Vec::new();
        self.body(length, |portion| bytes.extend_from_slice(portion))?;
        Ok(String::from_utf8(bytes)?)
    }

    /// Writes a head in one piece.
    pub fn send_head(&mut self, first: &str, fields: &[(&str, &str)]) -> Result<()> {
        self.send(first, fields, "")
    }

    /// Writes a head and a short body in one piece, so that they are one packet.
    pub fn send(&mut self, first: &str, fields: &[(&str, &str)], body: &str) -> Result<()> {
        let mut text = format!("{first}\r\n");
        for (name, value) in fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(body);
        Ok(self.stream().write_all(text.as_bytes())?)
    }

    /// Writes `length` bytes of the content stream.
    pub fn send_content(&mut self, length: u64) -> Result<()> {
        let mut buffer = vec![0; crate::content::CHUNK];
        let mut offset = 0;
        while offset < length {
            let size = crate::content::chunk(length - offset);
            crate::content::fill(offset, &mut buffer[..size]);
            self.stream().write_all(&buffer[..size])?;
            offset += size as u64;
        }
        Ok(())
    }

    fn line(&mut self) -> Result<Option<String>> {
        const LONGEST: u64 = 8192;
        let mut line = Vec::new();
        let size = self.reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if size == 0 {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            bail!("a line ends early, or is over {LONGEST} bytes");
        }
        Ok(Some(String::from_utf8(line)?.trim_end_matches('\r').to_owned()))
    }
}

impl Head {
    /// A field by its name in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Length of the body; 0 unless told.
    pub fn body_length(&self) -> Result<u64> {
        Ok(self.field("content-length").unwrap_or("0").parse()?)
    }

    /// Whether the sender closes the connection after this message.
    pub fn closes(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}
