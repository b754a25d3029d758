//! What must hold before the daemon starts, each with one line that says what to do.

use anyhow::{Result, bail};
use model::Config;
use nix::net::if_::if_nametoindex;
use nix::unistd::geteuid;
use std::path::Path;

const NET_ADMIN: u32 = 12;
const SYS_ADMIN: u32 = 21;
const BPF: u32 = 39;

/// Reads a configuration; what of it is not done is told.
pub(super) fn config(path: &Path, accept: bool) -> Result<Config> {
    let reading = director::Reading::of(path, accept)?;
    reading.notices.iter().for_each(|notice| tracing::warn!("{notice}"));
    Ok(reading.config)
}

/// Every interface is there.
pub(super) fn interfaces(names: &[String]) -> Result<()> {
    for name in names {
        if if_nametoindex(name.as_str()).is_err() {
            bail!("there is no interface {name} in this network namespace (`ip link` lists what there is)");
        }
    }
    Ok(())
}

/// The place for pins is a directory, or none yet.
pub(super) fn pin_directory(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        bail!("--pin-dir {} is a file; name a directory, which may be a new one", path.display());
    }
    Ok(())
}

/// The process may load and attach programs.
pub(super) fn privileges() -> Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    // Without /proc nothing is known, and the kernel will say.
    let Some(effective) = effective(&status) else { return Ok(()) };
    let Some(missing) = missing(effective) else { return Ok(()) };
    if geteuid().is_root() {
        bail!("this process has lost {missing}: `xlvs run` needs CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN)");
    }
    bail!("`xlvs run` must be started by root, or with CAP_BPF and CAP_NET_ADMIN (this process lacks {missing})");
}

fn effective(status: &str) -> Option<u64> {
    let digits = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(digits.trim(), 16).ok()
}

fn missing(effective: u64) -> Option<&'static str> {
    let has = |capability: u32| effective >> capability & 1 == 1;
    match (has(SYS_ADMIN) || has(BPF), has(SYS_ADMIN) || has(NET_ADMIN)) {
        (true, true) => None,
        (false, true) => Some("CAP_BPF"),
        (true, false) => Some("CAP_NET_ADMIN"),
        (false, false) => Some("CAP_BPF and CAP_NET_ADMIN"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_capabilities_are_missing() {
        for (effective, expected) in [
            (1 << SYS_ADMIN, None),
            (1 << BPF | 1 << NET_ADMIN, None),
            (1 << BPF, Some("CAP_NET_ADMIN")),
            (1 << NET_ADMIN, Some("CAP_BPF")),
            (0, Some("CAP_BPF and CAP_NET_ADMIN")),
        ] {
            assert_eq!(missing(effective), expected, "{effective:x}");
        }
    }

    #[test]
    fn effective_capabilities_are_read_from_proc() {
        assert_eq!(effective("Name:\tx\nCapPrm:\t0\nCapEff:\t0000003fffffffff\n"), Some(0x3f_ffff_ffff));
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn a_file_is_no_place_for_pins() {
        let error = pin_directory(Path::new("/proc/self/status")).unwrap_err().to_string();
        assert!(error.starts_with("--pin-dir /proc/self/status is a file; "), "{error}");
        assert!(pin_directory(Path::new("/proc/self/xlvs-none")).is_ok());
        assert!(pin_directory(Path::new("/proc")).is_ok());
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        let error = interfaces(&["lo".into(), "xlvs-none".into()]).unwrap_err().to_string();
        assert!(error.starts_with("there is no interface xlvs-none"), "{error}");
    }
}
