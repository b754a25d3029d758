//! TCP (RFC 9293 §3.1).
#![expect(unsafe_code, reason = "implements Header")]

use crate::{Be16, Be32, Header};

/// The fixed 20 bytes of a TCP header.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tcp {
    /// Sender's port.
    pub source: Be16,
    /// Receiver's port.
    pub destination: Be16,
    /// Sequence number.
    pub sequence: Be32,
    /// Acknowledgement number.
    pub acknowledgement: Be32,
    /// Header length in words (high nibble).
    pub data_offset: u8,
    /// Control bits.
    pub flags: TcpFlags,
    /// Receive window.
    pub window: Be16,
    /// Checksum over pseudo-header, header and payload.
    pub checksum: Be16,
    /// Urgent pointer.
    pub urgent: Be16,
}

// SAFETY: bytes and byte arrays only.
unsafe impl Header for Tcp {}

impl Tcp {
    /// Length of the fixed part in bytes.
    pub const LENGTH: usize = size_of::<Self>();
}

/// The control bits.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;

    /// True when any of `bits` is set.
    #[inline(always)]
    pub const fn any(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

const _: () = assert!(Tcp::LENGTH == 20);
