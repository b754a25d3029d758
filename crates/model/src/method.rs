//! How packets reach a real server.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Forwarding methods.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardingMethod {
    /// `-m`: addresses and ports are rewritten; replies come back through the director.
    Nat,
    /// `-g`: only the link-layer address changes; replies go directly to the client.
    #[serde(rename = "dr")]
    DirectRouting,
    /// `-i`: packets go in packets of their own; replies go directly to the client.
    Tunnel(Encapsulation),
    /// `--fullnat`: as NAT, and the server sees a local address of this node as its client.
    FullNat,
}

impl ForwardingMethod {
    /// True where packets keep their port on the way, so that a server's is the service's.
    pub const fn keeps_port(self) -> bool {
        !matches!(self, Self::Nat | Self::FullNat)
    }

    /// True where the server's packets come back through this node.
    pub const fn replies_here(self) -> bool {
        matches!(self, Self::Nat | Self::FullNat)
    }

    /// True where the server's address may be of the other family than the service's.
    pub const fn mixes_families(self) -> bool {
        matches!(self, Self::Tunnel(_))
    }
}

impl fmt::Display for ForwardingMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nat => "nat",
            Self::DirectRouting => "dr",
            Self::Tunnel(_) => "tun",
            Self::FullNat => "fullnat",
        })
    }
}

/// The packet around the packet (`--tun-type` and what belongs to it).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Encapsulation {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// UDP port of the decapsulator; never 0.
        port: u16,
        /// Checksum of the outer packet.
        checksum: TunnelChecksum,
    },
    /// Generic routing encapsulation.
    Gre {
        /// Checksum of the outer packet.
        checksum: TunnelChecksum,
    },
}

/// The checksum of an encapsulation that can have one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelChecksum {
    /// `--tun-nocsum`
    #[default]
    None,
    /// `--tun-csum`
    Full,
    /// `--tun-remcsum`: offloaded to the far end; GUE only.
    Remote,
}
