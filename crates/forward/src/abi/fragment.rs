//! What is remembered of datagrams that come in pieces.

use super::NextHopCell;
use crate::{Cell32, Cell64};

/// What all fragments of a datagram have in common. 16 bytes for IPv4, 40 for IPv6.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FragmentKey<A> {
    /// Source address.
    pub source: A,
    /// Destination address.
    pub destination: A,
    /// Identification of the datagram, as it stands in the packet.
    pub identification: u32,
    /// Protocol of an IPv4 packet; zero in IPv6, where the identification alone tells (RFC 8200 §4.5).
    pub protocol: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// What became of the first fragment of a datagram: its followers share it. 56 bytes.
#[repr(C, align(8))]
#[derive(Debug, Default, Clone)]
pub struct Fragment {
    /// To whom on the link.
    pub hop: NextHopCell,
    /// The new address (IPv4 in the first word); by FullNAT the local one, or the client's.
    pub address: [Cell64; 2],
    /// Real server: index into the table of servers.
    pub server: Cell32,
    /// The new port, in the lower half; by FullNAT the new source port there, and the new destination port above.
    pub port: Cell32,
    /// Largest packet that gets there; 0 when that is not known.
    pub mtu: Cell32,
    /// [`Fragment::PASSED`] and others.
    pub way: Cell32,
    /// Tick of the first fragment.
    pub seen: Cell32,
    /// Zero.
    pub reserved: Cell32,
}

impl Fragment {
    /// The local stack got it, untranslated.
    pub const PASSED: u32 = 0;
    /// Nobody got it.
    pub const DROPPED: u32 = 1;
    /// The server got it, untranslated.
    pub const TO_SERVER: u32 = 2;
    /// The server got it, with the server's address.
    pub const TO_SERVER_BY_NAT: u32 = 3;
    /// The client got it, with the virtual address.
    pub const TO_CLIENT: u32 = 4;
    /// The server got it, in a tunnel.
    pub const TO_SERVER_BY_TUNNEL: u32 = 5;
    /// The server got it, from a local address.
    pub const TO_SERVER_BY_FULL_NAT: u32 = 6;
    /// The client got it, from the virtual address, and not the local address.
    pub const TO_CLIENT_BY_FULL_NAT: u32 = 7;
}
