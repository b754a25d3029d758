//! The hash functions of the kernel's sh and mh schedulers, as 64-bit kernels compute them.

use std::net::IpAddr;

/// mh: both halves of the key for the first slot of a server, and for the slot of a client.
pub const MAGLEV_OFFSET_KEY: u64 = 2_654_435_761;
/// mh: both halves of the key for the distance between a server's slots.
pub const MAGLEV_SKIP_KEY: u64 = 2_654_446_892;
/// sh: the kernel's `GOLDEN_RATIO_32`.
pub const SOURCE_HASH_MULTIPLIER: u32 = 0x61c8_8647;

/// An address as one word: IPv4 as its number, IPv6 as the XOR of its four words (most significant byte first).
pub fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (bits >> 96) as u32 ^ (bits >> 64) as u32 ^ (bits >> 32) as u32 ^ bits as u32
        }
    }
}

/// What the kernel calls `hsiphash` of one 32-bit word under a key of twice `key`: SipHash-1-3 of its four bytes
/// (little endian), of which the low 32 bits are used.
pub const fn half_siphash(key: u64, word: u32) -> u32 {
    let last = 4 << 56 | word as u64;
    let mut state = [
        key ^ 0x736f_6d65_7073_6575,
        key ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        key ^ 0x7465_6462_7974_6573,
    ];
    state[3] ^= last;
    state = round(state);
    state[0] ^= last;
    state[2] ^= 0xff;
    state = round(round(round(state)));
    (state[0] ^ state[1] ^ state[2] ^ state[3]) as u32
}

/// sh: the slot of a client, of 256: the high byte of a multiplicative hash.
pub const fn source_hash_slot(word: u32) -> usize {
    (word.wrapping_mul(SOURCE_HASH_MULTIPLIER) >> 24) as usize
}

const fn round([mut v0, mut v1, mut v2, mut v3]: [u64; 4]) -> [u64; 4] {
    v0 = v0.wrapping_add(v1);
    v1 = v1.rotate_left(13) ^ v0;
    v0 = v0.rotate_left(32);
    v2 = v2.wrapping_add(v3);
    v3 = v3.rotate_left(16) ^ v2;
    v0 = v0.wrapping_add(v3);
    v3 = v3.rotate_left(21) ^ v0;
    v2 = v2.wrapping_add(v1);
    v1 = v1.rotate_left(17) ^ v2;
    v2 = v2.rotate_left(32);
    [v0, v1, v2, v3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher;

    /// The standard library's default hasher is SipHash-1-3 under a key of zeros.
    #[test]
    fn half_siphash_is_siphash_1_3() {
        for word in [0_u32, 7, 0xdead_beef] {
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write(&word.to_le_bytes());
            assert_eq!(half_siphash(0, word), hasher.finish() as u32);
        }
    }

    #[test]
    fn addresses_fold_to_one_word() {
        assert_eq!(fold("192.0.2.1".parse().unwrap()), 0xc000_0201);
        assert_eq!(fold("2001:db8:1:2:3:4:5:6".parse().unwrap()), 0x2001_0db8 ^ 0x1_0002 ^ 0x3_0004 ^ 0x5_0006);
    }
}
