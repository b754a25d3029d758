//! Ethernet II and the 802.1Q tag.
#![expect(unsafe_code, reason = "implements Header")]

use crate::{Be16, Header};

/// A 48-bit link-layer address.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// The six bytes in the low 48 bits of a native word, first byte lowest: compared in one instruction.
    #[inline(always)]
    pub const fn bits(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        (u32::from_ne_bytes([a, b, c, d]) as u64) | (u16::from_ne_bytes([e, f]) as u64) << 32
    }

    /// The inverse of [`bits`](Self::bits); the upper 16 bits are ignored.
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Self {
        let [a, b, c, d] = (bits as u32).to_ne_bytes();
        let [e, f] = ((bits >> 32) as u16).to_ne_bytes();
        Self([a, b, c, d, e, f])
    }
}

impl core::fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// What follows the Ethernet header (IEEE 802 numbers).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EtherType {
    /// 0x0800
    Ipv4,
    /// 0x86dd
    Ipv6,
    /// 0x8100: a tag of 802.1Q
    Vlan,
    /// Anything else, as it stood.
    Unknown(u16),
}

impl EtherType {
    /// The number on the wire.
    #[inline(always)]
    pub const fn parse(value: Be16) -> Self {
        match value.get() {
            0x0800 => Self::Ipv4,
            0x86dd => Self::Ipv6,
            0x8100 => Self::Vlan,
            other => Self::Unknown(other),
        }
    }
}

/// The Ethernet II header, 14 bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ethernet {
    /// Receiver.
    pub destination: MacAddress,
    /// Sender.
    pub source: MacAddress,
    /// What follows.
    pub ether_type: Be16,
}

// SAFETY: byte arrays only.
unsafe impl Header for Ethernet {}

impl Ethernet {
    /// The ether type of IPv4.
    pub const IPV4: Be16 = Be16::new(0x0800);
    /// The ether type of IPv6.
    pub const IPV6: Be16 = Be16::new(0x86dd);
    /// Length in bytes.
    pub const LENGTH: usize = size_of::<Self>();
}

/// The 802.1Q tag that follows the two addresses, 4 bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vlan {
    /// Priority, drop eligibility and the 12-bit VLAN identifier.
    pub control: Be16,
    /// What follows.
    pub ether_type: Be16,
}

// SAFETY: byte arrays only.
unsafe impl Header for Vlan {}

impl Vlan {
    /// Length in bytes.
    pub const LENGTH: usize = size_of::<Self>();
    /// The ether type that announces a tag.
    pub const ETHER_TYPE: Be16 = Be16::new(0x8100);

    /// The VLAN identifier.
    #[inline(always)]
    pub const fn identifier(&self) -> u16 {
        self.control.get() & 0x0fff
    }

    /// The same tag, priority kept, for another VLAN.
    #[inline(always)]
    pub const fn with_identifier(self, identifier: u16) -> Self {
        Self { control: Be16::new(self.control.get() & 0xf000 | identifier & 0x0fff), ..self }
    }
}

const _: () = assert!(size_of::<Ethernet>() == 14 && size_of::<Vlan>() == 4);
