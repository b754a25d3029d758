//! IPVS's sysctls (`net.ipv4.vs.*`) that act here, with the kernel's names and defaults, and three of our own.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A sysctl of IPVS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sysctl {
    /// A SYN on a connection that is over begins a new one: bit 0 for closed ones, bit 1 also for those in FIN_WAIT
    /// whose server answers past the director. 0: it goes to the old server.
    ConnReuseMode,
    /// Connections of a removed server end at once, and of a quiesced one with the client's next SYN.
    ExpireNodestConn,
    /// ICMP errors about packets of unknown flows may begin a connection.
    ScheduleIcmp,
    /// TCP packets without SYN may begin a connection.
    SloppyTcp,
    /// Ours: kind of the TCP option that tells FullNAT servers an IPv4 client; 0 tells none.
    ToaKind,
    /// Ours: the same of IPv6.
    ToaKind6,
    /// Ours: FullNAT's UDP servers are told their clients in an option of IP.
    Uoa,
}

impl Sysctl {
    /// All of them, by name.
    pub const ALL: [Self; 7] = [
        Self::ConnReuseMode,
        Self::ExpireNodestConn,
        Self::ScheduleIcmp,
        Self::SloppyTcp,
        Self::ToaKind,
        Self::ToaKind6,
        Self::Uoa,
    ];

    /// The kernel's name, without `net.ipv4.vs.`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConnReuseMode => "conn_reuse_mode",
            Self::ExpireNodestConn => "expire_nodest_conn",
            Self::ScheduleIcmp => "schedule_icmp",
            Self::SloppyTcp => "sloppy_tcp",
            Self::ToaKind => "toa_kind",
            Self::ToaKind6 => "toa_kind6",
            Self::Uoa => "uoa",
        }
    }

    /// The kernel's default.
    pub const fn default_value(self) -> u32 {
        match self {
            Self::ConnReuseMode | Self::Uoa => 1,
            Self::ExpireNodestConn | Self::ScheduleIcmp | Self::SloppyTcp => 0,
            Self::ToaKind => 254,
            Self::ToaKind6 => 253,
        }
    }

    /// The largest value that means something.
    pub const fn largest(self) -> u32 {
        match self {
            Self::ConnReuseMode => 3,
            Self::ExpireNodestConn | Self::ScheduleIcmp | Self::SloppyTcp | Self::Uoa => 1,
            Self::ToaKind | Self::ToaKind6 => 255,
        }
    }

    /// The sysctl of that name, with or without `net.ipv4.vs.` before it.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = name.strip_prefix("net.ipv4.vs.").unwrap_or(name);
        Self::ALL.into_iter().find(|sysctl| sysctl.name() == name)
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The values of all sysctls.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sysctls(
    /// Those that are not as by default.
    BTreeMap<Sysctl, u32>,
);

impl Sysctls {
    /// The value of one.
    pub fn get(&self, sysctl: Sysctl) -> u32 {
        self.0.get(&sysctl).copied().unwrap_or_else(|| sysctl.default_value())
    }

    /// Gives one a value.
    pub fn set(&mut self, sysctl: Sysctl, value: u32) {
        if value == sysctl.default_value() {
            self.0.remove(&sysctl);
        } else {
            self.0.insert(sysctl, value);
        }
    }
}

impl fmt::Display for Sysctls {
    /// All of them on one line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Sysctl::ALL.map(|sysctl| format!("{sysctl} {}", self.get(sysctl)));
        formatter.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde_and_come_back() {
        for sysctl in Sysctl::ALL {
            assert_eq!(serde_json::to_value(sysctl).unwrap(), sysctl.name());
            assert_eq!(Sysctl::by_name(sysctl.name()), Some(sysctl));
            assert_eq!(Sysctl::by_name(&format!("net.ipv4.vs.{sysctl}")), Some(sysctl));
        }
        assert_eq!(Sysctl::by_name("conntrack"), None);
    }

    #[test]
    fn a_default_that_is_set_is_no_difference() {
        let mut sysctls = Sysctls::default();
        sysctls.set(Sysctl::ConnReuseMode, 0);
        assert_eq!(sysctls.get(Sysctl::ConnReuseMode), 0);
        assert_ne!(sysctls, Sysctls::default());
        sysctls.set(Sysctl::ConnReuseMode, 1);
        assert_eq!(sysctls, Sysctls::default());
    }
}
