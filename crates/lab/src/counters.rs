//! Counters of the hosts' stacks: what arrived broken, what had to be sent again.

use crate::net::Namespace;
use anyhow::Result;
use serde::Serialize;

/// Counters of one host, or the sum over several.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counters {
    /// Packets whose IP, TCP, UDP or ICMP checksum was wrong.
    pub checksum_errors: u64,
    /// TCP segments sent again.
    pub retransmitted: u64,
}

impl Counters {
    /// Reads those of a host.
    pub fn read(host: &Namespace) -> Result<Self> {
        let mut counters = Self::default();
        for file in ["snmp", "netstat"] {
            counters.add_pairs(&host.proc_net(file)?);
        }
        for line in host.proc_net("snmp6")?.lines() {
            let mut words = line.split_whitespace();
            if let (Some(name), Some(value)) = (words.next(), words.next()) {
                counters.count(name, value);
            }
        }
        Ok(counters)
    }

    /// Sum over hosts.
    pub fn sum<'a>(hosts: impl IntoIterator<Item = &'a Namespace>) -> Result<Self> {
        hosts.into_iter().try_fold(Self::default(), |sum, host| {
            let one = Self::read(host)?;
            Ok(Self {
                checksum_errors: sum.checksum_errors + one.checksum_errors,
                retransmitted: sum.retransmitted + one.retransmitted,
            })
        })
    }

    /// What was added since `earlier`.
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            checksum_errors: self.checksum_errors - earlier.checksum_errors,
            retransmitted: self.retransmitted - earlier.retransmitted,
        }
    }

    /// Files of pairs of lines: names, then values.
    fn add_pairs(&mut self, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.chunks_exact(2) {
            for (name, value) in pair[0].split(' ').zip(pair[1].split(' ')) {
                self.count(name, value);
            }
        }
    }

    fn count(&mut self, name: &str, value: &str) {
        let value = value.parse().unwrap_or(0);
        if name.ends_with("InCsumErrors") {
            self.checksum_errors += value;
        } else if name == "RetransSegs" {
            self.retransmitted += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_counters_among_others() {
        let mut counters = Counters::default();
        counters.add_pairs("Tcp: InSegs RetransSegs InCsumErrors\nTcp: 5 2 3\nUdp: InErrors InCsumErrors\nUdp: 9 4\n");
        counters.count("Udp6InCsumErrors", "1");
        assert_eq!(counters, Counters { checksum_errors: 8, retransmitted: 2 });
    }
}
