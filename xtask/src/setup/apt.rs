//! Debian packages, without a question asked and without a service started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

pub(super) fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status}", package])
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

pub(super) fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if workspace::find_program("apt-get").is_none() {
        bail!("apt-get is not here; install what these Debian packages bring and run this again: {list}");
    }
    if !workspace::is_root() {
        bail!("root is needed; run: sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}");
    }
    eprintln!("setup: installing Debian packages: {list}");
    let _quiet = NoServices::begin()?;
    apt_get(&["update", "--quiet=2"])?;
    apt_get(&[&["install", "--yes", "--quiet=2", "--no-install-recommends"], packages].concat())
}

/// Runs apt-get with a frontend that asks nothing; its hundreds of lines are shown only when it fails.
fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .context("cannot run apt-get")?;
    if !output.status.success() {
        eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!(
            "apt-get {} failed ({}), its words are above; where rustc-web is unknown, this serves as well: \
             rustup toolchain install nightly --component rust-src",
            arguments.join(" "),
            output.status
        );
    }
    Ok(())
}

/// Debian's switch against services that start on installation (nginx would take port 80): a policy file, there only
/// while apt works.
struct NoServices {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";
const CONTENT: &str = "#!/bin/sh\n# put here by `cargo xtask setup` for the time of one installation\nexit 101\n";

impl NoServices {
    fn begin() -> Result<Self> {
        let left_behind = fs::read_to_string(POLICY).is_ok_and(|text| text == CONTENT);
        if Path::new(POLICY).exists() && !left_behind {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, CONTENT).with_context(|| format!("writing {POLICY}"))?;
        let guard = Self { ours: true };
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)).with_context(|| format!("chmod {POLICY}"))?;
        Ok(guard)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("setup: {POLICY} could not be removed ({error}); remove it, it keeps services from starting");
        }
    }
}
