//! Whoever can be the director, and how it becomes one.

use super::address::{self, ALL, FIRST, SERVERS, VIRTUAL};
use super::haproxy::Haproxy;
use ::lab::net::{Device, Namespace};
use ::lab::network::Network;
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
    /// HAProxy in TCP mode, one thread.
    Haproxy,
    /// xlvs by NAT, in the XDP lane.
    XlvsNat,
    /// xlvs by direct routing, in the XDP lane.
    XlvsDr,
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
            Self::Haproxy => "haproxy tcp",
            Self::XlvsNat => "xlvs nat xdp",
            Self::XlvsDr => "xlvs dr xdp",
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
            Self::Haproxy => "h",
            Self::XlvsNat => "x",
            Self::XlvsDr => "y",
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
        matches!(self, Self::XlvsNat | Self::XlvsDr)
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

    /// Families that its rules know.
    pub(super) const fn families(self) -> &'static [Family] {
        match self {
            Self::Nftables | Self::Haproxy => &[Family::V4],
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
        Contender::Nftables => {
            let file = network.work().path().join("rules.nft");
            fs::write(&file, rules())?;
            finish(host.command("nft").arg("-f").arg(&file), Duration::from_secs(10))?.success().context("nft")?;
            Running::Nothing
        }
        Contender::Haproxy => Running::Proxy(Haproxy::start(host, network.work().path())?),
        Contender::XlvsNat => balancer(contender, host, devices, network, ("-m", "xdp"))?,
        Contender::XlvsDr => balancer(contender, host, devices, network, ("-g", "xdp"))?,
        Contender::XlvsTc => balancer(contender, host, devices, network, ("-m", "tc"))?,
        Contender::XlvsDrTc => balancer(contender, host, devices, network, ("-g", "tc"))?,
    })
}

fn rules() -> String {
    let map: Vec<String> =
        (1..=SERVERS).map(|number| format!("{} : {}", number - 1, address::server(number).v4)).collect();
    let turn = format!("dnat to numgen inc mod {SERVERS} map {{ {} }}", map.join(", "));
    let (first, vip) = (address::server(1).v4, VIRTUAL.v4);
    format!(
        "table ip bench {{ chain in {{ type nat hook prerouting priority dstnat;
ip daddr {vip} tcp dport {ALL} {turn}
ip daddr {vip} udp dport {ALL} {turn}
ip daddr {vip} tcp dport {FIRST} dnat to {first}
ip daddr {vip} udp dport {FIRST} dnat to {first}
}}\n}}\n"
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
    xlvs.start()?;
    let found = xlvs.lane()?;
    ensure!(found == lane, "xlvs is attached in lane {found}, not {lane}");
    for (port, servers) in [(ALL, SERVERS), (FIRST, 1)] {
        for (protocol, family) in ["-t", "-u"].iter().flat_map(|it| Family::ALL.map(|family| (it, family))) {
            let service = SocketAddr::new(VIRTUAL.of(family), port);
            xlvs.ipvsadm(&format!("-A {protocol} {service} -s rr"))?;
            for number in 1..=servers {
                let server = SocketAddr::new(address::server(number).of(family), port);
                xlvs.ipvsadm(&format!("-a {protocol} {service} -r {server} {method}"))?;
            }
        }
    }
    xlvs.wait_for_servers()?;
    Ok(Running::Balancer(Box::new(xlvs)))
}
