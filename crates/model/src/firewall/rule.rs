//! One rule, as far as it is understood.

use crate::{Endpoint, Prefix, Protocol, ServiceKey};
use std::net::IpAddr;

/// What a rule does with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Effect {
    /// It goes on to the next rule.
    #[default]
    Nothing,
    Allow,
    Block,
    /// Blocks or allows by rate or number.
    Limit,
    /// Gives it this mark.
    Mark(Option<u32>),
    /// Another destination.
    Translate,
    /// Another source.
    Source,
    /// Keeps it from connection tracking.
    Untrack,
    /// A log, another chain, a queue.
    Other,
}

/// A rule. What is empty matches everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Rule {
    /// Table and chain.
    pub(super) place: String,
    pub(super) text: String,
    pub(super) effect: Effect,
    pub(super) protocol: Option<String>,
    pub(super) destinations: Vec<Prefix>,
    pub(super) sources: Vec<Prefix>,
    /// First and last.
    pub(super) ports: Vec<(u16, u16)>,
    /// The address and port that it translates to.
    pub(super) target: Option<(IpAddr, Option<u16>)>,
    /// Of one family only.
    pub(super) ipv6: Option<bool>,
    /// It looks at what this host itself sends, or at what leaves it.
    pub(super) is_for_answers: bool,
}

impl Rule {
    /// Whether packets to a service may match.
    pub(super) fn may_match(&self, key: ServiceKey) -> bool {
        let ipv6 = key.endpoint.is_ipv6();
        let of_family = |prefix: &Prefix| prefix.address().is_ipv6() == ipv6;
        let family =
            self.ipv6.is_none_or(|it| it == ipv6) && (self.sources.is_empty() || self.sources.iter().any(of_family));
        family
            && self.speaks(key.protocol)
            && among(&self.destinations, key.endpoint.ip())
            && self.has_port(key.endpoint)
    }

    /// Whether it translates packets to a service's address.
    pub(super) fn leads_to(&self, key: ServiceKey) -> bool {
        let port = |port: Option<u16>| port.is_none_or(|port| port == key.endpoint.port());
        let is_there = self.target.is_some_and(|(address, to)| address == key.endpoint.ip() && port(to));
        is_there && self.speaks(key.protocol)
    }

    /// Whether it names packets to a server, or from it.
    pub(super) fn names_server(&self, server: Endpoint) -> bool {
        let names = |prefixes: &[Prefix]| !prefixes.is_empty() && among(prefixes, server.ip());
        names(&self.sources) || names(&self.destinations)
    }

    /// True when it is not for everybody: it names destinations or ports.
    pub(super) fn is_narrow(&self) -> bool {
        !self.destinations.is_empty() || !self.ports.is_empty()
    }

    /// What `listen` would have to say instead, where the rule names single addresses and ports.
    pub(super) fn listens(&self) -> Vec<String> {
        let Some(protocol) = self.protocol.as_deref().filter(|it| matches!(*it, "tcp" | "udp")) else {
            return Vec::new();
        };
        let single = |prefix: &Prefix| {
            let bits = if prefix.address().is_ipv4() { 32 } else { 128 };
            (prefix.length() == bits).then(|| prefix.address())
        };
        let addresses = self.destinations.iter().filter_map(single);
        let ports: Vec<u16> = self.ports.iter().filter(|(first, last)| first == last).map(|(port, _)| *port).collect();
        let listen = |address: IpAddr| {
            let endpoints = ports.iter().map(move |port| Endpoint::new(address, *port));
            endpoints.map(|endpoint| format!("\"{protocol} {endpoint}\"")).collect::<Vec<_>>()
        };
        addresses.flat_map(listen).collect()
    }

    fn speaks(&self, protocol: Protocol) -> bool {
        let is_all = |name: &str| name == "all" || name == "ip" || name == "0";
        self.protocol
            .as_deref()
            .is_none_or(|name| is_all(name) || name == protocol.to_string() || name == protocol.number().to_string())
    }

    fn has_port(&self, endpoint: Endpoint) -> bool {
        let port = endpoint.port();
        port == 0 || self.ports.is_empty() || self.ports.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }
}

fn among(prefixes: &[Prefix], address: IpAddr) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.holds(address))
}

/// `10.0.0.0/8`, or an address alone.
pub(super) fn prefix(text: &str) -> Option<Prefix> {
    text.trim_matches(['"', ',']).parse().ok()
}

/// `10.0.0.1`, `10.0.0.1:80`, `[2001:db8::1]:80`
pub(super) fn target(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let endpoint = || text.parse().ok().map(|endpoint: Endpoint| (endpoint.ip(), Some(endpoint.port())));
    text.trim_matches(['[', ']']).parse().ok().map(|address| (address, None)).or_else(endpoint)
}

/// `80`, `80:90`, `80-90`
pub(super) fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once([':', '-']).unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// `5`, `0x5`, `0x5/0xffffffff`
pub(super) fn number(text: &str) -> Option<u32> {
    let text = text.split('/').next().unwrap_or(text);
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
