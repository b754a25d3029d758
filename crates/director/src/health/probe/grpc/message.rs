//! The two messages of a health check, in the encoding of Protocol Buffers, behind gRPC's prefix.

/// What comes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
const SERVING: u64 = 1;
/// The first field, with a number or with bytes in it (what Protocol Buffers call a tag).
const STATUS: u64 = 1 << 3;
const SERVICE: u64 = 1 << 3 | 2;

/// A `HealthCheckRequest`: the name in the first field, unless it is empty.
pub(super) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(SERVICE as u8);
        let mut length = service.len();
        while length > 0x7f {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.append(&mut message);
    framed
}

/// Whether an answer is a `HealthCheckResponse` that says SERVING.
pub(super) fn judge(framed: &[u8]) -> Result<(), String> {
    let strange = |what: &str| Err(format!("no health in the answer: {what}"));
    let Some((prefix, message)) = framed.split_first_chunk::<PREFIX>() else { return strange("it is too short") };
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        return strange("it is compressed, which nobody asked for");
    }
    if u32::from_be_bytes(length) as usize != message.len() {
        return strange("its length is not what it says");
    }
    match status(message) {
        Some(SERVING) => Ok(()),
        Some(0) => Err("the server says UNKNOWN".to_owned()),
        Some(2) => Err("the server says NOT_SERVING".to_owned()),
        Some(3) => Err("the server says SERVICE_UNKNOWN".to_owned()),
        Some(other) => Err(format!("the server says status {other}, which has no name")),
        None => strange("it is another message"),
    }
}

/// The number in the first field, the last one said; 0 if it is not there. Later versions may have other fields.
fn status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let (tag, rest) = number(message)?;
        let (number, rest) = number(rest)?;
        message = match tag & 7 {
            0 => rest,
            2 => rest.get(usize::try_from(number).ok()?..)?,
            _ => return None,
        };
        match tag {
            STATUS => status = number,
            SERVICE => return None,
            _ => {}
        }
    }
    Some(status)
}

/// A number in bytes of seven bits each, and what follows.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
    let (number, rest) = bytes.split_at_checked(length)?;
    Some((number.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services_are_in_the_first_field() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("a.B"), b"\0\0\0\0\x05\x0a\x03a.B");
        let long = "x".repeat(300);
        let framed = request(&long);
        assert_eq!(framed[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
        assert_eq!(&framed[8..], long.as_bytes());
    }

    #[test]
    fn only_serving_is_well() {
        for (message, wanted) in [
            (&[0x08, 1][..], "SERVING"),
            (&[0x10, 7, 0x08, 1], "SERVING"),
            (&[0x08, 2, 0x08, 1], "SERVING"),
            (&[0x82, 0x01, 2, 9, 9, 0x08, 1], "SERVING"),
            (&[], "UNKNOWN"),
            (&[0x08, 2], "NOT_SERVING"),
            (&[0x08, 3], "SERVICE_UNKNOWN"),
            (&[0x08, 0x81, 0x01], "status 129"),
            (&[0x08], "another message"),
            (&[0x0a, 1, 1], "another message"),
            (&[0x12, 9, 0x08, 1], "another message"),
            (&[0x0d, 1, 0, 0, 0], "another message"),
            (&[0xff; 20], "another message"),
        ] {
            let mut framed = vec![0, 0, 0, 0, message.len() as u8];
            framed.extend_from_slice(message);
            let found = judge(&framed).err().unwrap_or_else(|| "SERVING".to_owned());
            assert!(found.contains(wanted), "{message:?}: {found}");
        }
        for broken in [&[][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 3, 8, 1], &[0, 0, 0, 0, 1, 8, 1]] {
            assert!(judge(broken).unwrap_err().starts_with("no health in the answer: "), "{broken:?}");
        }
    }
}
