//! `DNS_CHECK`: a question, and an answer that has an answer (RFC 1035 §4).

use super::Errand;
use super::connect;
use protocols::health::Outcome;

const HEADER: usize = 12;
/// Recursion desired.
const FLAGS: [u8; 2] = [1, 0];
const CLASS_IN: u16 = 1;

pub(super) async fn ask(task: &Errand<'_>, record: &str, name: &str) -> Result<Outcome, String> {
    let identifier = identifier();
    let question = question(identifier, record, name)?;
    let socket = connect::datagrams(task).await?;
    socket.send(&question).await.map_err(connect::explain)?;
    let mut answer = [0; 4096];
    loop {
        let length = socket.recv(&mut answer).await.map_err(connect::explain)?;
        let answer = answer.get(..length).unwrap_or_default();
        // Of an earlier question, or from nobody who was asked.
        if answer.get(..2) == Some(&identifier.to_be_bytes()) {
            return judge(answer).map(|()| Outcome::Success);
        }
    }
}

/// Tells the answer to one question from the answer to another.
pub(super) fn identifier() -> u16 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |time| (time.subsec_nanos() >> 4) as u16)
}

fn question(identifier: u16, record: &str, name: &str) -> Result<Vec<u8>, String> {
    let record: u16 = match record {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        other => return Err(format!("`{other}` is no record type")),
    };
    let mut message = identifier.to_be_bytes().to_vec();
    message.extend(FLAGS);
    message.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let length = u8::try_from(label.len()).ok().filter(|length| *length < 64);
        message.push(length.ok_or_else(|| format!("`{label}` is longer than a label can be"))?);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(record.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    Ok(message)
}

fn judge(answer: &[u8]) -> Result<(), String> {
    let Some(&[_, _, flags, code, _, _, high, low, ..]) = answer.get(..HEADER) else {
        return Err("an answer that is no DNS message".to_owned());
    };
    if flags & 0x80 == 0 {
        return Err("a question for an answer".to_owned());
    }
    if code & 0xf != 0 {
        return Err(format!("response code {}", code & 0xf));
    }
    if (high, low) == (0, 0) { Err("an answer without records".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_messages() {
        let question = question(0x1234, "AAAA", "www.example.").unwrap();
        assert_eq!(question, b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x1c\0\x01");
        assert_eq!(super::question(1, "SOA", ".").unwrap().len(), HEADER + 5);
        assert!(super::question(1, "A", &"x".repeat(64)).is_err());
    }

    #[test]
    fn answers_are_judged() {
        assert_eq!(judge(b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0"), Ok(()));
        for wrong in [
            &b"\0\0\x01\0\0\x01\0\x01\0\0\0\0"[..],
            b"\0\0\x81\x83\0\x01\0\0\0\0\0\0",
            b"\0\0\x81\x80\0\x01\0\0\0\0\0\0",
            b"\0",
        ] {
            assert!(judge(wrong).is_err(), "{wrong:?}");
        }
    }
}
