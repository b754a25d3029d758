//! `fuzz`: the targets of the fuzz crate under libFuzzer, one after the other, with coverage as their guide.
//!
//! The stable compiler does it: RUSTC_BOOTSTRAP admits the flags that instrument the code. What is found stays in
//! the target folder; `--keep` brings the smallest set that reaches the same code into the tree.

mod corpus;
mod report;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{setup, step, workspace};
use report::Row;

/// What the compiler adds for libFuzzer: counters at every edge, and the operands of comparisons.
const INSTRUMENTATION: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
];

#[derive(Args)]
pub(crate) struct Options {
    /// Only this target
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Processes for each target
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
    /// Afterwards, put the smallest corpus that reaches the same code into the tree
    #[arg(long)]
    keep: bool,
}

/// What all runs have in common.
struct Fuzzer {
    binary: PathBuf,
    /// Where inputs and findings go.
    folder: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run()?;
    let targets = chosen(options.target.as_deref())?;
    let fuzzer = build()?;
    let mut rows = Vec::new();
    for target in targets {
        if target.needs_root && !workspace::is_root() {
            eprintln!("fuzz: {}: SKIPPED: it needs root", target.name);
            continue;
        }
        eprintln!("==> {}: {}", target.name, target.law);
        let row = run::target(&fuzzer, &target.name, options.seconds, options.jobs)?;
        eprintln!("    {row}");
        if options.keep && row.findings.is_empty() {
            corpus::keep(&fuzzer, &target.name)?;
        }
        rows.push(row);
    }
    report::print(&rows);
    let clean = rows.iter().all(|row: &Row| row.findings.is_empty());
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Target {
    name: String,
    law: String,
    needs_root: bool,
}

/// The crate's own list, as its binary prints it when it is asked for none.
fn chosen(wanted: Option<&str>) -> Result<Vec<Target>> {
    let list = step::output(&mut workspace::cargo(["run", "--quiet", "--package", "fuzz"]))?;
    let targets: Vec<Target> = list.lines().filter_map(parse).collect();
    let names = targets.iter().map(|target| target.name.clone()).collect::<Vec<_>>().join(", ");
    let chosen: Vec<Target> =
        targets.into_iter().filter(|target| wanted.is_none_or(|wanted| wanted == target.name)).collect();
    if chosen.is_empty() {
        bail!("no target `{}`; there are {names}", wanted.unwrap_or_default());
    }
    Ok(chosen)
}

fn parse(line: &str) -> Option<Target> {
    let mut fields = line.splitn(3, '\t');
    let (name, right, law) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Target { name: name.to_owned(), law: law.to_owned(), needs_root: right == "root" })
}

/// Builds the instrumented binary. With `--target` the flags reach neither build scripts nor macros.
fn build() -> Result<Fuzzer> {
    let host = host_triple()?;
    let folder = workspace::target_directory()?.join("fuzz");
    let mut cargo = workspace::cargo(["build", "--release", "--package", "fuzz", "--target", &host, "--target-dir"]);
    cargo.arg(&folder).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", INSTRUMENTATION.join(" "));
    step::run("instrumented build of the fuzz targets", &mut cargo)?;
    Ok(Fuzzer { binary: folder.join(&host).join("release/fuzz"), folder })
}

fn host_triple() -> Result<String> {
    let version = step::output(std::process::Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}
