//! The two address families, as one trait: all code above it is written once.

use crate::abi::{Address4, Address6, KeyTail};
use crate::{Cell64, Frame, Shared};
use wire::{Be32, Checksum, Ipv4, Ipv6, number::Bytes16};

/// An IPv4 or IPv6 address, with what the forwarding path asks of its family.
pub trait Address: Copy + Eq + KeyTail {
    /// Sum of its words, for checksums.
    fn sum(self) -> Checksum;
    /// Four bytes in host order that stand for it in hashes, folded as the kernel folds IPv6 (XOR of the words).
    fn fold(self) -> u32;
    /// Sixteen bits for the prefilter.
    fn filter_hash(self) -> u16;
    /// As two words of a map value.
    fn words(self) -> [u64; 2];
    /// The inverse of [`words`](Self::words).
    fn from_words(words: [u64; 2]) -> Self;
    /// The address so many places further on.
    fn plus(self, places: u32) -> Self;
    /// Source and destination of the packet whose network header is at `offset`.
    fn endpoints<F: Frame>(frame: &F, offset: usize) -> Option<(Self, Self)>;
    /// Writes source and destination (`None`: stays) and takes so many hops off, network checksum made good.
    fn readdress<F: Frame>(
        frame: &mut F,
        offset: usize,
        source: Option<Self>,
        destination: Option<Self>,
        hops: u8,
    ) -> Option<()>;
    /// The same in a header that an error quotes, without taking a hop off. Returns what changed in the bytes of the
    /// header, its checksum included, for the checksum of the message around it.
    fn requote<F: Frame>(
        frame: &mut F,
        offset: usize,
        source: Option<Self>,
        destination: Option<Self>,
    ) -> Option<Checksum>;
}

/// Reads an address from two shared words.
#[inline(always)]
pub fn load<A: Address>([first, second]: &[Cell64; 2]) -> A {
    A::from_words([first.get(), second.get()])
}

/// Writes an address to two shared words.
#[inline(always)]
pub fn store<A: Address, T: Shared>(tables: &T, [first, second]: &[Cell64; 2], address: A) {
    let [low, high] = address.words();
    tables.store64(first, low);
    tables.store64(second, high);
}

/// What a checksum over an address sees when it changes.
#[inline(always)]
pub fn change<A: Address>(old: A, new: A) -> Checksum {
    let [low, high] = old.words();
    Checksum::new().remove64(low).remove64(high).join(new.sum())
}

/// Spreads 32 bits over the 16 of the prefilter (multiplicative hashing by the golden ratio).
#[inline(always)]
const fn spread(word: u32) -> u16 {
    (word.wrapping_mul(0x9e37_79b1) >> 16) as u16
}

impl Address for Address4 {
    #[inline(always)]
    fn sum(self) -> Checksum {
        Checksum::new().add32(self.0)
    }

    #[inline(always)]
    fn fold(self) -> u32 {
        u32::from_be(self.0)
    }

    #[inline(always)]
    fn filter_hash(self) -> u16 {
        spread(self.0)
    }

    #[inline(always)]
    fn words(self) -> [u64; 2] {
        [self.0 as u64, 0]
    }

    #[inline(always)]
    fn from_words([word, _]: [u64; 2]) -> Self {
        Self(word as u32)
    }

    #[inline(always)]
    fn plus(self, places: u32) -> Self {
        Self(u32::from_be(self.0).wrapping_add(places).to_be())
    }

    #[inline(always)]
    fn endpoints<F: Frame>(frame: &F, offset: usize) -> Option<(Self, Self)> {
        let ip = frame.read::<Ipv4>(offset)?;
        Some((Self(ip.source.bits()), Self(ip.destination.bits())))
    }

    #[inline(always)]
    fn readdress<F: Frame>(
        frame: &mut F,
        offset: usize,
        source: Option<Self>,
        destination: Option<Self>,
        hops: u8,
    ) -> Option<()> {
        let mut ip = frame.read::<Ipv4>(offset)?;
        let mut delta = Checksum::new();
        if let Some(new) = source {
            delta = delta.remove32(ip.source.bits()).add32(new.0);
            ip.source = Be32::from_bits(new.0);
        }
        if let Some(new) = destination {
            delta = delta.remove32(ip.destination.bits()).add32(new.0);
            ip.destination = Be32::from_bits(new.0);
        }
        let word = |left: u8| u16::from_ne_bytes([left, ip.protocol]);
        let left = ip.time_to_live.wrapping_sub(hops);
        delta = delta.remove16(word(ip.time_to_live)).add16(word(left));
        ip.time_to_live = left;
        ip.checksum = delta.update(ip.checksum);
        frame.write(offset, ip)
    }

    #[inline(always)]
    fn requote<F: Frame>(
        frame: &mut F,
        offset: usize,
        source: Option<Self>,
        destination: Option<Self>,
    ) -> Option<Checksum> {
        let mut ip = frame.read::<Ipv4>(offset)?;
        let before = ip;
        ip.source = source.map_or(ip.source, |new| Be32::from_bits(new.0));
        ip.destination = destination.map_or(ip.destination, |new| Be32::from_bits(new.0));
        let delta = Checksum::new()
            .remove32(before.source.bits())
            .remove32(before.destination.bits())
            .add32(ip.source.bits())
            .add32(ip.destination.bits());
        ip.checksum = delta.update(before.checksum);
        frame.write(offset, ip)?;
        Some(delta.remove16(before.checksum.bits()).add16(ip.checksum.bits()))
    }
}

impl Address for Address6 {
    #[inline(always)]
    fn sum(self) -> Checksum {
        let [low, high] = self.0;
        Checksum::new().add64(low).add64(high)
    }

    #[inline(always)]
    fn fold(self) -> u32 {
        let [low, high] = self.0;
        let words = low ^ high;
        u32::from_be(words as u32 ^ (words >> 32) as u32)
    }

    #[inline(always)]
    fn filter_hash(self) -> u16 {
        let [low, high] = self.0;
        let words = low ^ high.rotate_left(29);
        spread(words as u32 ^ ((words >> 32) as u32).rotate_left(13))
    }

    #[inline(always)]
    fn words(self) -> [u64; 2] {
        self.0
    }

    #[inline(always)]
    fn from_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// Within the lower half: a range of local addresses does not leave its /64.
    #[inline(always)]
    fn plus(self, places: u32) -> Self {
        let [high, low] = self.0;
        Self([high, u64::from_be(low).wrapping_add(places as u64).to_be()])
    }

    #[inline(always)]
    fn endpoints<F: Frame>(frame: &F, offset: usize) -> Option<(Self, Self)> {
        let ip = frame.read::<Ipv6>(offset)?;
        Some((Self(ip.source.bits()), Self(ip.destination.bits())))
    }

    #[inline(always)]
    fn readdress<F: Frame>(
        frame: &mut F,
        offset: usize,
        source: Option<Self>,
        destination: Option<Self>,
        hops: u8,
    ) -> Option<()> {
        let mut ip = frame.read::<Ipv6>(offset)?;
        if let Some(new) = source {
            ip.source = Bytes16::from_bits(new.0);
        }
        if let Some(new) = destination {
            ip.destination = Bytes16::from_bits(new.0);
        }
        ip.hop_limit = ip.hop_limit.wrapping_sub(hops);
        frame.write(offset, ip)
    }

    #[inline(always)]
    fn requote<F: Frame>(
        frame: &mut F,
        offset: usize,
        source: Option<Self>,
        destination: Option<Self>,
    ) -> Option<Checksum> {
        let mut ip = frame.read::<Ipv6>(offset)?;
        let (old_source, old_destination) = (Self(ip.source.bits()), Self(ip.destination.bits()));
        let new_source = source.unwrap_or(old_source);
        let new_destination = destination.unwrap_or(old_destination);
        ip.source = Bytes16::from_bits(new_source.0);
        ip.destination = Bytes16::from_bits(new_destination.0);
        frame.write(offset, ip)?;
        Some(change(old_source, new_source).join(change(old_destination, new_destination)))
    }
}

impl From<core::net::Ipv4Addr> for Address4 {
    fn from(address: core::net::Ipv4Addr) -> Self {
        Self(u32::from_ne_bytes(address.octets()))
    }
}

impl From<core::net::Ipv6Addr> for Address6 {
    fn from(address: core::net::Ipv6Addr) -> Self {
        let bits = u128::from_ne_bytes(address.octets());
        let halves = if cfg!(target_endian = "little") {
            [bits as u64, (bits >> 64) as u64]
        } else {
            [(bits >> 64) as u64, bits as u64]
        };
        Self(halves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn folding_is_the_kernels() {
        assert_eq!(Address4::from(Ipv4Addr::new(10, 0, 0, 2)).fold(), 0x0a00_0002);
        let address: Ipv6Addr = "fd00:1:2:3:4:5:6:7".parse().unwrap();
        assert_eq!(Address6::from(address).fold(), 0xfd00_0001 ^ 0x0002_0003 ^ 0x0004_0005 ^ 0x0006_0007);
    }
}
