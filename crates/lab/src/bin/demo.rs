//! The demo: builds a laboratory, balances real traffic in it, and shows what happened.
#![expect(clippy::print_stdout, reason = "output is the job")]

use anyhow::{Context, Result, ensure};
use clap::Parser;
use lab::node::{Entry, ServerKind, Tally, Xlvs};
use lab::topology::Tunnel;
use lab::{BULK, Family, Lab, Mode, Outcome, Scenario, Topology, view};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Shows the director at work between real programs, in network namespaces.
#[derive(Parser)]
struct Options {
    /// Only this mode.
    #[arg(long)]
    mode: Option<Mode>,
    /// With --mode tun: what stands between the headers.
    #[arg(long, default_value = "ipip")]
    tun_type: Tunnel,
    /// Only this address family.
    #[arg(long, value_parser = ["4", "6"])]
    family: Option<String>,
    /// How servers are chosen.
    #[arg(long, default_value = "rr", value_parser = ["rr", "wrr", "lc", "wlc", "sh", "mh"])]
    scheduler: String,
    /// How many requests.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// How many real servers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    servers: u8,
    /// Where the programs are attached: without it, XDP. `tc` and `auto` leave the hosts every offload they have.
    #[arg(long, value_parser = ["xdp", "tc", "auto"])]
    lane: Option<String>,
    /// Which web server the real servers run.
    #[arg(long, default_value = "embedded")]
    server: ServerKind,
    /// One object on standard output, the rest on standard error.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match show(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for; says whether all went well.
fn show(options: &Options) -> Result<bool> {
    ensure!(lab::is_root(), "network namespaces need root: run it with sudo");
    lab::work::remove_when_interrupted()?;
    let begin = Instant::now();
    let (modes, families) = options.choice();
    let mut well = true;
    for mode in modes {
        let mut lab = None;
        for family in &families {
            let lab = match &mut lab {
                Some(lab) => lab,
                none => none.insert(options.build(mode)?),
            };
            well &= options.run(lab, *family)?;
        }
    }
    eprintln!("{} in {:.1} s", if well { "all well" } else { "NOT all well" }, begin.elapsed().as_secs_f64());
    Ok(well)
}

impl Options {
    /// Modes and families to show: all, or what was named; with --json exactly one of each.
    fn choice(&self) -> (Vec<Mode>, Vec<Family>) {
        let family = self.family.as_deref().map(|family| if family == "6" { Family::V6 } else { Family::V4 });
        if self.json {
            return (vec![self.mode.unwrap_or(Mode::Nat)], vec![family.unwrap_or(Family::V4)]);
        }
        let modes = self.mode.map_or_else(|| vec![Mode::Nat, Mode::Dr, Mode::Tun, Mode::FullNat], |mode| vec![mode]);
        (modes, family.map_or_else(|| Family::ALL.to_vec(), |family| vec![family]))
    }

    /// NAT over a link for each server, the others over a bridge: as each is used.
    fn build(&self, mode: Mode) -> Result<Lab> {
        let topology = match mode {
            Mode::Nat => Topology::point_to_point(mode),
            Mode::Dr | Mode::Tun => Topology::bridged(mode).with_tunnel(self.tun_type, false),
            Mode::FullNat => Topology::bridged(mode),
        };
        let topology = topology.with_servers(self.servers.into());
        let offload = matches!(self.lane.as_deref(), Some("tc" | "auto"));
        Lab::build_with(if offload { topology.with_offload() } else { topology }, self.server)
    }

    fn run(&self, lab: &Lab, family: Family) -> Result<bool> {
        let mode = lab.topology.mode.to_string().to_uppercase();
        self.say(&format!(
            "\n══ {mode}, {family}, {} ══\n\n{}\n",
            self.scheduler,
            view::drawing(&lab.topology, family)
        ));
        let scenario = Scenario { family, scheduler: self.scheduler.clone(), requests: self.requests, bulk: BULK };
        let mut director = lab.director(Entry::Direct)?;
        if let Some(lane) = &self.lane {
            director = director.in_lane(lane);
        }
        director.start()?;
        scenario.configure(lab, &director)?;
        if self.lane.as_deref() == Some("auto") {
            self.await_tc(lab, &scenario, &director)?;
        }
        let lane = director.lane()?;
        self.say(&format!("{}\n", director.ipvsadm("-Ln")?.trim_end()));
        let outcome = scenario.drive(lab, &lane, |tally| progress(tally, self.requests))?;
        director.stop(false).context("stopping the director")?;
        self.report(&outcome)?;
        Ok(outcome.is_well())
    }

    /// The hosts leave checksums to their devices and take nothing from XDP: every interface moves to tc.
    fn await_tc(&self, lab: &Lab, scenario: &Scenario, director: &Xlvs) -> Result<()> {
        let begin = Instant::now();
        while director.lane()? != "tc" {
            ensure!(begin.elapsed() < Duration::from_secs(60), "still in lane {}", director.lane()?);
            // What is sent before the interface has moved is lost on the way.
            let _ = lab.client.curl(&["--max-time", "4", &format!("http://{}/", scenario.service())])?;
        }
        self.say(&format!("lane tc after {:.1} s\n", begin.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Text for people: standard output, unless that is for the object.
    fn say(&self, text: &str) {
        if self.json { eprintln!("{text}") } else { println!("{text}") }
    }

    fn report(&self, outcome: &Outcome) -> Result<()> {
        let megabytes = |bytes: u64| bytes >> 20;
        self.say(&format!(
            "requests by server ({} of {} answered, lane {}):",
            outcome.ok, outcome.requests, outcome.lane
        ));
        self.say(&view::shares(outcome));
        self.say(&format!(
            "one connection each: {} MB to a server, {} MB to the client, {}; wrong checksums at all ends: {}",
            megabytes(outcome.bulk.to_server_bytes),
            megabytes(outcome.bulk.to_client_bytes),
            if outcome.bulk.ok { "identical" } else { "NOT identical" },
            outcome.checksum_errors,
        ));
        self.say(&format!(
            "servers saw: {}",
            outcome.client_seen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ));
        self.say(&format!("\nthe walk of one packet and its answer, as recorded:\n{}", view::walk(&outcome.hops)));
        for error in &outcome.errors {
            eprintln!("problem: {error}");
        }
        if self.json {
            println!("{}", serde_json::to_string(outcome)?);
        }
        Ok(())
    }
}

/// One line that is written over, on a terminal; a line at the end elsewhere.
fn progress(tally: &Tally, all: u64) {
    let shares: Vec<String> = tally.served_by.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let line = format!("{}/{all} requests, {} ok: {}", tally.requests, tally.ok, shares.join(", "));
    let mut out = std::io::stderr();
    if out.is_terminal() {
        if tally.requests.is_multiple_of(10) || tally.requests == all {
            let _ = write!(out, "\r\x1b[K{line}{}", if tally.requests == all { "\n" } else { "" });
        }
    } else if tally.requests == all || tally.requests.is_multiple_of(all.div_ceil(3).max(1)) {
        let _ = writeln!(out, "{line}");
    }
}
