//! `vm-test`: a command, by default the parity test, under the other kernels that the project promises to work on.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use crate::differential::Player;
use crate::guest::{self, Guest, Version};
use crate::{parity, step, workspace};

#[derive(Args)]
pub(crate) struct Options {
    /// Only this kernel
    #[arg(long)]
    kernel: Option<Version>,
    /// Seconds for boot and command, per kernel [default: 600; 2400 with --differential or --keepalived]
    #[arg(long)]
    timeout: Option<u64>,
    /// Memory of the guest in MiB [default: 2048; 6144 with --keepalived, which has several directors at once]
    #[arg(long)]
    memory: Option<u32>,
    /// Play the differential scenarios against the kernel's IPVS (6.12 unless --kernel says otherwise) and against xlvs
    #[arg(long, conflicts_with = "command")]
    differential: bool,
    /// Let keepalived with the kernel's IPVS, and then xlvs, decide about failing servers, and compare
    #[arg(long, conflicts_with_all = ["command", "differential"])]
    keepalived: bool,
    /// Let the kernel's IPVS send tunnels to real servers made by xlvs
    #[arg(long, conflicts_with_all = ["command", "differential"])]
    tunnels: bool,
    /// With --differential or --keepalived: only what is named so at its beginning (several with commas)
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// With --differential or --keepalived: play the referee alone and write what it did into the tree, for the tests
    #[arg(long)]
    record: bool,
    /// With --keepalived: instead of plays, how long servers that fail stay in, so many times each [default: 5]
    #[arg(long, value_name = "REPETITIONS", num_args = 0..=1, default_missing_value = "5", requires = "keepalived", conflicts_with_all = ["only", "record"])]
    times: Option<u32>,
    /// With --times: JSON instead of a table
    #[arg(long, requires = "times")]
    json: bool,
    /// A director of xlvs before the tunnel devices of the kernel (6.12 unless --kernel says otherwise)
    #[arg(long, conflicts_with_all = ["command", "differential", "tunnels"])]
    tunnel_devices: bool,
    /// Real VLAN devices on both sides of the director: requests and bulk, each method, family and lane
    #[arg(long, conflicts_with_all = ["command", "differential"])]
    vlan: bool,
    /// The command; without one, the parity test
    #[arg(last = true)]
    command: Vec<String>,
}

impl Options {
    fn guest(&self, kernel: Version) -> Guest {
        // All scenarios twice: five minutes each way on a machine with nothing else to do.
        let usual = if self.differential || self.keepalived { 2400 } else { 600 };
        let timeout = Duration::from_secs(self.timeout.unwrap_or(usual));
        let memory = self.memory.unwrap_or(if self.keepalived { 6144 } else { 2048 });
        Guest { kernel, memory_mebibytes: memory, processors: 2, timeout }
    }

    /// Who is compared with whom.
    fn player(&self) -> Option<Player> {
        if let Some(repetitions) = self.times {
            return Some(Player::detection(repetitions, self.json));
        }
        let keepalived = self.keepalived.then(Player::keepalived);
        keepalived.or_else(|| self.differential.then(Player::differential))
    }

    /// What the guests run, and in which folder.
    fn command(&self) -> Result<(Vec<String>, PathBuf)> {
        if self.vlan {
            return vlan();
        }
        if self.tunnels {
            return Ok((tunnels()?, workspace::root().to_owned()));
        }
        if !self.command.is_empty() {
            return Ok((self.command.clone(), std::env::current_dir()?));
        }
        let mut command = vec![parity::executable()?.display().to_string()];
        command.extend(parity::ARGUMENTS.map(str::to_owned));
        // Where cargo runs a package's tests.
        Ok((command, workspace::root().join("crates/dataplane")))
    }
}

/// The script, and the binary as a user gets it.
fn vlan() -> Result<(Vec<String>, PathBuf)> {
    step::execute(&mut workspace::cargo(["build", "--release", "--package", "xlvs"]))?;
    let binary = workspace::target_directory()?.join("release/xlvs");
    let command = ["sh", "xtask/src/guest/vlan.sh", &binary.display().to_string()].map(str::to_owned);
    Ok((command.to_vec(), workspace::root().to_path_buf()))
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if let Some(obstacle) = guest::obstacle() {
        eprintln!("vm-test: SKIPPED: {obstacle}");
        return Ok(ExitCode::SUCCESS);
    }
    let player = options.player();
    ensure!(
        player.is_some() || (options.only.is_none() && !options.record),
        "--only and --record need --differential or --keepalived"
    );
    if let Some(player) = player {
        return crate::differential::run(
            &player,
            &options.guest(options.kernel.unwrap_or(Version::V6_12)),
            options.only.as_deref(),
            options.record,
        );
    }
    if options.tunnel_devices {
        let guest = options.guest(options.kernel.unwrap_or(Version::V6_12));
        return Ok(ExitCode::from(guest.run(&tunnel_devices()?, workspace::root())?));
    }
    let (command, folder) = options.command()?;
    let kernels = options.kernel.map_or_else(|| Version::ALL.to_vec(), |kernel| vec![kernel]);
    let mut worst = 0;
    for kernel in kernels {
        eprintln!("==> on kernel {}", kernel.name());
        let code = options.guest(kernel).run(&command, &folder)?;
        eprintln!("vm-test: kernel {}: exit code {code}", kernel.name());
        worst = worst.max(code);
    }
    Ok(ExitCode::from(worst))
}

/// Builds xlvs and the program that plays against it.
fn tunnels() -> Result<Vec<String>> {
    step::execute(&mut workspace::cargo(["build", "--release", "--package", "xlvs"]))?;
    step::execute(&mut workspace::cargo(["build", "--package", "lab", "--bin", "tunnels"]))?;
    let target = workspace::target_directory()?;
    let binary = target.join("release/xlvs");
    Ok(vec![
        "env".into(),
        format!("XLVS_BINARY={}", binary.display()),
        target.join("debug/tunnels").display().to_string(),
    ])
}

/// The script that builds its network around the binary and sends traffic through it.
fn tunnel_devices() -> Result<Vec<String>> {
    step::execute(&mut workspace::cargo(["build", "--package", "xlvs"]))?;
    let script = workspace::root().join("xtask/src/guest/tunnels.sh");
    let binary = workspace::target_directory()?.join("debug/xlvs");
    Ok(vec!["bash".to_owned(), script.display().to_string(), binary.display().to_string()])
}
