//! Topologies as values: what a laboratory shall look like, and the addresses in it.

use clap::ValueEnum;
use serde::Serialize;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many interfaces the director uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arms {
    /// Clients and servers are behind the same interface.
    One,
    /// Clients are behind one interface, servers behind others.
    Two,
}

/// What joins the director and its servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fabric {
    /// A veth link of its own for each server.
    PointToPoint,
    /// A bridge in a namespace of its own.
    Bridge,
}

/// How packets are forwarded to servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Addresses are rewritten, replies come back through the director.
    Nat,
    /// Only the link-layer address changes, replies go directly to the client.
    Dr,
    /// Packets go in packets of their own, replies go directly to the client.
    Tun,
    /// Addresses are rewritten on both sides, the server sees one of the director's.
    #[value(name = "fullnat", alias = "full-nat")]
    FullNat,
}

/// What stands between the outer and the inner IP header of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Tunnel {
    /// Nothing.
    #[default]
    Ipip,
    /// UDP and GUE.
    Gue,
    /// The same with a checksum.
    GueChecksum,
    /// GRE.
    Gre,
    /// The same with a checksum.
    GreChecksum,
}

/// The address family of a run. Both are always configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// A client, a director and some real servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Topology {
    /// Interfaces of the director.
    pub arms: Arms,
    /// What joins it with its servers.
    pub fabric: Fabric,
    /// What servers and replies need.
    pub mode: Mode,
    /// How many real servers.
    pub servers: usize,
    /// Hosts leave checksums and segmentation to their devices, as hosts do. XDP cannot work with that.
    pub offload: bool,
    /// The kind of tunnels, where packets go in tunnels.
    pub tunnel: Tunnel,
    /// Tunnels are of the other family than the service.
    pub mixed: bool,
}

/// An address of each family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dual {
    /// IPv4
    pub v4: Ipv4Addr,
    /// IPv6
    pub v6: Ipv6Addr,
}

impl Topology {
    const fn of(arms: Arms, fabric: Fabric, mode: Mode) -> Self {
        Self { arms, fabric, mode, servers: 3, offload: false, tunnel: Tunnel::Ipip, mixed: false }
    }

    /// Two arms and a link for each server.
    pub const fn point_to_point(mode: Mode) -> Self {
        Self::of(Arms::Two, Fabric::PointToPoint, mode)
    }

    /// Two arms, servers on a bridge.
    pub const fn bridged(mode: Mode) -> Self {
        Self::of(Arms::Two, Fabric::Bridge, mode)
    }

    /// One arm: client, director and servers on one bridge.
    pub const fn one_armed(mode: Mode) -> Self {
        Self::of(Arms::One, Fabric::Bridge, mode)
    }

    /// The same with every offload on.
    pub const fn with_offload(self) -> Self {
        Self { offload: true, ..self }
    }

    /// The same with tunnels of this kind, of the service's family or of the other.
    pub const fn with_tunnel(self, tunnel: Tunnel, mixed: bool) -> Self {
        Self { tunnel, mixed, ..self }
    }

    /// The options of ipvsadm for a server.
    pub fn flags(&self) -> String {
        match self.mode {
            Mode::Tun => format!("-i {}", self.tunnel.flags()),
            mode => mode.flag().to_owned(),
        }
    }

    /// The same with another number of servers.
    pub const fn with_servers(self, servers: usize) -> Self {
        Self { servers, ..self }
    }

    /// The local address that servers see as their client, with FullNAT.
    pub fn local(&self) -> Option<Dual> {
        (self.mode == Mode::FullNat).then_some(address::LOCAL)
    }

    /// Address of server `number` (from 1).
    pub fn server(&self, number: usize) -> Dual {
        let number = u8::try_from(number).unwrap_or(u8::MAX);
        match self.fabric {
            Fabric::PointToPoint => address::back(number, 2),
            Fabric::Bridge => address::back(0, 10 + number),
        }
    }

    /// The director's address (DIP) on the link of server `number` (from 1).
    pub fn director_back(&self, number: usize) -> Dual {
        match self.fabric {
            Fabric::PointToPoint => address::back(u8::try_from(number).unwrap_or(u8::MAX), 1),
            Fabric::Bridge => address::back(0, 1),
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = match (self.arms, self.fabric) {
            (Arms::Two, Fabric::PointToPoint) => "two arms, a link for each server",
            (Arms::Two, Fabric::Bridge) => "two arms, servers on a bridge",
            (Arms::One, _) => "one arm, all on one bridge",
        };
        let offload = if self.offload { ", offloads on" } else { "" };
        let tunnel = match (self.mode, self.mixed) {
            (Mode::Tun, false) => format!(" by {:?}", self.tunnel),
            (Mode::Tun, true) => format!(" by {:?} of the other family", self.tunnel),
            _ => String::new(),
        };
        write!(formatter, "{}{tunnel}, {} servers, {shape}{offload}", self.mode, self.servers)
    }
}

/// Addresses that every topology shares. The front network is where clients are, the back networks are the servers'.
pub mod address {
    use super::{Dual, Ipv4Addr, Ipv6Addr};

    /// Length of every network prefix, IPv4 and IPv6.
    pub const PREFIX: (u8, u8) = (24, 64);

    /// The client (CIP).
    pub const CLIENT: Dual = front(2);
    /// The director on the client's side.
    pub const DIRECTOR: Dual = front(1);
    /// The virtual address (VIP).
    pub const VIRTUAL: Dual = front(10);
    /// The director's local address (LIP): on the servers' bridge, or routed to the director.
    pub const LOCAL: Dual = back(0, 200);
    /// The client's second leg, on the servers' bridge: the way of direct replies where the director has two arms.
    pub const CLIENT_BACK: Dual = back(0, 2);

    /// An address of the clients' network; host 0 is the network itself.
    pub const fn front(host: u8) -> Dual {
        Dual { v4: Ipv4Addr::new(198, 51, 100, host), v6: Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, host as u16) }
    }

    /// An address of a servers' network.
    pub const fn back(network: u8, host: u8) -> Dual {
        Dual {
            v4: Ipv4Addr::new(10, 0, network, host),
            v6: Ipv6Addr::new(0xfd00, 0, 0, network as u16, 0, 0, 0, host as u16),
        }
    }
}

impl Dual {
    /// The address of one family.
    pub const fn of(self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(self.v4),
            Family::V6 => IpAddr::V6(self.v6),
        }
    }

    /// Both, each with the length that belongs to its family.
    pub const fn with_prefix(self, (v4, v6): (u8, u8)) -> [(IpAddr, u8); 2] {
        [(IpAddr::V4(self.v4), v4), (IpAddr::V6(self.v6), v6)]
    }

    /// Both as single addresses.
    pub const fn host(self) -> [(IpAddr, u8); 2] {
        self.with_prefix((32, 128))
    }
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }

    /// 4 or 6.
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

impl Mode {
    /// The option of ipvsadm.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Nat => "-m",
            Self::Dr => "-g",
            Self::Tun => "-i",
            Self::FullNat => "--fullnat",
        }
    }

    /// Replies go from the server to the client, past the director's programs.
    pub const fn is_direct(self) -> bool {
        !matches!(self, Self::Nat | Self::FullNat)
    }
}

impl Tunnel {
    const fn flags(self) -> &'static str {
        match self {
            Self::Ipip => "--tun-type ipip",
            Self::Gue => "--tun-type gue --tun-port 6080",
            Self::GueChecksum => "--tun-type gue --tun-port 6080 --tun-csum",
            Self::Gre => "--tun-type gre",
            Self::GreChecksum => "--tun-type gre --tun-csum",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nat => "nat",
            Self::Dr => "dr",
            Self::Tun => "tun",
            Self::FullNat => "fullnat",
        })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IPv{}", self.number())
    }
}
