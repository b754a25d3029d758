//! Connections per second: a real client (wrk) asks nginx servers, `Connection: close`, so that each request is a
//! connection of its own.

use super::address::ALL;
use super::contender::Contender;
use super::hosts::Hosts;
use super::report::{Row, Unit};
use super::sample::Samples;
use ::lab::network::Network;
use ::lab::node::finish;
use ::lab::topology::Family;
use anyhow::{Context, Result};
use std::time::Duration;

const CONTENDERS: [Contender; 7] = [
    Contender::Route,
    Contender::Nftables,
    Contender::Haproxy,
    Contender::XlvsNat,
    Contender::XlvsTc,
    Contender::NftablesFull,
    Contender::XlvsFullNat,
];

pub(super) fn measure(rounds: u32) -> Result<Vec<Row>> {
    let mut network = Network::new()?;
    let mut all = Vec::new();
    for contender in CONTENDERS {
        eprintln!("bench: connections: {}", contender.name());
        let hosts = Hosts::build(contender, &mut network, true).with_context(|| contender.name())?;
        all.push((hosts, Samples::default()));
    }
    for round in 0..=rounds {
        for (hosts, samples) in &mut all {
            let outcome = ask(hosts);
            // The first round resolves neighbours and warms up.
            if round > 0 {
                samples.errors += outcome.as_ref().map_or(0, |(_, errors)| *errors);
                samples.add_outcome(hosts.contender.name(), outcome.map(|(rate, _)| rate));
            }
        }
    }
    let row = |(hosts, samples): (Hosts, Samples)| Row::new(hosts.contender, "close", Unit::Connections, samples);
    Ok(all.into_iter().map(row).collect())
}

/// One second of requests over 32 connections at a time: the rate, and how many failed.
fn ask(hosts: &Hosts) -> Result<(f64, u64)> {
    let (address, port) = hosts.contender.target(ALL, Family::V4);
    let mut command = hosts.client.command("wrk");
    command.args(["-t1", "-c32", "-d1s", "-H", "Connection: close"]).arg(format!("http://{address}:{port}/"));
    parse(&finish(&mut command, Duration::from_secs(20))?.success().context("wrk")?)
}

/// The rate and the errors in wrk's report.
pub(super) fn parse(text: &str) -> Result<(f64, u64)> {
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    let rate = rate.with_context(|| format!("wrk names no rate: {text}"))?.trim().parse()?;
    let bad =
        text.lines().map(str::trim).filter(|line| line.starts_with("Socket errors:") || line.starts_with("Non-2xx"));
    let numbers = bad.flat_map(|line| line.split(|letter: char| !letter.is_ascii_digit()));
    // The 2 of `Non-2xx or 3xx` and its 3 are no errors.
    let errors = numbers.filter_map(|word| word.parse::<u64>().ok()).sum::<u64>();
    let names = if text.contains("Non-2xx") { 5 } else { 0 };
    Ok((rate, errors.saturating_sub(names)))
}
