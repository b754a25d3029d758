//! The kernel's own IPVS as director of tunnels, the real server's programs at their other end. Needs a kernel with IPVS:
//! run by `cargo xtask vm-test --tunnels`.
#![expect(clippy::print_stdout, reason = "output is the job")]

use anyhow::{Context, Result, ensure};
use lab::node::{Agent, RealServer, Reuse, WEB, finish};
use lab::topology::{Dual, address};
use lab::{Family, Lab, Mode, Topology};
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Guests are slow.
const COMMAND: Duration = Duration::from_secs(120);
/// Requests of each combination, and bytes of its upload.
const REQUESTS: u64 = 8;
const UPLOAD: u64 = 300_000;

/// What ipvsadm is told of an encapsulation.
const ENCAPSULATIONS: [(&str, &str); 5] = [
    ("IP in IP", ""),
    ("GRE", "--tun-type gre"),
    ("GRE with checksum", "--tun-type gre --tun-csum"),
    ("GUE", "--tun-type gue --tun-port 6080"),
    ("GUE with checksum", "--tun-type gue --tun-port 6080 --tun-csum"),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tunnels: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    finish(Command::new("modprobe").args(["-a", "ip_vs", "ip_vs_rr"]), COMMAND)?.success().context("modprobe ip_vs")?;
    // All hosts of one segment; the servers begin as those of direct routing and become those of tunnels.
    let lab = Lab::build(Topology::one_armed(Mode::Dr).with_servers(2))?;
    let agents: Vec<Agent> = lab.servers.iter().map(|server| Agent::new(&server.host, lab.network.work())).collect();
    let (vip, director) = (address::VIRTUAL, lab.topology.director_back(1));
    for agent in &agents {
        let line = format!("up --mode tun --vip {} {} --director {} {}", vip.v4, vip.v6, director.v4, director.v6);
        agent.must(&line)?;
    }
    for outer in Family::ALL {
        for inner in Family::ALL {
            for (name, options) in ENCAPSULATIONS {
                let before = decapsulated(&agents)?;
                play(&lab, inner, outer, options).with_context(|| format!("{inner} in {outer} by {name}"))?;
                let packets = decapsulated(&agents)? - before;
                ensure!(packets > REQUESTS * 4, "{inner} in {outer} by {name}: only {packets} packets came in tunnels");
                println!(
                    "{inner} in {outer} by {name}: {REQUESTS} requests and an upload, {packets} packets taken out"
                );
            }
        }
    }
    by_devices(&lab, &agents)?;
    ensure!(lab.counters()?.checksum_errors == 0, "wrong checksums arrived");
    Ok(())
}

/// The same with the kernel's own devices, which come and go with `up` and `down`.
fn by_devices(lab: &Lab, agents: &[Agent]) -> Result<()> {
    const DEVICES: [&str; 2] = ["tunl0", "ip6tnl0"];
    let devices = || -> Result<Vec<&str>> {
        let host = &lab.servers.first().context("no servers")?.host;
        let listing = host.proc_net("dev")?;
        Ok(DEVICES.into_iter().filter(|name| listing.contains(&format!("{name}:"))).collect())
    };
    let vip = address::VIRTUAL;
    agents.iter().try_for_each(|agent| agent.must("down").map(drop))?;
    ensure!(devices()?.is_empty(), "the guest has tunnel devices before they are asked for");
    for agent in agents {
        agent.must(&format!("up --mode tun --vip {} {} --decap kernel", vip.v4, vip.v6))?;
        let (code, status) = agent.status()?;
        ensure!(code != Some(2), "a server that was just made is a bad one: {status:#}");
    }
    for family in Family::ALL {
        play(lab, family, family, "").with_context(|| format!("{family} by the kernel's device"))?;
        println!("{family} in {family} by the kernel's device: {REQUESTS} requests and an upload");
    }
    // The module goes with the last server that uses it.
    agents.iter().try_for_each(|agent| agent.must("down").map(drop))?;
    ensure!(devices()?.is_empty(), "after down there is still {:?}", devices()?);
    println!("after down the devices are gone");
    Ok(())
}

/// Requests by turns and an upload in full-size packets.
fn play(lab: &Lab, inner: Family, outer: Family, options: &str) -> Result<()> {
    let service = SocketAddr::new(address::VIRTUAL.of(inner), WEB);
    ipvsadm(lab, "-C")?;
    ipvsadm(lab, &format!("-A -t {service} -s rr"))?;
    for server in &lab.servers {
        ipvsadm(lab, &format!("-a -t {service} -r {} -i {options}", endpoint(server, outer)))?;
    }
    let tally = lab.client.requests(service, REQUESTS, Reuse::Close, |_| true)?;
    ensure!(tally.ok == REQUESTS, "{} of {REQUESTS} requests: {:?}", tally.ok, tally.errors);
    ensure!(tally.served_by.len() == lab.servers.len(), "served by {:?} only", tally.served_by);
    lab.client.upload(service, UPLOAD).map(drop)
}

fn endpoint(server: &RealServer, family: Family) -> SocketAddr {
    let Dual { v4, v6 } = server.address;
    let address = match family {
        Family::V4 => IpAddr::V4(v4),
        Family::V6 => IpAddr::V6(v6),
    };
    SocketAddr::new(address, WEB)
}

fn ipvsadm(lab: &Lab, line: &str) -> Result<()> {
    let mut command = lab.director.command("ipvsadm");
    finish(command.args(line.split_whitespace()), COMMAND)?
        .success()
        .with_context(|| format!("ipvsadm {line}"))
        .map(drop)
}

fn decapsulated(agents: &[Agent]) -> Result<u64> {
    let mut sum = 0;
    for agent in agents {
        let (_, status) = agent.status()?;
        sum += status["programs"]["counters"]["decapsulated"].as_u64().context("status without counters")?;
    }
    Ok(sum)
}
