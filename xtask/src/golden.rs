//! `golden`: rewrites the golden files from what the code says now; the difference is then read and committed.

use anyhow::Result;

use crate::{step, workspace};

/// Crates that keep golden files.
const PACKAGES: [&str; 2] = ["model", "xlvs"];

pub(crate) fn run() -> Result<()> {
    for package in PACKAGES {
        let mut cargo = workspace::cargo(["test", "--all-features", "--package", package]);
        cargo.env("INSTA_UPDATE", "always").env("INSTA_FORCE_PASS", "1");
        step::run(&format!("golden files of {package}"), &mut cargo)?;
    }
    step::run(
        "what changed",
        std::process::Command::new("git").args(["status", "--short"]).current_dir(workspace::root()),
    )
}
