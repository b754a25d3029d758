//! `bench health`: what checks cost whoever makes them, and how late they come, in a namespace of their own.

pub(crate) mod asked;
mod checker;
mod report;
pub(crate) mod usage;

use ::lab::network::Network;
use ::lab::work;
use anyhow::{Context, Result, ensure};
use asked::Asked;
use checker::{Checker, Contender};
use nix::unistd::Uid;
use report::{Report, Row};
use std::time::{Duration, Instant};

/// Time for everything that happens once, and longest wait for the first checks of all servers.
const SETTLE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// What to measure and how to say it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// How many servers are checked, each of them every second
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    checks: u32,
    /// How they are checked
    #[arg(long, value_enum, default_value_t = Kind::Tcp)]
    kind: Kind,
    /// Rounds over all contenders
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Seconds that each of them is measured in each round
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
}

/// Kinds of checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A connection
    Tcp,
    /// A page
    Http,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(Uid::effective().is_root(), "namespaces and BPF programs need root: run it with sudo");
    work::remove_when_interrupted()?;
    let network = Network::new()?;
    let mut report = Report::begin(options);
    let mut contenders = vec![Row::new(Contender::Xlvs), Row::new(Contender::Keepalived)];
    for round in 1..=options.rounds {
        for row in &mut contenders {
            let contender = row.contender();
            match measure(contender, options, &network) {
                Ok(sample) => row.add(sample),
                // It has no row, and the others have theirs.
                Err(error) if contender == Contender::Keepalived => {
                    eprintln!("bench: {} is left out: {error:#}", contender.name());
                    row.leave_out();
                }
                Err(error) => return Err(error).context(contender.name()),
            }
        }
        contenders.retain(|row| !row.is_left_out());
        eprintln!("round {round} of {} is done", options.rounds);
    }
    report.end(contenders);
    report::print(&report, options.json)
}

/// Waits until all servers have been asked once; a machine that is too slow for that is measured as it is.
fn settle(asked: &Asked, servers: usize) {
    let begin = Instant::now();
    std::thread::sleep(SETTLE);
    while asked.servers() < servers && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// One contender, one round.
fn measure(contender: Contender, options: &Options, network: &Network) -> Result<report::Sample> {
    let host = network.host(&format!("health-{}", contender.name()))?;
    let asked = Asked::listen(&host, options.kind)?;
    let mut checker = Checker::start(contender, &host, options, network)?;
    settle(&asked, usize::try_from(options.checks)?);
    checker.still_runs()?;
    let (before, began) = (checker.usage()?, asked.begin());
    std::thread::sleep(Duration::from_secs(options.seconds));
    let after = checker.usage()?;
    let attempts = asked.end();
    checker.still_runs()?;
    ensure!(attempts.servers() > 0, "no server was checked");
    Ok(report::Sample {
        servers: attempts.servers(),
        share: after.share_since(&before, began.elapsed()),
        megabytes: after.megabytes(),
        checks_a_second: attempts.count() as f64 / began.elapsed().as_secs_f64(),
        late: attempts.lateness(Duration::from_secs(1)),
    })
}
