//! `check`: formatting, clippy, house rules; nothing is run, nothing needs root.

use anyhow::Result;

use crate::step::{self, Summary};
use crate::{doc_check, workspace};

pub(crate) fn run() -> Result<()> {
    let mut summary = Summary::default();
    steps(&mut summary)?;
    summary.print();
    Ok(())
}

/// The steps, cheapest first.
pub(crate) fn steps(summary: &mut Summary) -> Result<()> {
    summary.step("house rules (doc-check)", doc_check::run)?;
    summary.step("formatting", || step::execute(&mut workspace::cargo(["fmt", "--all", "--check"])))?;
    summary.step("clippy, warnings are errors", || {
        let arguments = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
        step::execute(&mut workspace::cargo(arguments))
    })
}
