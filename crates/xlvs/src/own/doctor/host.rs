//! Everything that is read of this host, as one value: checks and their tests need nothing else.

use super::namespace::Namespace;
use crate::session::Session;
use api::{Listing, Request, Response, Status};
use nix::ifaddrs::getifaddrs;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;

/// The host, and the daemon if there is one.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// As `uname -r` says it.
    pub(super) kernel: String,
    pub(super) has_type_information: bool,
    /// Which host this is.
    pub(super) namespace: Namespace,
    /// What a daemon says, or why there is none.
    pub(super) daemon: Result<(Status, Listing), String>,
    /// Those that are looked at, by name; `None` for one that does not exist.
    pub(super) interfaces: BTreeMap<String, Option<Interface>>,
    /// Address, length of its prefix, interface.
    pub(super) addresses: Vec<(IpAddr, u8, String)>,
    /// Values below /proc/sys/net, by their path there.
    pub(super) sysctls: BTreeMap<String, String>,
    /// Who else balances here.
    pub(super) others: Vec<String>,
    /// Rules of the firewall, one line each.
    pub(super) rules: Vec<String>,
}

/// One interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Interface {
    /// veth, bridge, vlan, bond …; empty for a card.
    pub(super) kind: String,
    pub(super) up: bool,
    pub(super) mtu: u64,
    /// Name of the XDP program that runs there.
    pub(super) program: Option<String>,
    /// What `ethtool -k` says; empty without ethtool.
    pub(super) features: BTreeMap<String, bool>,
}

impl Host {
    /// Reads it. What cannot be read is missing.
    pub(super) fn read(named: &[String]) -> Self {
        let daemon = ask();
        let namespace = Namespace::enter(api::Client::connect_default().socket());
        let links = links();
        let attached = daemon.iter().flat_map(|(status, _)| &status.interfaces).map(|it| it.name.clone());
        let mut names: Vec<String> = named.iter().cloned().chain(attached).collect();
        if names.is_empty() {
            names = links.keys().filter(|name| *name != "lo").cloned().collect();
        }
        let interface = |name: String| {
            let link = links.get(&name).cloned();
            (name.clone(), link.map(|link| Interface { features: features(&name), ..link }))
        };
        Self {
            kernel: read("/proc/sys/kernel/osrelease"),
            has_type_information: std::path::Path::new("/sys/kernel/btf/vmlinux").exists(),
            sysctls: sysctls(links.keys()),
            interfaces: names.into_iter().map(interface).collect(),
            addresses: addresses(),
            others: director::others(),
            rules: rules(),
            namespace,
            daemon,
        }
    }

    pub(super) fn sysctl(&self, name: &str) -> Option<&str> {
        self.sysctls.get(name).map(String::as_str)
    }
}

fn ask() -> Result<(Status, Listing), String> {
    let session = Session::open().map_err(|trouble| trouble.to_string())?;
    let listing = session.listing().map_err(|trouble| trouble.to_string())?;
    match session.ask(&Request::Status) {
        Ok(Response::Status(status)) => Ok((status, listing)),
        Ok(_) => Err("the daemon answered something else than a status".to_owned()),
        Err(trouble) => Err(trouble.to_string()),
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// What a program says; nothing where it is not there or fails.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn links() -> BTreeMap<String, Interface> {
    let value: Value = serde_json::from_str(&said("ip", &["-j", "-d", "link", "show"])).unwrap_or_default();
    let link = |link: &Value| {
        let flags = link["flags"].as_array().into_iter().flatten();
        let interface = Interface {
            kind: link["linkinfo"]["info_kind"].as_str().unwrap_or_default().to_owned(),
            up: flags.filter_map(Value::as_str).any(|flag| flag == "UP"),
            mtu: link["mtu"].as_u64().unwrap_or_default(),
            program: link["xdp"]["prog"]["name"].as_str().map(str::to_owned),
            features: BTreeMap::new(),
        };
        Some((link["ifname"].as_str()?.to_owned(), interface))
    };
    value.as_array().into_iter().flatten().filter_map(link).collect()
}

fn features(interface: &str) -> BTreeMap<String, bool> {
    let text = said("ethtool", &["-k", interface]);
    let feature = |line: &str| {
        let (name, value) = line.trim().split_once(": ")?;
        Some((name.to_owned(), value.starts_with("on")))
    };
    text.lines().filter_map(feature).collect()
}

fn addresses() -> Vec<(IpAddr, u8, String)> {
    let entries = getifaddrs().into_iter().flatten();
    let address = |entry: nix::ifaddrs::InterfaceAddress| {
        let ip =
            |storage: nix::sys::socket::SockaddrStorage| match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
                (Some(v4), _) => Some(IpAddr::V4(v4.ip())),
                (_, Some(v6)) => Some(IpAddr::V6(v6.ip())),
                _ => None,
            };
        let prefix = match ip(entry.netmask?)? {
            IpAddr::V4(mask) => mask.to_bits().count_ones(),
            IpAddr::V6(mask) => mask.to_bits().count_ones(),
        };
        Some((ip(entry.address?)?, prefix as u8, entry.interface_name))
    };
    entries.filter_map(address).collect()
}

fn sysctls<'n>(interfaces: impl Iterator<Item = &'n String>) -> BTreeMap<String, String> {
    let of_interface = ["rp_filter", "accept_local"];
    let places = interfaces.map(String::as_str).chain(["all"]).map(str::to_owned);
    let places = places.flat_map(|name| of_interface.map(|key| format!("ipv4/conf/{name}/{key}")));
    let fixed = ["ipv4/ip_forward", "ipv6/conf/all/forwarding"].map(str::to_owned);
    let value = |name: String| {
        let value = read(&format!("/proc/sys/net/{name}"));
        (!value.is_empty()).then_some((name, value))
    };
    places.chain(fixed).filter_map(value).collect()
}

/// What nftables and iptables have, each in its own words. Where there is `nft`, it lists the new iptables' rules, too.
pub(crate) fn rulesets() -> Vec<String> {
    let nftables = said("nft", &["list", "ruleset"]);
    let programs = if nftables.is_empty() {
        ["iptables-save", "ip6tables-save"]
    } else {
        ["iptables-legacy-save", "ip6tables-legacy-save"]
    };
    let iptables = programs.map(|program| said(program, &[]));
    iptables.into_iter().chain([nftables]).filter(|rules| !rules.trim().is_empty()).collect()
}

/// All rules, one line each.
fn rules() -> Vec<String> {
    let lines = |ruleset: String| {
        let is_nftables = ruleset.lines().any(|line| line.starts_with("table "));
        let is_rule = move |line: &&str| is_nftables || line.starts_with("-A");
        ruleset.lines().filter(is_rule).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    rulesets().into_iter().flat_map(lines).filter(|line| !line.is_empty()).collect()
}
