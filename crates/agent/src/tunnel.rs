//! The kernel's own tunnel devices: there once their module is loaded, and used as they are, up and without a
//! filter.

use crate::error::{Doing, Error};
use crate::network::Network;
use crate::sysctl;
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// A device that takes packets of its family out of packets of the same family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tunnel {
    /// IPv4 in IPv4.
    Tunl0,
    /// IPv6 in IPv6.
    Ip6tnl0,
}

/// What it was before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "lowercase")]
pub(crate) enum Before {
    /// Not there: its module was not loaded.
    Absent,
    /// There.
    Present { up: bool, rp_filter: Option<String> },
}

/// No filter at all: the kernel drops everything on a device without an address of its own, even by a loose one.
const OFF: &str = "0";

impl Tunnel {
    pub(crate) const fn device(self) -> &'static str {
        match self {
            Self::Tunl0 => "tunl0",
            Self::Ip6tnl0 => "ip6tnl0",
        }
    }

    const fn module(self) -> &'static str {
        match self {
            Self::Tunl0 => "ipip",
            Self::Ip6tnl0 => "ip6_tunnel",
        }
    }

    /// The setting of IPv4 that drops packets without a way back; there is none for IPv6.
    fn filter(self) -> Option<String> {
        matches!(self, Self::Tunl0).then(|| format!("ipv4/conf/{}/rp_filter", self.device()))
    }

    /// What it is now.
    pub(crate) fn look(self, network: &Network) -> Result<Before, Error> {
        let links = network.links()?;
        let link = links.values().find(|link| link.name == self.device());
        let rp_filter = || self.filter().and_then(|key| sysctl::read(&key));
        Ok(link.map_or(Before::Absent, |link| Before::Present { up: link.up, rp_filter: rp_filter() }))
    }

    /// Makes it take packets out.
    pub(crate) fn make(self, network: &Network) -> Result<(), Error> {
        if self.look(network)? == Before::Absent {
            self.load(network)?;
        }
        if let Some(key) = self.filter() {
            sysctl::write(&key, OFF).doing(|| format!("set {} to {OFF}", sysctl::shown(&key)))?;
        }
        network.set_up(self.device(), true)
    }

    fn load(self, network: &Network) -> Result<(), Error> {
        run("modprobe", &[self.module()])?;
        // The device comes with the module, in every network namespace, soon.
        for _ in 0..50 {
            if self.look(network)? != Before::Absent {
                return Ok(());
            }
            sleep(Duration::from_millis(20));
        }
        let (device, module) = (self.device(), self.module());
        Err(Error::Refused(format!(
            "module {module} has made no {device} in this network namespace: use --decap bpf, which needs none"
        )))
    }

    /// Makes it what it was.
    pub(crate) fn restore(self, before: &Before, network: &Network) -> Result<Option<String>, Error> {
        if self.look(network)? == Before::Absent {
            return Ok(None);
        }
        match before {
            Before::Absent => {
                network.set_up(self.device(), false)?;
                let left = run("modprobe", &["-r", self.module()]).err();
                Ok(left.map(|error| format!("{} stays, set down: {error}", self.device())))
            }
            Before::Present { up, rp_filter } => {
                network.set_up(self.device(), *up)?;
                if let Some((key, value)) = self.filter().zip(rp_filter.as_ref()) {
                    sysctl::write(&key, value).doing(|| format!("set {} back to {value}", sysctl::shown(&key)))?;
                }
                Ok(None)
            }
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), Error> {
    let line = || format!("run {program} {}", arguments.join(" "));
    let output = Command::new(program).args(arguments).output().doing(line)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().next().unwrap_or("it failed and does not say why").to_owned();
    Err(Error::System { doing: line(), reason: format!("{reason}; use --decap bpf, which needs no module") })
}
