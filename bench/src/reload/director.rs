//! The director whose file changes, and a router behind which all servers are, on the other end of a link.

use super::file::{File, virtual_addresses};
use crate::health::Kind;
use crate::health::asked::Asked;
use crate::health::usage::Usage;
use ::lab::net::{Device, Namespace, NextHop, add_route};
use ::lab::network::Network;
use ::lab::node::{Entry, Finished, Xlvs, end, finish};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// All servers, behind the router.
const SERVERS: (IpAddr, u8) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8);
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const DIRECTOR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Who tells the daemon that its file is another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    /// A signal: the daemon reads the file.
    Signal,
    /// `xlvs apply`: the command reads it, and is over when everything is done.
    Apply,
}

/// How long a change took.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    /// Milliseconds.
    pub(super) wall: f64,
    /// Milliseconds of the daemon's threads.
    pub(super) daemon: f64,
}

/// One that runs, until dropped.
pub(super) struct Director {
    xlvs: Xlvs,
    name: &'static str,
    events: Events,
    _servers: Asked,
}

/// What the daemon tells while it runs.
struct Events {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Director {
    /// With a file of one service.
    pub(super) fn start(file: &File, network: &mut Network) -> Result<Self> {
        let (host, router) = (network.router("reload-d")?, network.host("reload-s")?);
        let (near, far) = (Device::new(&host, "e0"), Device::new(&router, "e0"));
        near.connect(&far)?;
        near.add_address(DIRECTOR, 24)?;
        far.add_address(ROUTER, 24)?;
        network.face_director(&far)?;
        add_route(&host, SERVERS, NextHop::Gateway(ROUTER))?;
        virtual_addresses(file.services).try_for_each(|address| near.add_address(address.into(), 32))?;
        let servers = serve(&router)?;
        let name = file.language.file_name();
        let mut xlvs = Xlvs::new(&host, "reload", &["e0"], network.work(), Entry::Direct)?;
        xlvs.configure_as(name, &File { services: 1, ..*file }.text())?;
        xlvs.start()?;
        xlvs.wait_for_services()?;
        let events = Events::follow(&xlvs)?;
        Ok(Self { xlvs, name, events, _servers: servers })
    }

    /// The file is another, and the daemon has followed.
    pub(super) fn change(&mut self, file: &File, way: Way) -> Result<Taken> {
        let path = self.xlvs.socket().with_file_name(self.name);
        fs::write(path, file.text())?;
        let (before, begin) = (self.usage()?, Instant::now());
        match way {
            Way::Signal => {
                let pid = self.xlvs.pid().context("the daemon has ended")?;
                kill(Pid::from_raw(pid.try_into()?), Signal::SIGHUP)?;
                self.events.applied()?;
            }
            Way::Apply => {
                finish(&mut self.xlvs.command(&["apply"])?, PATIENCE).and_then(Finished::success)?;
            }
        }
        let wall = begin.elapsed().as_secs_f64() * 1000.0;
        if way == Way::Apply {
            self.events.applied()?;
        }
        Ok(Taken { wall, daemon: self.usage()?.seconds_since(&before) * 1000.0 })
    }

    /// How many servers are in the rotation.
    pub(super) fn servers(&self) -> Result<usize> {
        let listing = self.xlvs.ipvsadm("-Sn")?;
        Ok(listing.lines().filter(|line| line.starts_with("-a ")).count())
    }

    fn usage(&self) -> Result<Usage> {
        Usage::of(self.xlvs.pid())
    }
}

impl Events {
    fn follow(xlvs: &Xlvs) -> Result<Self> {
        // So that a daemon that tells nothing does not hold this up for ever.
        let command = xlvs.command(&["events", "--json"])?;
        let mut bounded = Command::new("timeout");
        bounded.arg("3600").arg(command.get_program()).args(command.get_args());
        bounded.env("XLVS_SOCKET", xlvs.socket());
        let mut child = bounded.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut events = Self { child, lines };
        events.wait_for("listening")?;
        Ok(events)
    }

    fn applied(&mut self) -> Result<()> {
        self.wait_for("applied")
    }

    fn wait_for(&mut self, event: &str) -> Result<()> {
        let (sign, begin) = (format!("\"event\":\"{event}\""), Instant::now());
        for line in self.lines.by_ref() {
            let line = line?;
            if line.contains(&sign) {
                return Ok(());
            }
            ensure!(!line.contains("\"event\":\"refused\""), "the file was refused: {line}");
            ensure!(begin.elapsed() < PATIENCE, "the daemon tells much, but not that it is done");
        }
        anyhow::bail!("the daemon tells nothing any more")
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Every address of the servers is the router's own, and accepts connections.
fn serve(router: &Namespace) -> Result<Asked> {
    let (prefix, bits) = SERVERS;
    let mut route = router.command("ip");
    route.args(["route", "add", "local", &format!("{prefix}/{bits}"), "dev", "lo"]);
    finish(&mut route, PATIENCE).and_then(Finished::success).context("ip route")?;
    Asked::listen(router, Kind::Tcp)
}
