//! `bench reload`: how long a change of a large configuration takes, from the file's last byte to the last map.

mod director;
mod file;
mod report;

use ::lab::network::Network;
use ::lab::work;
use anyhow::{Context, Result, ensure};
use director::{Director, Way};
use file::File;
use nix::unistd::Uid;
use report::{Report, Row};

/// What to measure and how to say it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// How many services there are
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(2..=16_384))]
    services: u32,
    /// How many servers each of them has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    servers: u32,
    /// Rounds over all rows
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Only files in this language
    #[arg(long, value_enum)]
    language: Option<Language>,
}

/// The language of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Language {
    /// keepalived.conf
    Keepalived,
    /// xlvs.toml
    Toml,
}

impl Language {
    const fn file_name(self) -> &'static str {
        match self {
            Self::Keepalived => "keepalived.conf",
            Self::Toml => "xlvs.toml",
        }
    }
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(Uid::effective().is_root(), "namespaces and BPF programs need root: run it with sudo");
    work::remove_when_interrupted()?;
    let mut network = Network::new()?;
    let mut report = Report::begin(options);
    let languages = [Language::Keepalived, Language::Toml];
    let languages = languages.into_iter().filter(|it| options.language.is_none_or(|only| only == *it));
    let mut rows: Vec<Row> = languages
        .flat_map(|language| [false, true].map(|checked| (language, checked)))
        .flat_map(|(language, checked)| [Way::Signal, Way::Apply].map(|way| Row::new(language, checked, way)))
        .collect();
    for round in 1..=options.rounds {
        for row in &mut rows {
            measure(row, options, &mut network).with_context(|| row.to_string())?;
        }
        eprintln!("round {round} of {} is done", options.rounds);
    }
    report.end(rows);
    report::print(&report, options.json)
}

/// One row, one round: a daemon of its own.
fn measure(row: &mut Row, options: &Options, network: &mut Network) -> Result<()> {
    let Options { services, servers, .. } = *options;
    let (language, checked) = (row.language, row.checked);
    let whole = File { language, checked, services, servers, first_weight: 1, weight: 1 };
    let mut director = Director::start(&whole, network)?;
    row.first.push(director.change(&whole, row.way)?);
    let expected = usize::try_from(services * servers)?;
    let there = director.servers()?;
    ensure!(there == expected, "{there} of {expected} servers are in the rotation");
    let edited = File { first_weight: 2, ..whole };
    row.one.push(director.change(&edited, row.way)?);
    row.all.push(director.change(&File { weight: 3, first_weight: 3, ..whole }, row.way)?);
    Ok(())
}
