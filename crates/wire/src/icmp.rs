//! ICMP (RFC 792) and ICMPv6 (RFC 4443): what their errors have in common.
#![expect(unsafe_code, reason = "implements Header")]

use crate::{Be16, Be32, Header};

/// The eight bytes that every error begins with; the packet it is about follows.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Icmp {
    /// Kind of message: numbers differ between the two families.
    pub kind: u8,
    /// What exactly went wrong.
    pub code: u8,
    /// Checksum over the message, in ICMPv6 over a pseudo-header too.
    pub checksum: Be16,
    /// Unused in most errors; the MTU where one is told.
    pub rest: Be32,
}

// SAFETY: bytes and byte arrays only.
unsafe impl Header for Icmp {}

impl Icmp {
    /// Length in bytes.
    pub const LENGTH: usize = size_of::<Self>();

    /// ICMP: destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// ICMP, code of [`UNREACHABLE`](Self::UNREACHABLE): the host does not answer.
    pub const HOST_UNREACHABLE: u8 = 1;
    /// ICMP, code of [`UNREACHABLE`](Self::UNREACHABLE): the host knows no such protocol.
    pub const PROTOCOL_UNREACHABLE: u8 = 2;
    /// ICMP, code of [`UNREACHABLE`](Self::UNREACHABLE): nobody listens at this port.
    pub const PORT_UNREACHABLE: u8 = 3;
    /// ICMP, code of [`UNREACHABLE`](Self::UNREACHABLE): an administrator does not want it.
    pub const HOST_PROHIBITED: u8 = 10;
    /// ICMP, code of [`UNREACHABLE`](Self::UNREACHABLE): too big, and must not be fragmented.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// ICMP: source quench.
    pub const SOURCE_QUENCH: u8 = 4;
    /// ICMP: time to live used up.
    pub const TIME_EXCEEDED: u8 = 11;

    /// ICMPv6: destination unreachable.
    pub const UNREACHABLE6: u8 = 1;
    /// ICMPv6, code of [`UNREACHABLE6`](Self::UNREACHABLE6): an administrator does not want it.
    pub const PROHIBITED6: u8 = 1;
    /// ICMPv6, code of [`UNREACHABLE6`](Self::UNREACHABLE6): the host does not answer.
    pub const ADDRESS_UNREACHABLE6: u8 = 3;
    /// ICMPv6, code of [`UNREACHABLE6`](Self::UNREACHABLE6): nobody listens at this port.
    pub const PORT_UNREACHABLE6: u8 = 4;
    /// ICMPv6: packet too big.
    pub const TOO_BIG6: u8 = 2;
    /// ICMPv6: hop limit used up.
    pub const TIME_EXCEEDED6: u8 = 3;
    /// ICMPv6: a header field is not understood.
    pub const PARAMETER_PROBLEM6: u8 = 4;
    /// ICMPv6: set in the kinds of all messages that are no errors.
    pub const INFORMATIONAL6: u8 = 0x80;
}

const _: () = assert!(Icmp::LENGTH == 8);
