//! What the builds, the lab and the guests need: how to see that it is there, and which Debian packages bring it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::find_program;

/// Something that must be on the machine.
pub(super) struct Need {
    pub(super) name: &'static str,
    pub(super) packages: &'static [&'static str],
    pub(super) purpose: &'static str,
    probe: Probe,
}

enum Probe {
    Program,
    Custom(fn() -> bool),
}

impl Need {
    const fn program(name: &'static str, package: &'static [&'static str], purpose: &'static str) -> Self {
        Self { name, packages: package, purpose, probe: Probe::Program }
    }

    pub(super) fn is_there(&self) -> bool {
        match self.probe {
            Probe::Program => find_program(self.name).is_some(),
            Probe::Custom(probe) => probe(),
        }
    }
}

const LAB: &str = "lab";
const INTEROP: &str = "lab, programs to compare with";
const GUEST: &str = "guests with other kernels";

pub(super) const NEEDS: &[Need] = &[
    Need {
        name: "Rust for BPF",
        packages: &["rustc-web", "libstd-rust-web-dev-bpf"],
        purpose: "builds the BPF programs",
        probe: Probe::Custom(has_bpf_rust),
    },
    Need::program("cc", &["gcc", "libc6-dev"], "links the host programs"),
    Need::program("ip", &["iproute2"], LAB),
    Need::program("ethtool", &["ethtool"], LAB),
    Need::program("nft", &["nftables"], LAB),
    Need::program("tshark", &["tshark"], LAB),
    Need::program("bpftool", &["bpftool"], LAB),
    Need::program("traceroute", &["traceroute"], LAB),
    Need::program("ping", &["iputils-ping"], LAB),
    Need::program("arping", &["arping"], LAB),
    Need::program("iperf3", &["iperf3"], LAB),
    Need::program("python3", &["python3-minimal"], LAB),
    Need { name: "/etc/services", packages: &["netbase"], purpose: LAB, probe: Probe::Custom(has_services) },
    Need::program("curl", &["curl"], INTEROP),
    Need::program("nginx", &["nginx-light"], INTEROP),
    Need::program("ipvsadm", &["ipvsadm"], INTEROP),
    Need::program("keepalived", &["keepalived"], INTEROP),
    Need::program("haproxy", &["haproxy"], INTEROP),
    Need::program("wrk", &["wrk"], INTEROP),
    Need { name: "Python's grpc", packages: &["python3-grpcio"], purpose: INTEROP, probe: Probe::Custom(has_grpc) },
    Need::program("qemu-system-x86_64", &["qemu-system-x86"], GUEST),
    Need { name: "static busybox", packages: &["busybox-static"], purpose: GUEST, probe: Probe::Custom(has_busybox) },
    Need::program("depmod", &["kmod"], GUEST),
    Need::program("xz", &["xz-utils"], GUEST),
];

/// The same choice as the build script of `dataplane`: Debian's compiler with a prebuilt `core`, or a nightly with
/// the sources of one.
fn has_bpf_rust() -> bool {
    let debian = sysroot(&mut Command::new("/usr/bin/rustc"));
    let nightly = sysroot(Command::new("rustup").args(["run", "nightly", "rustc"]).env_remove("RUSTUP_TOOLCHAIN"));
    debian.is_some_and(|path| path.join("lib/rustlib/bpfel-unknown-none/lib").is_dir())
        || nightly.is_some_and(|path| path.join("lib/rustlib/src/rust/library/core").is_dir())
}

fn sysroot(rustc: &mut Command) -> Option<PathBuf> {
    let output = rustc.args(["--print", "sysroot"]).output().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Names of ports, which listings print.
fn has_services() -> bool {
    Path::new("/etc/services").is_file()
}

/// Debian's own Python has it, whichever other one is found first.
fn has_grpc() -> bool {
    Command::new("/usr/bin/python3").args(["-c", "import grpc"]).output().is_ok_and(|output| output.status.success())
}

/// A guest starts from a file system with nothing but busybox in it, so a dynamic one is no use.
fn has_busybox() -> bool {
    find_program("busybox").is_some_and(|path| is_static(&path))
}

fn is_static(program: &Path) -> bool {
    std::fs::read(program).is_ok_and(|bytes| !bytes.windows(9).take(4096).any(|window| window == b"/ld-linux"))
}

#[cfg(test)]
mod tests {
    use super::{NEEDS, is_static};

    #[test]
    fn a_dynamic_program_is_told_from_text() {
        let this = std::env::current_exe().expect("this test has an executable");
        assert!(!is_static(&this), "Rust's tests are linked to the C library");
    }

    #[test]
    fn every_need_says_what_brings_it() {
        assert!(NEEDS.iter().all(|need| !need.packages.is_empty() && !need.purpose.is_empty()));
    }
}
