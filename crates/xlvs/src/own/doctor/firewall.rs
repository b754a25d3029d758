//! What rules of a firewall speak of. Pure.

use std::net::IpAddr;

/// True when the rule names one of `addresses`, or a network that has one of them in it (not everything).
pub(super) fn names(rule: &str, addresses: &[IpAddr]) -> bool {
    let tokens = rule.split(|letter: char| !(letter.is_ascii_hexdigit() || matches!(letter, '.' | ':' | '/')));
    tokens.filter_map(network).any(|(network, bits)| addresses.iter().any(|address| holds(network, bits, *address)))
}

/// True when the rule names one of `ports` as the destination.
pub(super) fn names_port(rule: &str, ports: &[u16]) -> bool {
    let mut words = rule.split_whitespace().skip_while(|word| !matches!(*word, "dport" | "--dport" | "--dports"));
    words.next();
    words.next().is_some_and(|word| word.split(',').any(|word| word.parse().is_ok_and(|port| ports.contains(&port))))
}

/// True when the rule gives packets a mark.
pub(super) fn marks(rule: &str) -> bool {
    rule.contains("mark set") || rule.contains("-j MARK") || rule.contains("--set-xmark")
}

fn network(token: &str) -> Option<(IpAddr, u32)> {
    let token = token.trim_matches(':');
    match token.split_once('/') {
        Some((address, bits)) => Some((address.parse().ok()?, bits.parse().ok()?)),
        None => {
            let address: IpAddr = token.parse().ok()?;
            Some((address, if address.is_ipv4() { 32 } else { 128 }))
        }
    }
}

/// True for an address in the network of so many bits; 0 bits are everything and say nothing.
pub(super) fn holds(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    let same = |one: u128, other: u128, width: u32| bits > 0 && bits <= width && (one ^ other) >> (width - bits) == 0;
    match (network, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => same(one.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.to_bits(), other.to_bits(), 128),
        _ => false,
    }
}
