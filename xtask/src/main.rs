//! The developer verbs: `cargo xtask VERB`. Each verb is a module; what they say goes to stderr, so that stdout
//! belongs to the program a verb runs.

mod bench;
mod check;
mod demo;
mod differential;
mod doc_check;
mod fuzz;
mod golden;
mod guest;
mod parity;
mod setup;
mod step;
mod test;
mod vm_test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer verbs of xlvs", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what is missing: the BPF toolchain and the tools of the lab
    Setup,
    /// Formatting, clippy without warnings, and the house rules (doc-check)
    Check,
    /// Everything: setup, check, release build, all tests
    Test {
        /// Handed to the test runner, e.g. a name to filter by
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filters: Vec<String>,
    },
    /// Start the lab and show every forwarding mode with real traffic
    #[command(disable_help_flag = true)]
    Demo {
        /// The demo's own options; `cargo xtask demo --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Measurements; `packets` gives nanoseconds per packet, `lab` a director beside its rivals, `health` what checks cost
    #[command(disable_help_flag = true)]
    Bench {
        /// e.g. `packets`, `packets --json`, `packets --against main`, `lab`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        options: Vec<String>,
    },
    /// Every packet case on the host and in the kernel: same verdict, bytes and counters (needs root)
    Parity,
    /// Look for inputs that break a law: every fuzz target in turn, a minute each unless told otherwise
    Fuzz(fuzz::Options),
    /// Run a command in a throw-away guest with another kernel; by default the parity test on every kernel
    VmTest(vm_test::Options),
    /// Who may use whom, the pages that must agree with the workspace, lints, long files
    DocCheck,
    /// Rewrite the golden files of the pure crates from what the code says now
    Golden,
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Setup => setup::run(),
        Verb::Check => check::run(),
        Verb::Test { filters } => test::run(&filters),
        Verb::Demo { options } => return demo::run(&options),
        Verb::Bench { options } => return bench::run(&options),
        Verb::Parity => parity::run(),
        Verb::Fuzz(options) => return fuzz::run(&options),
        Verb::VmTest(options) => return vm_test::run(&options),
        Verb::DocCheck => doc_check::run(),
        Verb::Golden => golden::run(),
    }
    .map(|()| ExitCode::SUCCESS)
}
