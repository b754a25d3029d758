//! `SMTP_CHECK`: a greeting, HELO, and a farewell (RFC 5321 §4.1).

use super::{connect, words};
use protocols::health::Outcome;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Longest line, and most lines of an answer.
const LONGEST: u64 = 8192;
const MOST_LINES: usize = 64;

pub(super) async fn greet<S>(stream: S, helo: &str) -> Result<Outcome, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
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
    S: AsyncRead + Unpin,
{
    for _ in 0..MOST_LINES {
        let mut line = Vec::new();
        let read = stream.take(LONGEST).read_until(b'\n', &mut line).await.map_err(connect::explain)?;
        if read == 0 {
            return Err(format!("no answer to {to}: the server has closed the connection"));
        }
        match line.strip_prefix(code.as_bytes()) {
            Some([b'-', ..]) => {}
            Some([] | [b' ' | b'\r' | b'\n', ..]) => return Ok(()),
            _ => return Err(format!("`{}` to {to}, wanted {code}", words::said(line.trim_ascii_end()))),
        }
    }
    Err(format!("an answer without end to {to}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(answer: &str) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(expect(&mut BufReader::new(answer.as_bytes()), "220", "the greeting"))
    }

    #[test]
    fn a_code_is_three_digits_and_ends_there() {
        for well in ["220 ready\r\n", "220\r\n", "220\n", "220-first\r\n220 last\r\n"] {
            assert_eq!(expected(well), Ok(()), "{well:?}");
        }
        for wrong in ["2200 ready\r\n", "220ready\r\n", "220-first\r\n220x\r\n", "220\0\r\n"] {
            assert!(expected(wrong).unwrap_err().contains("wanted 220"), "{wrong:?}");
        }
        assert_eq!(expected("554 \x1b[2J\r\n"), Err("`554 \\u{1b}[2J` to the greeting, wanted 220".to_owned()));
        assert!(expected("220-first\r\n").unwrap_err().contains("closed"));
    }
}
