//! bpf-linker: turns the compiler's bitcode into one BPF object. Built from its published source against Debian's LLVM,
//! which must be no older than the compiler's.

use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::find_program;
use crate::{step, workspace};

/// What its build and, for LLVM's shared library, its run need.
pub(super) const PACKAGES: [&str; 5] = ["llvm-22-dev", "libpolly-22-dev", "libzstd-dev", "zlib1g-dev", "g++"];
const LLVM: &str = "/usr/lib/llvm-22";
const VERSION: &str = "^0.13";

/// True when it runs (its LLVM is there too).
pub(super) fn is_there() -> bool {
    let Some(program) = find_program("bpf-linker") else { return false };
    Command::new(program).arg("--help").output().is_ok_and(|output| output.status.success())
}

pub(super) fn install() -> Result<()> {
    eprintln!("setup: installing bpf-linker (cargo install, about a minute or two)");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut cargo = workspace::cargo(["install", "bpf-linker", "--version", VERSION, "--locked", "--force"]);
    cargo
        .args(["--no-default-features", "--features", "llvm-22"])
        .env("LLVM_PREFIX", LLVM)
        .env("LLVM_SYS_221_PREFIX", LLVM)
        .env("PATH", format!("{LLVM}/bin:{path}"))
        // The folder for the workspace's builds is not for foreign programs.
        .env_remove("CARGO_TARGET_DIR");
    step::execute(&mut cargo).context("bpf-linker could not be built")
}
