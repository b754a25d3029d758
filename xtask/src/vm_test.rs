//! `vm-test`: a command, by default the parity test, under the other kernels that the project promises to work on.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::guest::{self, Guest, Version};
use crate::{parity, workspace};

#[derive(Args)]
pub(crate) struct Options {
    /// Only this kernel
    #[arg(long)]
    kernel: Option<Version>,
    /// Seconds for boot and command, per kernel
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Memory of the guest in MiB
    #[arg(long, default_value_t = 2048)]
    memory: u32,
    /// The command; without one, the parity test
    #[arg(last = true)]
    command: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if let Some(obstacle) = guest::obstacle() {
        eprintln!("vm-test: SKIPPED: {obstacle}");
        return Ok(ExitCode::SUCCESS);
    }
    let (command, folder) = if options.command.is_empty() {
        let mut command = vec![parity::executable()?.display().to_string()];
        command.extend(parity::ARGUMENTS.map(str::to_owned));
        // Where cargo runs a package's tests.
        (command, workspace::root().join("crates/dataplane"))
    } else {
        (options.command.clone(), std::env::current_dir()?)
    };
    let kernels = options.kernel.map_or_else(|| Version::ALL.to_vec(), |kernel| vec![kernel]);
    let mut worst = 0;
    for kernel in kernels {
        eprintln!("==> on kernel {}", kernel.name());
        let timeout = Duration::from_secs(options.timeout);
        let guest = Guest { kernel, memory_mebibytes: options.memory, processors: 2, timeout };
        let code = guest.run(&command, &folder)?;
        eprintln!("vm-test: kernel {}: exit code {code}", kernel.name());
        worst = worst.max(code);
    }
    Ok(ExitCode::from(worst))
}
