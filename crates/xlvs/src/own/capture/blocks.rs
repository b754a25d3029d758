//! The blocks of a pcapng stream, as the daemon writes them.

const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const COMMENT: u16 = 1;
const NAME: u16 = 2;
const FLAGS: u16 = 2;

/// Bytes that have come, and the interfaces that were named in them.
#[derive(Default)]
pub(super) struct Blocks {
    bytes: Vec<u8>,
    interfaces: Vec<String>,
}

/// What matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    Packet(Packet),
    /// The last line.
    Summary(String),
    Other,
}

/// One look at a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) interface: String,
    /// Nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) length: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) comment: String,
    /// As it came; else as it leaves.
    pub(super) arrived: bool,
}

impl Blocks {
    pub(super) fn extend(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// The next whole block.
    pub(super) fn next(&mut self) -> Option<Block> {
        let (kind, length) = (word(&self.bytes, 0)?, word(&self.bytes, 4)? as usize);
        if length < 12 || self.bytes.len() < length {
            return None;
        }
        let block: Vec<u8> = self.bytes.drain(..length).collect();
        let body = block.get(8..length - 4)?;
        Some(self.read(kind, body).unwrap_or(Block::Other))
    }

    fn read(&mut self, kind: u32, body: &[u8]) -> Option<Block> {
        match kind {
            INTERFACE => {
                let name = options(body.get(8..)?).find(|(code, _)| *code == NAME);
                self.interfaces.push(name.map(|(_, name)| text(name)).unwrap_or_default());
                Some(Block::Other)
            }
            PACKET => {
                let captured = word(body, 12)? as usize;
                let rest = body.get(20 + captured.next_multiple_of(4)..)?;
                let flags = options(rest).find(|(code, _)| *code == FLAGS).and_then(|(_, flags)| word(flags, 0));
                Some(Block::Packet(Packet {
                    interface: self.interfaces.get(word(body, 0)? as usize).cloned().unwrap_or_default(),
                    time: u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?),
                    length: word(body, 16)?,
                    bytes: body.get(20..20 + captured)?.to_vec(),
                    comment: comment(rest).unwrap_or_default(),
                    arrived: flags.is_some_and(|flags| flags & 3 == 1),
                }))
            }
            STATISTICS => comment(body.get(12..)?).map(Block::Summary),
            _ => Some(Block::Other),
        }
    }
}

fn comment(bytes: &[u8]) -> Option<String> {
    options(bytes).find(|(code, _)| *code == COMMENT).map(|(_, value)| text(value))
}

/// Code and value of each option.
fn options(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = word(bytes, 0)?;
        let (code, length) = (header as u16, (header >> 16) as usize);
        let value = bytes.get(4..4 + length)?;
        bytes = bytes.get(4 + length.next_multiple_of(4)..)?;
        (code != 0).then_some((code, value))
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    }

    #[test]
    fn blocks_come_in_any_pieces() {
        let interface = block(INTERFACE, b"\x01\0\0\0\0\x40\0\0\x02\0\x04\0eth0\0\0\0\0");
        let packet = block(
            PACKET,
            b"\0\0\0\0\x01\0\0\0\x02\0\0\0\x05\0\0\0\x09\0\0\0frame\0\0\0\x01\0\x02\0no\0\0\x02\0\x04\0\x01\0\0\0\0\0\0\0",
        );
        let end = block(STATISTICS, b"\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x03\0end\0\0\0\0\0");
        let mut blocks = Blocks::default();
        let mut found = Vec::new();
        for byte in [interface, packet, end].concat() {
            blocks.extend(&[byte]);
            found.extend(blocks.next());
        }
        let packet = Packet {
            interface: "eth0".into(),
            time: 1 << 32 | 2,
            length: 9,
            bytes: b"frame".to_vec(),
            comment: "no".into(),
            arrived: true,
        };
        assert_eq!(found, [Block::Other, Block::Packet(packet), Block::Summary("end".into())]);
    }
}
