//! `SMTP_CHECK`: a greeting, HELO, and a farewell (RFC 5321 §4.1).

use super::connect;
use protocols::health::Outcome;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Longest line, and most lines of an answer.
const LONGEST: u64 = 8192;
const MOST_LINES: usize = 64;

pub(super) async fn greet(stream: TcpStream, helo: &str) -> Result<Outcome, String> {
    let mut stream = BufReader::new(stream);
    expect(&mut stream, "220", "the greeting").await?;
    for (command, code) in [(format!("HELO {helo}\r\n"), "250"), ("QUIT\r\n".to_owned(), "221")] {
        stream.get_mut().write_all(command.as_bytes()).await.map_err(connect::explain)?;
        expect(&mut stream, code, command.trim_end()).await?;
    }
    Ok(Outcome::Success)
}

/// An answer of one line or more with this code.
async fn expect<S>(stream: &mut BufReader<S>, code: &str, to: &str) -> Result<(), String>
where
    S: tokio::io::AsyncRead + Unpin,
{
    use tokio::io::AsyncReadExt;
    for _ in 0..MOST_LINES {
        let mut line = Vec::new();
        let read = stream.take(LONGEST).read_until(b'\n', &mut line).await.map_err(connect::explain)?;
        let line = String::from_utf8_lossy(&line);
        if read == 0 || !line.starts_with(code) {
            return Err(format!("`{}` to {to}", line.trim_end()));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
    Err(format!("an answer without end to {to}"))
}
