//! The file format of captures (pcapng, draft-ietf-opsawg-pcapng): a header, interfaces, packets with comments, and at
//! the end what was missed. Pure.

/// Options of blocks.
mod option {
    pub(super) const COMMENT: u16 = 1;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const PACKET_FLAGS: u16 = 2;
    pub(super) const APPLICATION: u16 = 4;
    pub(super) const DROPPED: u16 = 5;
    pub(super) const RESOLUTION: u16 = 9;
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
/// LINKTYPE_ETHERNET
const ETHERNET: u16 = 1;

/// Which way a packet goes, as its flags say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    In = 1,
    Out = 2,
}

/// The beginning of a file.
pub(super) fn section(application: &str) -> Vec<u8> {
    let mut body = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
    body.extend(1_u16.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    // Its length is not known.
    body.extend(u64::MAX.to_le_bytes());
    block(SECTION, body, &[(option::APPLICATION, application.as_bytes())])
}

/// An interface; they are numbered in the order in which they come, from 0. Times are nanoseconds.
pub(super) fn interface(name: &str, snap: u32) -> Vec<u8> {
    let mut body = ETHERNET.to_le_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(snap.to_le_bytes());
    block(INTERFACE, body, &[(option::INTERFACE_NAME, name.as_bytes()), (option::RESOLUTION, &[9])])
}

/// One packet.
pub(super) struct Packet<'p> {
    pub(super) interface: u32,
    /// Nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) bytes: &'p [u8],
    /// Length of the frame, of which these are the first bytes.
    pub(super) length: u32,
    pub(super) way: Way,
    pub(super) comment: &'p str,
}

impl Packet<'_> {
    pub(super) fn block(&self) -> Vec<u8> {
        let numbers =
            [self.interface, (self.time >> 32) as u32, self.time as u32, self.bytes.len() as u32, self.length];
        let mut body: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        body.extend(self.bytes);
        pad(&mut body);
        let way = (self.way as u32).to_le_bytes();
        block(PACKET, body, &[(option::COMMENT, self.comment.as_bytes()), (option::PACKET_FLAGS, &way)])
    }
}

/// The end: how many packets were missed, and a line for people.
pub(super) fn statistics(time: u64, missed: u64, comment: &str) -> Vec<u8> {
    let numbers = [0, (time >> 32) as u32, time as u32];
    let body = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    block(STATISTICS, body, &[(option::COMMENT, comment.as_bytes()), (option::DROPPED, &missed.to_le_bytes())])
}

/// A block of this kind: its length stands before and behind it.
fn block(kind: u32, mut body: Vec<u8>, options: &[(u16, &[u8])]) -> Vec<u8> {
    for (code, value) in options {
        body.extend(code.to_le_bytes());
        body.extend((value.len() as u16).to_le_bytes());
        body.extend(*value);
        pad(&mut body);
    }
    body.extend([0; 4]);
    let length = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &length, &body, &length].concat()
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_long_as_they_say() {
        let packet =
            Packet { interface: 1, time: 7 << 32 | 9, bytes: b"frame", length: 60, way: Way::Out, comment: "because" };
        for (bytes, kind) in [
            (section("xlvs"), SECTION),
            (interface("eth0", 16_384), INTERFACE),
            (packet.block(), PACKET),
            (statistics(1, 2, "2 missed"), STATISTICS),
        ] {
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!((word(0), word(4) as usize, word(bytes.len() - 4) as usize), (kind, bytes.len(), bytes.len()));
            assert_eq!(bytes.len() % 4, 0);
        }
        let bytes = packet.block();
        assert_eq!(bytes[8..28], [1, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0, 60, 0, 0, 0]);
        assert_eq!(&bytes[28..36], b"frame\0\0\0");
        assert_eq!(bytes[36..40], [1, 0, 7, 0]);
        assert_eq!(&bytes[40..48], b"because\0");
    }
}
