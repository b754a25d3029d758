//! Whoever can be the director, and how it becomes one.

use super::address::{self, ALL, FIRST, LOCAL, SERVERS, VIRTUAL};
use super::haproxy::Haproxy;
use ::lab::net::{Device, Namespace};
use ::lab::network::{Network, add_addresses};
use ::lab::node::{Entry, Xlvs, finish};
use ::lab::topology::Family;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A kind of director.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Contender {
    /// An XDP program on the director's device that drops everything: what the laboratory itself costs.
    Floor,
    /// Kernel routing to the first server.
    Route,
    /// The same, with transmit offloads off at all ends, as XDP needs them.
    RouteNoOffload,
    /// nftables: DNAT, servers in turn.
    Nftables,
    /// The same, and masquerading: both endpoints change.
    NftablesFull,
    /// HAProxy in TCP mode, one thread.
    Haproxy,
    /// xlvs by NAT, in the XDP lane.
    XlvsNat,
    /// xlvs by direct routing, in the XDP lane.
    XlvsDr,
    /// xlvs by FullNAT, in the XDP lane.
    XlvsFullNat,
    /// xlvs by NAT, in the tc lane.
    XlvsTc,
    /// xlvs by direct routing, in the tc lane.
    XlvsDrTc,
}

impl Contender {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "drop floor",
            Self::Route => "route",
            Self::RouteNoOffload => "route, tx off",
            Self::Nftables => "nft dnat",
            Self::NftablesFull => "nft dnat+masq",
            Self::Haproxy => "haproxy tcp",
            Self::XlvsNat => "xlvs nat xdp",
            Self::XlvsDr => "xlvs dr xdp",
            Self::XlvsFullNat => "xlvs fullnat xdp",
            Self::XlvsTc => "xlvs nat tc",
            Self::XlvsDrTc => "xlvs dr tc",
        }
    }

    /// Short and without spaces, for devices and folders.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::Floor => "f",
            Self::Route => "r",
            Self::RouteNoOffload => "o",
            Self::Nftables => "n",
            Self::NftablesFull => "m",
            Self::Haproxy => "h",
            Self::XlvsNat => "x",
            Self::XlvsDr => "y",
            Self::XlvsFullNat => "z",
            Self::XlvsTc => "t",
            Self::XlvsDrTc => "u",
        }
    }

    /// Where clients send to: the service on that port, or the first server itself.
    pub(super) const fn target(self, port: u16, family: Family) -> (IpAddr, u16) {
        let address = match self {
            Self::Route | Self::RouteNoOffload => address::server(1),
            _ => VIRTUAL,
        };
        (address.of(family), port)
    }

    /// XDP programs on the director's devices: their peers must finish checksums.
    pub(super) const fn is_xdp(self) -> bool {
        matches!(self, Self::XlvsNat | Self::XlvsDr | Self::XlvsFullNat)
    }

    /// Servers hold the virtual address and answer from it.
    pub(super) const fn is_direct(self) -> bool {
        matches!(self, Self::XlvsDr | Self::XlvsDrTc)
    }

    /// All ends leave checksums and segmentation to their devices.
    pub(super) const fn has_offloads(self) -> bool {
        !self.is_xdp() && !matches!(self, Self::RouteNoOffload)
    }

    /// Kernel routing with the same offloads.
    pub(super) const fn routing(self) -> Self {
        if self.has_offloads() { Self::Route } else { Self::RouteNoOffload }
    }

    /// Servers see an address of the director: those that close first wait for the end of a connection (TIME_WAIT), as
    /// they do by default.
    pub(super) const fn is_full(self) -> bool {
        matches!(self, Self::NftablesFull | Self::XlvsFullNat)
    }

    /// nftables, doing the same.
    pub(super) const fn firewall(self) -> Self {
        if self.is_full() { Self::NftablesFull } else { Self::Nftables }
    }

    /// Families that its rules know.
    pub(super) const fn families(self) -> &'static [Family] {
        match self {
            Self::Nftables | Self::NftablesFull | Self::Haproxy => &[Family::V4],
            _ => &Family::ALL,
        }
    }

    /// Replies pass the director.
    pub(super) const fn sees_replies(self) -> bool {
        !(matches!(self, Self::Floor) || self.is_direct())
    }
}

/// What runs in a director's namespace; ends when dropped.
pub(super) enum Running {
    Nothing,
    Proxy(#[expect(dead_code, reason = "kept so that it serves")] Haproxy),
    Balancer(#[expect(dead_code, reason = "kept so that it forwards")] Box<Xlvs>),
}

/// Makes `host` this kind of director. Its devices are there, the first one towards the clients.
pub(super) fn start(contender: Contender, host: &Namespace, devices: &[Device], network: &Network) -> Result<Running> {
    Ok(match contender {
        Contender::Floor | Contender::Route | Contender::RouteNoOffload => Running::Nothing,
        Contender::Nftables | Contender::NftablesFull => {
            let file = network.work().path().join(format!("rules-{}.nft", contender.tag()));
            fs::write(&file, rules(contender.is_full()))?;
            finish(host.command("nft").arg("-f").arg(&file), Duration::from_secs(10))?.success().context("nft")?;
            Running::Nothing
        }
        Contender::Haproxy => Running::Proxy(Haproxy::start(host, network.work().path())?),
        Contender::XlvsNat => balancer(contender, host, devices, network, ("-m", "xdp"))?,
        Contender::XlvsDr => balancer(contender, host, devices, network, ("-g", "xdp"))?,
        Contender::XlvsFullNat => balancer(contender, host, devices, network, ("--fullnat", "xdp"))?,
        Contender::XlvsTc => balancer(contender, host, devices, network, ("-m", "tc"))?,
        Contender::XlvsDrTc => balancer(contender, host, devices, network, ("-g", "tc"))?,
    })
}

fn rules(full: bool) -> String {
    let map: Vec<String> =
        (1..=SERVERS).map(|number| format!("{} : {}", number - 1, address::server(number).v4)).collect();
    let turn = format!("dnat to numgen inc mod {SERVERS} map {{ {} }}", map.join(", "));
    let post = "chain out { type nat hook postrouting priority srcnat;\nip daddr 10.2.0.0/16 masquerade\n}\n";
    let post = if full { post } else { "" };
    let (first, vip) = (address::server(1).v4, VIRTUAL.v4);
    format!(
        "table ip bench {{ chain in {{ type nat hook prerouting priority dstnat;
ip daddr {vip} tcp dport {ALL} {turn}
ip daddr {vip} udp dport {ALL} {turn}
ip daddr {vip} tcp dport {FIRST} dnat to {first}
ip daddr {vip} udp dport {FIRST} dnat to {first}
}}\n{post}}}\n"
    )
}

fn balancer(
    contender: Contender,
    host: &Namespace,
    devices: &[Device],
    network: &Network,
    (method, lane): (&str, &str),
) -> Result<Running> {
    let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
    let xlvs = Xlvs::new(host, &format!("bench-{}", contender.tag()), &names, network.work(), Entry::Direct)?;
    let mut xlvs = xlvs.in_lane(lane);
    if let (true, Some(inside)) = (contender.is_full(), devices.get(1)) {
        add_addresses(inside, LOCAL.host())?;
    }
    xlvs.start()?;
    let found = xlvs.lane()?;
    ensure!(found == lane, "xlvs is attached in lane {found}, not {lane}");
    for (port, servers) in [(ALL, SERVERS), (FIRST, 1)] {
        for (protocol, family) in ["-t", "-u"].iter().flat_map(|it| Family::ALL.map(|family| (it, family))) {
            let service = SocketAddr::new(VIRTUAL.of(family), port);
            let local =
                if contender.is_full() { format!(" --local-address {}", LOCAL.of(family)) } else { String::new() };
            xlvs.ipvsadm(&format!("-A {protocol} {service} -s rr{local}"))?;
            for number in 1..=servers {
                let server = SocketAddr::new(address::server(number).of(family), port);
                xlvs.ipvsadm(&format!("-a {protocol} {service} -r {server} {method}"))?;
            }
        }
    }
    xlvs.wait_for_servers()?;
    Ok(Running::Balancer(Box::new(xlvs)))
}
