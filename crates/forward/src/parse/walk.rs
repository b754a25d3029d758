//! The way over extension headers of IPv6.

use crate::Frame;
use wire::{Ipv6, Ipv6Extension};

/// Extension headers that are looked behind, at most.
const MAX_EXTENSIONS: usize = 6;
/// A transport header further into the frame than this is not looked for.
const MAX_TRANSPORT: usize = 1200;

const _: () = assert!(MAX_TRANSPORT <= Walk::OFFSET as usize);

/// What lies behind the extension headers of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walk(u32);

impl Walk {
    pub(super) const MALFORMED: Self = Self(1 << 30);
    pub(super) const LATER_FRAGMENT: Self = Self(1 << 29);
    pub(super) const TOO_LONG: Self = Self(1 << 28);
    const FRAGMENT: u32 = 1 << 24;
    const OFFSET: u32 = 0x7ff;

    const fn to(offset: usize, protocol: u8, fragment: bool) -> Self {
        Self(offset as u32 & Self::OFFSET | (protocol as u32) << 16 | if fragment { Self::FRAGMENT } else { 0 })
    }

    /// From the word that a BPF function returns.
    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// As one word.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// True when there is something at its place.
    #[inline(always)]
    pub const fn is_found(self) -> bool {
        self.0 & (Self::MALFORMED.0 | Self::LATER_FRAGMENT.0 | Self::TOO_LONG.0) == 0
    }

    /// The protocol that is there.
    #[inline(always)]
    pub(super) const fn protocol(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// True when a fragment header was on the way.
    #[inline(always)]
    pub(super) const fn is_fragment(self) -> bool {
        self.0 & Self::FRAGMENT != 0
    }

    /// Where that is: bounded by a mask, which every verifier understands, not by a comparison.
    #[inline(always)]
    pub const fn place(self) -> usize {
        (self.0 & Self::OFFSET) as usize
    }

    /// An offset that a BPF function was given: bounded by a mask, since the verifier knows nothing about it.
    #[inline(always)]
    pub const fn offset(argument: u32) -> usize {
        (argument & Self::OFFSET) as usize
    }
}

/// Walks from the network header to the transport header behind extension headers (RFC 8200 §4.1).
#[inline(always)]
pub fn walk_extensions<F: Frame>(frame: &F, network: usize) -> Walk {
    let Some(ip) = frame.read::<Ipv6>(network) else { return Walk::MALFORMED };
    let (mut kind, mut offset, mut fragment) = (ip.next_header, network + Ipv6::LENGTH, false);
    for _ in 0..MAX_EXTENSIONS {
        let skippable = matches!(kind, Ipv6Extension::HOP_BY_HOP | Ipv6Extension::ROUTING | Ipv6Extension::DESTINATION);
        if !skippable && kind != Ipv6Extension::FRAGMENT {
            break;
        }
        let Some(extension) = frame.read::<Ipv6Extension>(offset) else { return Walk::MALFORMED };
        kind = extension.next_header;
        if skippable {
            offset += extension.bytes();
        } else {
            if extension.is_later_fragment() {
                return Walk::LATER_FRAGMENT;
            }
            fragment |= extension.is_fragment();
            offset += size_of::<Ipv6Extension>();
        }
        if offset > MAX_TRANSPORT {
            return Walk::TOO_LONG;
        }
    }
    Walk::to(offset, kind, fragment)
}

/// Walks from the network header to the fragment header, before which no other can be than those for routers.
#[inline(always)]
pub fn walk_to_fragment<F: Frame>(frame: &F, network: usize) -> Walk {
    let Some(ip) = frame.read::<Ipv6>(network) else { return Walk::MALFORMED };
    let (mut kind, mut offset) = (ip.next_header, network + Ipv6::LENGTH);
    for _ in 0..MAX_EXTENSIONS {
        if kind == Ipv6Extension::FRAGMENT {
            return Walk::to(offset, kind, true);
        }
        if !matches!(kind, Ipv6Extension::HOP_BY_HOP | Ipv6Extension::ROUTING | Ipv6Extension::DESTINATION) {
            break;
        }
        let Some(extension) = frame.read::<Ipv6Extension>(offset) else { return Walk::MALFORMED };
        kind = extension.next_header;
        offset += extension.bytes();
        if offset > MAX_TRANSPORT {
            return Walk::TOO_LONG;
        }
    }
    Walk::MALFORMED
}
