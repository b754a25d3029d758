//! The BPF object of another commit, built in a folder of its own below the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::{step, workspace};

/// Builds the object of a commit, unless it is there from an earlier run.
pub(super) fn object(commit: &str) -> Result<PathBuf> {
    let name = format!("{commit}^{{commit}}");
    let mut parse = git(["rev-parse", "--verify", "--quiet", "--short=12", &name]);
    let commit = step::output(&mut parse).with_context(|| format!("{commit} is neither a file nor a commit"))?;
    let folder = workspace::target_directory()?.join("against");
    let object = folder.join(format!("{}.o", commit.trim()));
    if !object.is_file() {
        let tree = folder.join(commit.trim());
        unpack(commit.trim(), &tree)?;
        let built = build(&tree, &folder.join("target"))?;
        fs::copy(&built, &object).with_context(|| format!("copying {}", built.display()))?;
    }
    Ok(object)
}

fn unpack(commit: &str, tree: &Path) -> Result<()> {
    fs::create_dir_all(tree).with_context(|| format!("making {}", tree.display()))?;
    let archive = tree.with_extension("tar");
    step::execute(git(["archive", "--format=tar", commit, "-o"]).arg(&archive))?;
    step::execute(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(tree))?;
    Ok(fs::remove_file(&archive)?)
}

fn build(tree: &Path, target: &Path) -> Result<PathBuf> {
    let mut cargo = workspace::cargo(["build", "--release", "--package", "dataplane", "--target-dir"]);
    step::run("BPF object of the other commit", cargo.arg(target).current_dir(tree))?;
    newest(&target.join("release/build")).context("its build left no object xlvs-bpf")
}

/// The object that a build script of `dataplane` wrote last.
fn newest(folder: &Path) -> Option<PathBuf> {
    let scripts = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path().join("out/xlvs-bpf"));
    let written =
        |path: &PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    scripts.filter(|path| path.is_file()).max_by_key(written)
}

fn git<const N: usize>(arguments: [&str; N]) -> Command {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args(arguments);
    git
}
