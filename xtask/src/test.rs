//! `test`: set-up, check, release build and every test; what CI runs and what the README names.

use std::process::Command;

use anyhow::Result;

use crate::step::{self, Summary};
use crate::{check, setup, workspace};

pub(crate) fn run(filters: &[String]) -> Result<()> {
    let mut summary = Summary::default();
    summary.step("setup", setup::run)?;
    check::steps(&mut summary)?;
    // The lab's tests run the binary as a user gets it.
    summary.step("release build of xlvs", || {
        step::execute(&mut workspace::cargo(["build", "--release", "--package", "xlvs"]))
    })?;
    if !workspace::is_root() {
        eprintln!("NOTE: not root: tests that need network namespaces or bpf(2) are SKIPPED");
    }
    if workspace::find_program("cargo-nextest").is_some() {
        if filters.is_empty() {
            summary.step("documentation examples", || {
                step::execute(&mut workspace::cargo(["test", "--quiet", "--workspace", "--all-features", "--doc"]))
            })?;
        }
        summary.step("tests (nextest)", || nextest(filters))?;
    } else {
        summary.step("tests", || pure_tests(filters))?;
        summary.step("tests in the lab, one at a time", || serial_tests(filters))?;
    }
    summary.print();
    eprintln!("all steps passed");
    Ok(())
}

/// Which tests run one at a time is said in .config/nextest.toml.
fn nextest(filters: &[String]) -> Result<()> {
    let mut cargo = workspace::cargo(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"]);
    if workspace::is_root() {
        cargo.args(["--run-ignored", "all"]);
    }
    step::execute(with_binary(&mut cargo)?.args(filters))
}

/// Packages whose tests share the kernel's state: namespaces, pins, links.
const SERIAL: [&str; 4] = ["lab", "dataplane", "director", "xlvs"];

fn pure_tests(filters: &[String]) -> Result<()> {
    let mut cargo = workspace::cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    for package in SERIAL {
        cargo.args(["--exclude", package]);
    }
    cargo.arg("--");
    step::execute(ignored_when_root(with_binary(&mut cargo)?).args(filters))
}

fn serial_tests(filters: &[String]) -> Result<()> {
    let mut cargo = workspace::cargo(["test", "--all-features", "--no-fail-fast"]);
    for package in SERIAL {
        cargo.args(["--package", package]);
    }
    cargo.args(["--", "--test-threads", "1"]);
    step::execute(ignored_when_root(with_binary(&mut cargo)?).args(filters))
}

/// Names the binary that the lab's tests run.
fn with_binary(cargo: &mut Command) -> Result<&mut Command> {
    Ok(cargo.env("XLVS_BINARY", workspace::target_directory()?.join("release/xlvs")))
}

/// Tests marked `#[ignore]` need root, nothing else.
fn ignored_when_root(cargo: &mut Command) -> &mut Command {
    if workspace::is_root() { cargo.arg("--include-ignored") } else { cargo }
}
