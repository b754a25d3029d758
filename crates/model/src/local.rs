//! Local addresses: what the servers of FullNAT see as their clients.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses in a row, each with the same ports: `10.0.9.1-10.0.9.4:20000-29999`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalRange {
    first: IpAddr,
    addresses: u32,
    ports: (u16, u16),
}

/// Local addresses of one service, in the order in which they are used.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocalAddresses(Vec<LocalRange>);

impl LocalRange {
    /// The ports that are used where none are named: those that nobody has by name.
    pub const ALL_PORTS: (u16, u16) = (1024, u16::MAX);
    /// Most addresses of one range.
    pub const MOST_ADDRESSES: u32 = 256;

    /// A range, or what is wrong with it.
    pub fn new(first: IpAddr, last: IpAddr, ports: (u16, u16)) -> Result<Self, String> {
        let Some(addresses) = count(first, last) else {
            return Err(format!("{first}-{last} is no range of at most {} addresses", Self::MOST_ADDRESSES));
        };
        if let Some(what) = unusable(first).or(unusable(last)) {
            return Err(format!("{first} {what}"));
        }
        if ports.0 == 0 || ports.0 > ports.1 {
            return Err(format!("{}-{} is no range of ports from 1 to 65535", ports.0, ports.1));
        }
        Ok(Self { first, addresses, ports })
    }

    /// A range of so many addresses, or what is wrong with it.
    pub fn of(first: IpAddr, addresses: u32, ports: (u16, u16)) -> Result<Self, String> {
        Self::new(first, further(first, addresses.saturating_sub(1)), ports)
    }

    /// The first address.
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// How many there are.
    pub const fn count(&self) -> u32 {
        self.addresses
    }

    /// All addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let first = self.first;
        (0..self.addresses).map(move |places| further(first, places))
    }

    /// First and last port.
    pub const fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// True for an address and port of it.
    pub fn covers(&self, end: crate::Endpoint) -> bool {
        (self.ports.0..=self.ports.1).contains(&end.port()) && self.addresses().any(|address| address == end.ip())
    }

    /// True when both have a port of an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        let ports = self.ports.0 <= other.ports.1 && other.ports.0 <= self.ports.1;
        ports && self.addresses().any(|address| other.addresses().any(|there| there == address))
    }
}

impl LocalAddresses {
    /// Most ranges of one service.
    pub const MOST: usize = forward::abi::Locals::RANGES;

    /// The ranges of a service, or what is wrong with them together.
    pub fn new(ranges: Vec<LocalRange>) -> Result<Self, String> {
        if ranges.len() > Self::MOST {
            return Err(format!("{} ranges of local addresses; a service can have {}", ranges.len(), Self::MOST));
        }
        for (place, range) in ranges.iter().enumerate() {
            if let Some(other) = ranges.iter().take(place).find(|other| other.overlaps(range)) {
                return Err(format!("local addresses {other} and {range} overlap"));
            }
            if ranges.iter().any(|other| other.first.is_ipv4() != range.first.is_ipv4()) {
                return Err("local addresses of both families; name those of one".to_owned());
            }
        }
        Ok(Self(ranges))
    }

    /// The ranges.
    pub fn ranges(&self) -> &[LocalRange] {
        &self.0
    }

    /// True for an address and port of one of them.
    pub fn cover(&self, end: crate::Endpoint) -> bool {
        self.0.iter().any(|range| range.covers(end))
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when they can be those of a service of this family.
    pub fn fits(&self, ipv6: bool) -> bool {
        self.0.iter().all(|range| range.first.is_ipv6() == ipv6)
    }

    /// All addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.0.iter().flat_map(LocalRange::addresses)
    }
}

/// How many addresses there are from `first` to `last`, if they are a range. Those of IPv6 are in one /64.
fn count(first: IpAddr, last: IpAddr) -> Option<u32> {
    let difference = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => u128::from(last.to_bits()).checked_sub(first.to_bits().into()),
        (IpAddr::V6(first), IpAddr::V6(last)) if first.to_bits() >> 64 == last.to_bits() >> 64 => {
            last.to_bits().checked_sub(first.to_bits())
        }
        _ => None,
    };
    let count = u32::try_from(difference?).ok()?.checked_add(1)?;
    (count <= LocalRange::MOST_ADDRESSES).then_some(count)
}

fn further(first: IpAddr, places: u32) -> IpAddr {
    match first {
        IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits().wrapping_add(places)).into(),
        IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits().wrapping_add(places.into())).into(),
    }
}

/// Why this is no address that packets can come from.
fn unusable(address: IpAddr) -> Option<&'static str> {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    match address {
        _ if address.is_unspecified() || address.is_multicast() || broadcast => Some("is no address of one host"),
        _ if address.is_loopback() => Some("is an address that servers cannot answer"),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some("is a link-local address; name a global one"),
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => Some("is an IPv4 address; write it as one"),
        _ => None,
    }
}

impl FromStr for LocalRange {
    type Err = String;

    /// `ADDRESS[-ADDRESS][:PORT[-PORT]]`; IPv6 addresses with ports stand in brackets, both in one pair.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not ADDRESS[-ADDRESS][:PORT-PORT]", text.escape_debug());
        let (addresses, ports) = match text.strip_prefix('[') {
            Some(rest) => {
                let (addresses, ports) = rest.split_once(']').ok_or_else(wrong)?;
                match ports.strip_prefix(':') {
                    Some(ports) => (addresses, Some(ports)),
                    None if ports.is_empty() => (addresses, None),
                    None => return Err(wrong()),
                }
            }
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(addresses, ports)| (addresses, Some(ports))),
        };
        let (first, last) = addresses.split_once('-').unwrap_or((addresses, addresses));
        let address = |text: &str| text.parse::<IpAddr>().map_err(|_| wrong());
        let (first, last) = (address(first)?, address(last)?);
        let ports = match ports {
            None => Self::ALL_PORTS,
            Some(ports) => {
                let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
                let port = |text: &str| text.parse::<u16>().map_err(|_| wrong());
                (port(low)?, port(high)?)
            }
        };
        Self::new(first, last, ports)
    }
}

impl fmt::Display for LocalRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first, further(self.first, self.addresses.saturating_sub(1)));
        let addresses = if first == last { first.to_string() } else { format!("{first}-{last}") };
        match self.ports {
            Self::ALL_PORTS => formatter.write_str(&addresses),
            (low, high) if first.is_ipv6() => write!(formatter, "[{addresses}]:{low}-{high}"),
            (low, high) => write!(formatter, "{addresses}:{low}-{high}"),
        }
    }
}

impl FromStr for LocalAddresses {
    type Err = String;

    /// Ranges with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
    }
}

impl fmt::Display for LocalAddresses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<String> = self.0.iter().map(LocalRange::to_string).collect();
        formatter.write_str(&ranges.join(","))
    }
}

impl From<LocalRange> for String {
    fn from(range: LocalRange) -> Self {
        range.to_string()
    }
}

impl TryFrom<String> for LocalRange {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_back_as_they_were_written() {
        for text in [
            "10.0.9.1",
            "10.0.9.1-10.0.9.4",
            "10.0.9.1:20000-29999",
            "10.0.9.1-10.0.9.4:20000-20000",
            "fd00::1",
            "fd00::1-fd00::4",
            "[fd00::1]:20000-29999",
            "[fd00::1-fd00::4]:1024-2047",
        ] {
            assert_eq!(text.parse::<LocalRange>().unwrap().to_string(), text);
        }
        assert_eq!("10.0.9.1:80".parse::<LocalRange>().unwrap().to_string(), "10.0.9.1:80-80");
        assert_eq!("[fd00::1]".parse::<LocalRange>().unwrap().to_string(), "fd00::1");
        let list = "10.0.9.1-10.0.9.2:1-9,10.0.9.1:10-19";
        assert_eq!(list.parse::<LocalAddresses>().unwrap().to_string(), list);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "10.0.9.4-10.0.9.1",
            "10.0.0.0-10.0.1.0",
            "10.0.9.1-fd00::1",
            "fd00::1-fd00:0:0:1::1",
            "10.0.9.1:0-9",
            "10.0.9.1:9-8",
            "10.0.9.1:70000",
            "10.0.9.1:",
            "[fd00::1",
            "[fd00::1]9",
            "fe80::1",
            "0.0.0.0",
            "224.0.0.1",
            "127.0.0.1",
            "::ffff:10.0.0.1",
            "name",
        ] {
            assert!(text.parse::<LocalRange>().is_err(), "{text}");
        }
        for text in ["10.0.9.1:1-9,10.0.9.1:9-10", "10.0.9.1,fd00::1", "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5"] {
            assert!(text.parse::<LocalAddresses>().is_err(), "{text}");
        }
    }
}
