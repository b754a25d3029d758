//! The guests' kernels: Debian's packages, downloaded and unpacked once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{step, workspace};

/// The series that the project promises to work on, besides the host's.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Version {
    #[value(name = "6.1")]
    V6_1,
    #[value(name = "6.12")]
    V6_12,
}

impl Version {
    pub(crate) const ALL: [Self; 2] = [Self::V6_1, Self::V6_12];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
        }
    }
}

/// An unpacked kernel.
pub(super) struct Kernel {
    /// What `uname -r` says in the guest.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// The folder that holds a folder named after the release.
    pub(super) modules: PathBuf,
}

impl Kernel {
    fn open(folder: &Path) -> Result<Self> {
        let modules = folder.join("root/lib/modules");
        let entry = fs::read_dir(&modules).with_context(|| format!("listing {}", modules.display()))?.next();
        let entry = entry.with_context(|| format!("{} is empty", modules.display()))??;
        let release = entry.file_name().to_string_lossy().into_owned();
        let image = folder.join("root/boot").join(format!("vmlinuz-{release}"));
        Ok(Self { release, image, modules })
    }
}

/// The kernel from the cache, or downloaded into it.
pub(super) fn prepare(version: Version, cache: &Path) -> Result<Kernel> {
    let folder = cache.join(version.name());
    if !folder.exists() {
        let package = newest_package(version)?;
        eprintln!("guest: downloading {package} (once, into {})", folder.display());
        let fresh = cache.join(format!("{}.{}", version.name(), std::process::id()));
        fs::create_dir_all(&fresh).with_context(|| format!("creating {}", fresh.display()))?;
        let unpacked = download(&package, &fresh).and_then(|()| {
            // Renamed last: a folder under its final name is whole. Another run may have been faster.
            fs::rename(&fresh, &folder).or_else(|error| if folder.exists() { Ok(()) } else { Err(error.into()) })
        });
        if fresh.exists() {
            fs::remove_dir_all(&fresh).with_context(|| format!("removing {}", fresh.display()))?;
        }
        unpacked.with_context(|| format!("fetching the kernel {package}"))?;
    }
    Kernel::open(&folder)
}

fn newest_package(version: Version) -> Result<String> {
    let prefix = format!("linux-image-{}.", version.name());
    let names = || step::output(Command::new("apt-cache").args(["pkgnames", &prefix]));
    if let Some(package) = newest(&names()?) {
        return Ok(package);
    }
    if workspace::is_root() {
        step::run("apt-get update (no kernel known)", Command::new("apt-get").args(["update", "--quiet=2"]))?;
    }
    newest(&names()?).with_context(|| format!("apt knows no package {prefix}*-amd64 (apt-get update?)"))
}

/// The newest of the plain kernels among package names.
fn newest(names: &str) -> Option<String> {
    let plain = |name: &&str| name.ends_with("-amd64") && !name.contains("-cloud-") && !name.contains("-rt-");
    names.lines().filter(plain).max_by_key(|name| numbers(name)).map(str::to_owned)
}

/// The numbers in a text, so that 6.12.100 comes after 6.12.99.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|character: char| !character.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn download(package: &str, folder: &Path) -> Result<()> {
    // Without the option apt drops root to a user who may not write here.
    let mut apt = Command::new("apt-get");
    step::execute(apt.args(["-qq", "-o", "APT::Sandbox::User=root", "download", package]).current_dir(folder))?;
    let archive = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no .deb")?;
    let root = folder.join("root");
    step::execute(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&root))?;
    fs::remove_file(&archive)?;
    if !root.join("lib/modules").exists() && root.join("usr/lib/modules").exists() {
        std::os::unix::fs::symlink("usr/lib", root.join("lib"))?;
    }
    let kernel = Kernel::open(folder)?;
    if !kernel.image.exists() {
        bail!("{} is not in the package", kernel.image.display());
    }
    unpack_modules(&kernel)?;
    let depmod = workspace::find_program("depmod").context("depmod not found (package kmod)")?;
    step::execute(Command::new(depmod).arg("-b").arg(&root).arg(&kernel.release))
}

/// Modules that guests load are unpacked here once, not in every guest, where it is slow.
fn unpack_modules(kernel: &Kernel) -> Result<()> {
    let folder = kernel.modules.join(&kernel.release).join("kernel");
    let mut find = Command::new("find");
    find.args(["net", "lib", "crypto", "fs", "drivers/net", "drivers/virtio", "drivers/char"]);
    find.args(["-name", "*.ko.xz", "-exec", "xz", "--decompress", "{}", "+"]);
    step::execute(find.current_dir(folder))
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn the_newest_plain_kernel_is_taken() {
        let names = "linux-image-6.1.0-9-amd64\nlinux-image-6.1.0-47-amd64\nlinux-image-6.1.0-50-cloud-amd64\n\
            linux-image-6.1.0-51-rt-amd64\nlinux-image-6.1.0-52-amd64-dbg\nlinux-image-6.1.0-53-amd64-unsigned\n";
        assert_eq!(newest(names).as_deref(), Some("linux-image-6.1.0-47-amd64"));
        assert_eq!(newest("linux-image-6.1.0-50-cloud-amd64\n"), None);
    }
}
