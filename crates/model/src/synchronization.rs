//! Connection synchronization between directors, as `--start-daemon` asks for it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Which end of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncRole {
    /// Tells its connections.
    Master,
    /// Takes the master's connections over.
    Backup,
}

impl fmt::Display for SyncRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// One end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncDaemon {
    /// Interface of the messages.
    pub interface: String,
    /// Tells apart who shares a group.
    pub id: u8,
    /// Longest message in bytes; 0: what fits into a packet of the interface.
    pub maximum_length: u16,
    /// Multicast group.
    pub group: IpAddr,
    /// UDP port.
    pub port: u16,
    /// Time to live of the messages.
    pub ttl: u8,
}

impl Default for SyncDaemon {
    fn default() -> Self {
        Self {
            interface: "eth0".to_owned(),
            id: 0,
            maximum_length: 0,
            group: Ipv4Addr::new(224, 0, 0, 81).into(),
            port: 8848,
            ttl: 1,
        }
    }
}

impl SyncDaemon {
    /// As the kernel starts it on an interface with this MTU: a length that is not said follows from a packet of 1500
    /// bytes, for a backup from the interface if that is longer; one that is said is put within bounds.
    #[must_use]
    pub fn starting_on(self, role: SyncRole, mtu: u32) -> Self {
        let headers: u32 = if self.group.is_ipv4() { 28 } else { 48 };
        let (packet, shortest) = match role {
            SyncRole::Master => (1500, 1),
            SyncRole::Backup => (mtu.clamp(1500, 65_535), 1024),
        };
        let length = match self.maximum_length {
            0 => packet - headers,
            said => u32::from(said).clamp(shortest, 65_535 - headers),
        };
        Self { maximum_length: u16::try_from(length).unwrap_or(u16::MAX), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_as_the_kernel_has_them() {
        for (role, group, said, mtu, expected) in [
            (SyncRole::Master, "224.0.0.81", 0, 1500, 1472),
            (SyncRole::Master, "224.0.0.81", 0, 65_536, 1472),
            (SyncRole::Master, "224.0.0.81", 1, 1500, 1),
            (SyncRole::Master, "224.0.0.81", 9000, 1500, 9000),
            (SyncRole::Master, "ff02::81", 0, 1500, 1452),
            (SyncRole::Master, "ff02::81", 1472, 1500, 1472),
            (SyncRole::Master, "ff02::81", 65_507, 1500, 65_487),
            (SyncRole::Backup, "224.0.0.81", 1, 1500, 1024),
            (SyncRole::Backup, "224.0.0.81", 0, 9000, 8972),
            (SyncRole::Backup, "224.0.0.81", 0, 65_536, 65_507),
        ] {
            let daemon = SyncDaemon { group: group.parse().unwrap(), maximum_length: said, ..SyncDaemon::default() };
            assert_eq!(daemon.starting_on(role, mtu).maximum_length, expected, "{role} {group} {said} {mtu}");
        }
    }
}
