//! What belongs to the node: traffic sums, interfaces, settings.

use crate::Cell32;
use wire::MacAddress;

/// Packets and bytes of one server, per CPU, by server id. 40 bytes. Bytes count from the IP header on, as IPVS counts.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Connections created.
    pub connections: u64,
    /// Packets towards the server.
    pub in_packets: u64,
    /// Bytes towards the server.
    pub in_bytes: u64,
    /// Packets from the server (NAT).
    pub out_packets: u64,
    /// Bytes from the server (NAT).
    pub out_bytes: u64,
}

impl Statistics {
    /// Counts one packet.
    #[inline(always)]
    pub fn add_packet(&mut self, direction: crate::tcp_state::Direction, bytes: u32) {
        if direction == crate::tcp_state::Direction::Output {
            self.out_packets += 1;
            self.out_bytes += bytes as u64;
        } else {
            self.in_packets += 1;
            self.in_bytes += bytes as u64;
        }
    }
}

/// An interface the programs are attached to, at `ifindex % INTERFACE_SLOTS`. 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// The whole index, to tell it from others that share the slot. 0: the slot is free.
    pub index: u32,
    /// Its link-layer address; frames to other unicast addresses are not ours.
    pub address: MacAddress,
    /// The loader's own note: why it has the lane it has.
    pub why: u16,
    /// Its MTU; 0 when that is not known.
    pub mtu: u32,
}

/// What the checksums of an interface's frames looked like, per CPU, at `ifindex % INTERFACE_SLOTS`. 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InterfaceCounters {
    /// Frames whose transport checksum was looked at: SYNs, and the first datagrams of UDP flows.
    pub checked: u64,
    /// Those of them where it was only begun.
    pub partial: u64,
}

impl InterfaceCounters {
    /// Counts one frame.
    #[inline(always)]
    pub fn add(&mut self, partial: bool) {
        self.checked += 1;
        self.partial += partial as u64;
    }
}

/// Settings of the forwarding path, replaced field by field. Time-outs are in ticks.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Settings {
    /// By [`crate::TcpState`].
    pub tcp_timeouts: [Cell32; 16],
    /// UDP.
    pub udp_timeout: Cell32,
    /// [`Settings::EXPIRE_NODEST`] and others.
    pub flags: Cell32,
    /// Kinds of the TCP option that tells a FullNAT server its client: of IPv4 in the lowest byte, of IPv6 in the next. 0:
    /// nobody is told.
    pub toa_kinds: Cell32,
    /// Zero.
    pub reserved: Cell32,
}

impl Settings {
    /// The usual kinds: 254 and 253.
    pub const TOA_KINDS: u32 = 0xfdfe;
    /// sysctl expire_nodest_conn.
    pub const EXPIRE_NODEST: u32 = 1;
    /// sysctl conn_reuse_mode, bit 0 (default on).
    pub const REUSE_CLOSED: u32 = 2;
    /// sysctl conn_reuse_mode, bit 1.
    pub const REUSE_FIN_WAIT: u32 = 4;
    /// sysctl conn_reuse_mode, any bit.
    pub const REUSE: u32 = Self::REUSE_CLOSED | Self::REUSE_FIN_WAIT;
    /// sysctl sloppy_tcp.
    pub const SLOPPY_TCP: u32 = 8;
    /// sysctl schedule_icmp.
    pub const SCHEDULE_ICMP: u32 = 16;
    /// FullNAT's datagrams tell their servers the client.
    pub const UOA: u32 = 32;
}
