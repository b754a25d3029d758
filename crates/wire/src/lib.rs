//! Bytes on the wire to typed headers and back.
//!
//! Everything here is a plain structure of bytes with alignment 1, so a header can be borrowed from any
//! offset of a frame, on the host and in a BPF program alike. Nothing here allocates, panics on input or
//! decides anything; who may borrow what from a frame is the business of `forward::Frame`.
#![cfg_attr(not(test), no_std)]
#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::expect_used, clippy::panic, clippy::unwrap_used))]

pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod number;
pub mod tcp;
pub mod tunnel;
pub mod udp;

pub use checksum::Checksum;
pub use ethernet::{EtherType, Ethernet, MacAddress, Vlan};
pub use icmp::Icmp;
pub use ipv4::Ipv4;
pub use ipv6::{Ipv6, Ipv6Extension};
pub use number::{Be16, Be32};
pub use tcp::{Tcp, TcpFlags};
pub use tunnel::{Gre, GreChecksum, Gue};
pub use udp::Udp;

/// A structure that may be laid over bytes of a frame at any offset.
///
/// # Safety
/// The type is `repr(C)` or `repr(transparent)`, has alignment 1 and no padding, and every bit pattern is a value of it.
#[expect(unsafe_code, reason = "the promise that a type may be laid over foreign bytes")]
pub unsafe trait Header: Copy {}

/// Transport protocol numbers (IANA "Assigned Internet Protocol Numbers") that xlvs knows by name.
pub mod protocol {
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// SCTP
    pub const SCTP: u8 = 132;
    /// Internet Control Message Protocol for IPv4.
    pub const ICMP: u8 = 1;
    /// Internet Control Message Protocol for IPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv4 in whatever is around it.
    pub const IPV4: u8 = 4;
    /// IPv6 in whatever is around it.
    pub const IPV6: u8 = 41;
    /// Generic routing encapsulation.
    pub const GRE: u8 = 47;
}
