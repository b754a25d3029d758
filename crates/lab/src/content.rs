//! Content that can be made and checked anywhere: a stream of words, and a digest of it.

/// The first bytes of the stream, as many as fit, starting at byte `offset` (a multiple of 8).
pub fn fill(offset: u64, buffer: &mut [u8]) {
    for (number, word) in (offset / 8..).zip(buffer.chunks_mut(8)) {
        let bytes = mix(number).to_le_bytes();
        let length = word.len();
        word.copy_from_slice(&bytes[..length]);
    }
}

/// Digest of the first `length` bytes of the stream.
pub fn digest(length: u64) -> u64 {
    let mut digest = Digest::default();
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    while offset < length {
        let size = chunk(length - offset);
        fill(offset, &mut buffer[..size]);
        digest.add(&buffer[..size]);
        offset += size as u64;
    }
    digest.finish()
}

/// A good size for one write.
pub const CHUNK: usize = 64 * 1024;

/// The size of the next chunk when `left` bytes are left.
pub fn chunk(left: u64) -> usize {
    usize::try_from(left).unwrap_or(CHUNK).min(CHUNK)
}

/// An order-sensitive digest of bytes that may come in any portions.
#[derive(Default)]
pub struct Digest {
    state: u64,
    length: u64,
    rest: [u8; 8],
}

impl Digest {
    /// Adds bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let filled = (self.length % 8) as usize;
            let taken = bytes.len().min(8 - filled);
            self.rest[filled..filled + taken].copy_from_slice(&bytes[..taken]);
            self.length += taken as u64;
            bytes = &bytes[taken..];
            if self.length.is_multiple_of(8) {
                self.state = (self.state ^ u64::from_le_bytes(self.rest)).rotate_left(23).wrapping_mul(MULTIPLIER);
            }
        }
    }

    /// How many bytes there were.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The digest.
    pub fn finish(&self) -> u64 {
        let rest = &self.rest[..(self.length % 8) as usize];
        let rest = rest.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte));
        mix(self.state ^ rest ^ self.length.rotate_left(48))
    }
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64.
const fn mix(number: u64) -> u64 {
    let word = number.wrapping_add(1).wrapping_mul(MULTIPLIER);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_do_not_matter_but_order_does() {
        let mut bytes = vec![0; 1003];
        fill(0, &mut bytes);
        let of = |portions: &[&[u8]]| {
            let mut digest = Digest::default();
            portions.iter().for_each(|portion| digest.add(portion));
            digest.finish()
        };
        assert_eq!(of(&[&bytes]), digest(1003));
        assert_eq!(of(&[&bytes[..5], &bytes[5..900], &bytes[900..]]), digest(1003));
        assert_ne!(of(&[&bytes[8..16], &bytes[..8], &bytes[16..]]), digest(1003));
        assert_ne!(of(&[&bytes[..1002]]), digest(1003));
    }

    #[test]
    fn the_stream_can_be_made_in_pieces() {
        let (mut whole, mut piece) = (vec![0; 64], vec![0; 24]);
        fill(0, &mut whole);
        fill(16, &mut piece);
        assert_eq!(whole[16..40], piece);
    }
}
