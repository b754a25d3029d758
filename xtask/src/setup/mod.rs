//! `setup`: installs what is missing and says so; looks first, so that a second run is instant.

mod apt;
mod linker;
mod needs;

use anyhow::{Result, bail};

use needs::{NEEDS, Need};

pub(crate) fn run() -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !need.is_there()).collect();
    let linker_missing = !linker::is_there();
    if missing.is_empty() && !linker_missing {
        eprintln!("setup: everything is there");
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if linker_missing {
        packages.extend(linker::PACKAGES.iter().filter(|package| !apt::is_installed(package)));
    }
    packages.sort_unstable();
    packages.dedup();
    for need in &missing {
        eprintln!("setup: missing: {} ({})", need.name, need.purpose);
    }
    if !packages.is_empty() {
        apt::install(&packages)?;
    }
    if linker_missing {
        linker::install()?;
    }
    if let Some(need) = NEEDS.iter().find(|need| !need.is_there()) {
        bail!("{} is still missing after its packages ({}) were installed", need.name, need.packages.join(" "));
    }
    eprintln!("setup: done");
    Ok(())
}
