//! Measurements. `bench packets`: nanoseconds per packet of the BPF programs, beside a floor measured the same way.

mod packets;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(about = "Measurements of xlvs")]
enum Command {
    /// Nanoseconds per packet: floor (MAC swap and XDP_TX) and xlvs, interleaved, medians of the rounds
    Packets(packets::Options),
}

fn main() -> ExitCode {
    let Command::Packets(options) = Command::parse();
    match packets::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
