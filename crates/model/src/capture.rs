//! The words that say which packets a capture wants.
//!
//! ```text
//! host ADDRESS · net ADDRESS/BITS · port PORT · service ADDRESS:PORT · proto NAME, or only tcp, udp, icmp, sctp · drops · all
//! ```
//! Each word narrows what those before it leave (`and` may stand between them); `all` adds what does not concern us.

use forward::abi::{Address6, Port};
use forward::capture::{NETWORKS, Network, Wanted};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

const LANGUAGE: &str =
    "host ADDRESS, net ADDRESS/BITS, port PORT, service ADDRESS:PORT, proto tcp|udp|icmp|sctp, drops, all";
/// Longest filter that is read, in bytes: several times one that has a use for every word.
const LONGEST: usize = 1000;
/// Protocols by name; ICMP is another one in IPv6.
const PROTOCOLS: [(&str, [u8; 2]); 4] = [("tcp", [6, 6]), ("udp", [17, 17]), ("icmp", [1, 58]), ("sctp", [132, 132])];

/// Reads a filter; the empty one wants every packet that concerns us. The error is one line for people.
pub fn parse(text: &str) -> Result<Wanted, String> {
    if text.len() > LONGEST {
        return Err(format!("a filter has at most {LONGEST} bytes, not {}", text.len()));
    }
    let mut wanted = Wanted::default();
    let mut words = text.split_whitespace().filter(|word| *word != "and");
    let mut networks = 0;
    while let Some(word) = words.next() {
        let mut operand = |example: &str| {
            words.next().ok_or_else(|| format!("`{word}` needs something behind it; write `{word} {example}`"))
        };
        match word {
            "host" | "net" => {
                let network = network(word, operand(if word == "net" { "10.0.0.0/24" } else { "10.0.0.11" })?)?;
                let place = wanted.networks.get_mut(networks);
                *place.ok_or_else(|| format!("at most {NETWORKS} of host and net; leave one out"))? = network;
                networks += 1;
            }
            "port" => once(&mut wanted.port, Port::new(number(operand("80")?)?), word)?,
            "service" => {
                let text = operand("203.0.113.10:80")?;
                let service: SocketAddr = read(text, "an address with a port, such as 203.0.113.10:80")?;
                once(&mut wanted.service_port, Port::new(number(&service.port().to_string())?), word)?;
                wanted.service = address(service.ip());
            }
            "proto" => protocol(&mut wanted, operand("tcp")?)?,
            "drops" => wanted.drops = 1,
            "all" => wanted.all = 1,
            name if PROTOCOLS.iter().any(|(known, _)| *known == name) => protocol(&mut wanted, name)?,
            _ => return Err(format!("`{}` is not understood; a filter is made of: {LANGUAGE}", word.escape_debug())),
        }
    }
    Ok(wanted)
}

fn protocol(wanted: &mut Wanted, name: &str) -> Result<(), String> {
    let known = PROTOCOLS.iter().find(|(known, _)| *known == name);
    let (_, numbers) =
        known.ok_or_else(|| format!("`{}` is no protocol; write tcp, udp, icmp or sctp", name.escape_debug()))?;
    once(&mut wanted.protocols, *numbers, "proto")
}

/// Two different values can never hold both.
fn once<T: Copy + PartialEq + Default>(place: &mut T, value: T, word: &str) -> Result<(), String> {
    if *place != T::default() && *place != value {
        return Err(format!("`{word}` stands twice, and no packet is both; leave one out"));
    }
    *place = value;
    Ok(())
}

fn read<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{}` is not {what}", text.escape_debug()))
}

fn number(text: &str) -> Result<u16, String> {
    let number: u16 = read(text, "a port from 1 to 65535")?;
    if number == 0 { Err("0 is not a port from 1 to 65535".to_owned()) } else { Ok(number) }
}

fn network(word: &str, text: &str) -> Result<Network, String> {
    let (text, bits) = match (word, text.split_once('/')) {
        ("net", Some((text, bits))) => (text, Some(bits)),
        ("net", None) => return Err(format!("`net {}` has no length; write `net {text}/24`", text.escape_debug())),
        _ => (text, None),
    };
    let ip: IpAddr = read(text, "an IP address")?;
    let (most, offset) = if ip.is_ipv4() { (32, 96) } else { (128, 0) };
    let bits = bits.map_or(Ok(most), |bits| read(bits, "a number of bits"))?;
    if bits > most {
        return Err(format!("a prefix of {ip} has at most {most} bits, not {bits}"));
    }
    let mask = u128::MAX.checked_shl(128 - (bits + offset)).unwrap_or_default().to_be_bytes();
    let (address, mask) = (address(ip), halves(mask));
    let ([a, b], [c, d]) = (address.0, mask.0);
    Ok(Network { address: Address6([a & c, b & d]), mask })
}

/// An address as the programs compare it: IPv4 among IPv6.
fn address(address: IpAddr) -> Address6 {
    halves(match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    })
}

fn halves(bytes: [u8; 16]) -> Address6 {
    let value = u128::from_ne_bytes(bytes);
    let (low, high) = (value as u64, (value >> 64) as u64);
    Address6(if cfg!(target_endian = "little") { [low, high] } else { [high, low] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use forward::capture::mapped;

    #[test]
    fn every_word() {
        let text = "service 203.0.113.10:80 and host 10.0.0.11 and net 2001:db8::/32 port 8080 and tcp and drops all";
        let wanted = parse(text).unwrap();
        let v4 = |bytes| mapped(u32::from_ne_bytes(bytes));
        let all = Address6([u64::MAX; 2]);
        let expected = Wanted {
            service: v4([203, 0, 113, 10]),
            service_port: Port::new(80),
            port: Port::new(8080),
            protocols: [6, 6],
            drops: 1,
            all: 1,
            networks: [
                Network { address: v4([10, 0, 0, 11]), mask: all },
                Network {
                    address: Address6([u64::from_ne_bytes([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0]), 0]),
                    mask: Address6([u64::from_ne_bytes([255, 255, 255, 255, 0, 0, 0, 0]), 0]),
                },
                Network::default(),
                Network::default(),
            ],
            ..Wanted::default()
        };
        assert_eq!(wanted, expected);
        assert_eq!(parse(" "), Ok(Wanted::default()));
        assert_eq!(parse("proto icmp").unwrap().protocols, [1, 58]);
        assert_eq!(parse("net 10.1.2.3/8"), parse("net 10.0.0.0/8"));
        assert_eq!(parse("net ::/0").unwrap().networks, Wanted::default().networks);
        assert_eq!(parse("tcp and tcp").unwrap().protocols, [6, 6]);
    }

    #[test]
    fn a_filter_without_end_is_not_read() {
        let filter = |times| "tcp ".repeat(times);
        assert!(parse(&filter(LONGEST / 4)).is_ok());
        assert_eq!(parse(&filter(LONGEST)).unwrap_err(), "a filter has at most 1000 bytes, not 4000");
    }

    #[test]
    fn what_is_not_understood_is_one_line() {
        for (text, expected) in [
            ("src 10.0.0.1", "`src` is not understood; a filter is made of: host ADDRESS, "),
            ("host", "`host` needs something behind it; write `host 10.0.0.11`"),
            ("host web", "`web` is not an IP address"),
            ("net 10.0.0.0", "`net 10.0.0.0` has no length; write `net 10.0.0.0/24`"),
            ("net 10.0.0.0/33", "a prefix of 10.0.0.0 has at most 32 bits, not 33"),
            ("net 10.0.0.0/x", "`x` is not a number of bits"),
            ("port 0", "0 is not a port from 1 to 65535"),
            ("port 65536", "`65536` is not a port from 1 to 65535"),
            ("service 10.0.0.1", "`10.0.0.1` is not an address with a port, such as 203.0.113.10:80"),
            ("proto gre", "`gre` is no protocol; write tcp, udp, icmp or sctp"),
            ("tcp and udp", "`proto` stands twice, and no packet is both; leave one out"),
            ("port 1 port 2", "`port` stands twice, and no packet is both; leave one out"),
            ("host ::1 host ::2 host ::3 host ::4 host ::5", "at most 4 of host and net; leave one out"),
            ("port 80 or port 81", "`or` is not understood"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
