//! Gigabits per second in one TCP connection, each way and over each family, by iperf3. Offloads are those each
//! contender can have: all of them, or with XDP at the director none at the ends that face it.

use super::address::FIRST;
use super::contender::Contender;
use super::hosts::Hosts;
use super::report::{Row, Unit};
use super::sample::Samples;
use ::lab::net::Namespace;
use ::lab::network::Network;
use ::lab::node::finish;
use ::lab::topology::Family;
use anyhow::{Context, Result, ensure};
use std::process::{Child, Stdio};
use std::time::Duration;

const CONTENDERS: [Contender; 8] = [
    Contender::Route,
    Contender::RouteNoOffload,
    Contender::Nftables,
    Contender::Haproxy,
    Contender::XlvsNat,
    Contender::XlvsTc,
    Contender::XlvsDr,
    Contender::XlvsDrTc,
];
/// Name and iperf3's option.
const WAYS: [(&str, Option<&str>); 2] = [("to the server", None), ("to the client", Some("-R"))];

/// iperf3 on a server, until dropped.
struct Server(Child);

impl Server {
    fn start(host: &Namespace) -> Result<Self> {
        let mut command = host.command("iperf3");
        command.args(["-s", "-p", &FIRST.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut this = Self(command.spawn().context("starting iperf3")?);
        std::thread::sleep(Duration::from_millis(200));
        ensure!(this.0.try_wait()?.is_none(), "iperf3 ended at once");
        Ok(this)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One contender.
struct Track {
    hosts: Hosts,
    disciplines: Vec<Discipline>,
    _server: Server,
}

/// One family, one way.
struct Discipline {
    family: Family,
    way: &'static str,
    option: Option<&'static str>,
    samples: Samples,
}

pub(super) fn measure(rounds: u32) -> Result<Vec<Row>> {
    let mut network = Network::new()?;
    let mut tracks = Vec::new();
    for contender in CONTENDERS {
        eprintln!("bench: bulk: {}", contender.name());
        let hosts = Hosts::build(contender, &mut network, false).with_context(|| contender.name())?;
        let server = Server::start(hosts.servers.first().context("no server")?)?;
        tracks.push(Track { hosts, disciplines: disciplines(contender), _server: server });
    }
    for _ in 0..rounds.min(MOST) {
        for track in &mut tracks {
            for Discipline { family, option, samples, .. } in &mut track.disciplines {
                samples.add_outcome(track.hosts.contender.name(), transfer(&track.hosts, *family, *option));
            }
        }
    }
    let rows = tracks.into_iter().flat_map(|track| {
        let contender = track.hosts.contender;
        track.disciplines.into_iter().map(move |Discipline { family, way, samples, .. }| {
            Row::new(contender, &format!("{family} {way}"), Unit::Gigabits, samples)
        })
    });
    Ok(rows.collect())
}

fn disciplines(contender: Contender) -> Vec<Discipline> {
    let pairs = contender.families().iter().flat_map(|family| WAYS.map(|way| (*family, way)));
    pairs.map(|(family, (way, option))| Discipline { family, way, option, samples: Samples::default() }).collect()
}

/// Rounds, at most: each takes half a minute.
const MOST: u32 = 5;

fn transfer(hosts: &Hosts, family: Family, option: Option<&str>) -> Result<f64> {
    let (address, port) = hosts.contender.target(FIRST, family);
    let mut command = hosts.client.command("iperf3");
    command.args(["-c", &address.to_string(), "-p", &port.to_string(), "-t", "1", "-J"]).args(option);
    let text = finish(&mut command, Duration::from_secs(30))?.success().context("iperf3")?;
    let report: serde_json::Value = serde_json::from_str(&text).context("iperf3's report")?;
    let rate = report["end"]["sum_received"]["bits_per_second"].as_f64();
    let rate = rate.with_context(|| format!("iperf3 names no rate: {} {}", report["error"], report["end"]))?;
    Ok(rate / 1e9)
}
