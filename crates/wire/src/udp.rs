//! UDP (RFC 768).
#![expect(unsafe_code, reason = "implements Header")]

use crate::{Be16, Header};

/// The 8-byte UDP header.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Udp {
    /// Sender's port.
    pub source: Be16,
    /// Receiver's port.
    pub destination: Be16,
    /// Header and payload, in bytes.
    pub length: Be16,
    /// Checksum; zero means "none" over IPv4.
    pub checksum: Be16,
}

// SAFETY: byte arrays only.
unsafe impl Header for Udp {}

impl Udp {
    /// Length in bytes.
    pub const LENGTH: usize = size_of::<Self>();
}

const _: () = assert!(Udp::LENGTH == 8);
