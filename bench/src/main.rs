//! Measurements. `bench packets`: nanoseconds per packet of the BPF programs, beside a floor measured the same way.
//! `bench lab`: what a director costs in a network of namespaces, beside routing, nftables and HAProxy.
//! `bench health`: what checks cost, beside keepalived, and how late they come.
//! `bench reload`: how long a change of a large configuration takes.

mod bpf;
mod health;
mod lab;
mod packets;
mod reload;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(about = "Measurements of xlvs")]
enum Command {
    /// Nanoseconds per packet: floor (MAC swap and XDP_TX) and xlvs, interleaved, medians of the rounds
    Packets(packets::Options),
    /// A director between clients and servers: nanoseconds per packet, connections per second, gigabits per second,
    /// beside kernel routing, nftables and HAProxy in the same run
    Lab(lab::Options),
    /// Checks of many servers: share of a core, memory, and how late they come, xlvs and keepalived in turn
    Health(health::Options),
    /// A large configuration taken over, edited in one place, and edited everywhere: milliseconds, medians of the rounds
    Reload(reload::Options),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Packets(options) => packets::run(&options),
        Command::Lab(options) => lab::run(&options),
        Command::Health(options) => health::run(&options),
        Command::Reload(options) => reload::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
