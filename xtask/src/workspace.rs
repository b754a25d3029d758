//! Where things are, and how to call cargo on them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Where builds go, `CARGO_TARGET_DIR` and configuration considered.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).no_deps().exec();
    Ok(metadata.context("cargo metadata")?.target_directory.into_std_path_buf())
}

/// The cargo that runs this program, at the root of the workspace.
pub(crate) fn cargo<I: IntoIterator<Item = S>, S: AsRef<str>>(arguments: I) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    for argument in arguments {
        cargo.arg(argument.as_ref());
    }
    cargo
}

/// A program on PATH or in the folders of root's PATH, which a user's often lacks.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let root_folders = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo/bin"));
    let cargo_home = std::env::var_os("CARGO_HOME").map(|home| Path::new(&home).join("bin"));
    std::env::split_paths(&path)
        .chain(root_folders)
        .chain(cargo_home)
        .chain(home)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// True when this process may do what root may.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
