//! Whoever makes the checks, by the same keepalived.conf.

use super::asked::address;
use super::usage::Usage;
use super::{Kind, Options};
use ::lab::net::Namespace;
use ::lab::network::Network;
use ::lab::node::{Entry, Xlvs, end};
use ::lab::referee::Side;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// Servers of one service.
const SERVERS: u32 = 100;

/// A kind of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Contender {
    /// The real binary.
    Xlvs,
    /// Debian's, with nothing but its checks. It needs a kernel with IPVS.
    Keepalived,
}

impl Contender {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Xlvs => "xlvs",
            Self::Keepalived => "keepalived",
        }
    }
}

/// One that runs, until dropped.
pub(super) enum Checker {
    Xlvs(Xlvs),
    Keepalived { child: Child, log: PathBuf },
}

impl Checker {
    pub(super) fn start(contender: Contender, host: &Namespace, options: &Options, network: &Network) -> Result<Self> {
        let text = configuration(options.checks, options.kind);
        match contender {
            Contender::Xlvs => {
                let mut xlvs = Xlvs::new(host, contender.name(), &[], network.work(), Entry::Direct)?;
                xlvs.configure_as("keepalived.conf", &text)?;
                xlvs.start()?;
                Ok(Self::Xlvs(xlvs))
            }
            Contender::Keepalived => {
                Side::Keepalived.need()?;
                keepalived(host, network.work().path(), &text)
            }
        }
    }

    /// An error where it has ended.
    pub(super) fn still_runs(&mut self) -> Result<()> {
        let Self::Keepalived { child, log } = self else { return Ok(()) };
        if child.try_wait()?.is_some() {
            let log = fs::read_to_string(log)?;
            // The time comes first.
            let why =
                log.lines().last().and_then(|line| line.split_once(": ")).map_or("without a word", |(_, why)| why);
            bail!("it has ended: {why}");
        }
        Ok(())
    }

    /// What it has used, with all its processes.
    pub(super) fn usage(&self) -> Result<Usage> {
        match self {
            Self::Xlvs(xlvs) => Usage::of(xlvs.pid()),
            Self::Keepalived { child, .. } => {
                let own = child.id();
                let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"))?;
                let children = children.split_whitespace().filter_map(|process| process.parse().ok());
                Usage::of(children.chain([own]))
            }
        }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        // xlvs ends itself.
        if let Self::Keepalived { child, .. } = self {
            end(child);
        }
    }
}

fn keepalived(host: &Namespace, folder: &Path, text: &str) -> Result<Checker> {
    let path = |name: &str| folder.join(format!("keepalived.{name}"));
    fs::write(path("conf"), text)?;
    let log = File::create(path("log"))?;
    let mut command = host.command("keepalived");
    command.args(["-n", "-l", "-C", "-f"]).arg(path("conf"));
    command.arg("-p").arg(path("pid")).arg("-c").arg(path("checkers.pid"));
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    Ok(Checker::Keepalived { child: child.context("starting keepalived")?, log: path("log") })
}

/// So many servers, each checked every second, in services of a hundred.
fn configuration(checks: u32, kind: Kind) -> String {
    let check = match kind {
        Kind::Tcp => "TCP_CHECK {\n connect_timeout 2\n }",
        Kind::Http => "HTTP_GET {\n url {\n path /\n status_code 200\n }\n connect_timeout 2\n }",
    };
    let mut text = "global_defs {\n router_id bench\n}\n".to_owned();
    for number in 0..checks {
        let (service, place) = (number / SERVERS, number % SERVERS);
        if place == 0 {
            let [_, _, high, low] = service.to_be_bytes();
            text.push_str(&format!(
                "virtual_server 198.18.{high}.{low} 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n delay_loop 1\n"
            ));
        }
        text.push_str(&format!(" real_server {} 80 {{\n weight 1\n {check}\n }}\n", address(number)));
        if place == SERVERS - 1 || number == checks - 1 {
            text.push_str("}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_in_one_service() {
        let text = configuration(201, Kind::Http);
        let count = |what: &str| text.matches(what).count();
        assert_eq!((count("virtual_server"), count("real_server"), count("HTTP_GET")), (3, 201, 201));
        assert_eq!(count("{"), count("}"));
    }
}
