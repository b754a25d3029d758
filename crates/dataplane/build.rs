//! Builds the BPF objects (crate `ebpf`) from source with a nested cargo and leaves them in `$OUT_DIR`.
//!
//! BPF code needs a `core` compiled for the BPF target: Debian's `rustc-web` ships one, a rustup nightly builds one.
//! Linking is bpf-linker's work. When a piece is missing the error names the commands that bring it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Debian's compiler from `rustc-web`: it knows a prebuilt `core` for BPF when `libstd-rust-web-dev-bpf` is there too.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// The director's programs, and the real server's.
const OBJECTS: [&str; 2] = ["xlvs-bpf", "xlvs-agent-bpf"];
const INSTALL_LINKER: &str = "\
    apt-get install -y llvm-22-dev libpolly-22-dev libzstd-dev && \
    PATH=/usr/lib/llvm-22/bin:$PATH LLVM_PREFIX=/usr/lib/llvm-22 LLVM_SYS_221_PREFIX=/usr/lib/llvm-22 \
    cargo install bpf-linker --no-default-features --features llvm-22";

enum Toolchain {
    /// A stable compiler with a prebuilt `core`, allowed the unstable intrinsics by RUSTC_BOOTSTRAP.
    Debian,
    /// A nightly that builds `core` itself.
    Nightly,
}

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    let root = workspace_root()?;
    for path in ["crates/ebpf", "crates/forward", "crates/wire", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let target =
        if variable("CARGO_CFG_TARGET_ENDIAN")? == "big" { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };
    let linker = find_linker()?;
    println!("cargo::rerun-if-changed={}", linker.display());
    let toolchain = find_toolchain(target)?;

    let target_dir = out_dir.join("bpf-target");
    let mut cargo = nested_cargo(&toolchain)?;
    cargo
        .current_dir(&root)
        .args(["build", "--package", "ebpf", "--profile", "bpf", "--target", target])
        .args(OBJECTS.iter().flat_map(|object| ["--bin", object]))
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags()?)
        .env(format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_")), &linker);
    let status = cargo.status().map_err(|error| format!("cannot run {:?}: {error}", cargo.get_program()))?;
    if !status.success() {
        return Err(format!("the BPF programs (crates/ebpf) do not build: {status}, see stderr below"));
    }
    let built = target_dir.join(target).join("bpf");
    OBJECTS.iter().try_for_each(|name| {
        let object = out_dir.join(name);
        let copied = fs::copy(built.join(name), &object).map(drop);
        copied.map_err(|error| format!("the built BPF object cannot be copied to {}: {error}", object.display()))
    })
}

/// The flags of every crate compiled for BPF; flags of the host build never apply.
fn rustflags() -> Result<String, String> {
    let arch = match variable("CARGO_CFG_TARGET_ARCH")?.as_str() {
        "mips64" => "mips".to_owned(),
        other => other.to_owned(),
    };
    Ok([
        format!("--cfg=bpf_target_arch=\"{arch}\""),
        // Types for the kernel: without them no `#[btf_map]` and no global functions.
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // The default BPF CPU refuses fetch-add and compare-exchange.
        "-Ctarget-cpu=v3".to_owned(),
        // Header fields are align-1 byte arrays: this makes each one load instead of a load per byte.
        "-Clink-arg=--cpu-features=+alu32".to_owned(),
    ]
    .join("\x1f"))
}

/// A cargo that starts from the user's environment, not from the one this script's own cargo prepared for the host.
fn nested_cargo(toolchain: &Toolchain) -> Result<Command, String> {
    let mut cargo = match toolchain {
        Toolchain::Debian => Command::new(variable("CARGO")?),
        Toolchain::Nightly => {
            let mut rustup = Command::new("rustup");
            rustup.args(["run", "nightly", "cargo", "-Zbuild-std=core"]);
            rustup
        }
    };
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_the_host_build) {
            cargo.env_remove(name);
        }
    }
    if matches!(toolchain, Toolchain::Debian) {
        cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    }
    Ok(cargo)
}

/// True for what cargo, rustup and clippy set for the compiler of the host; settings of the user's cargo (home,
/// network, terminal) stay.
fn is_of_the_host_build(name: &str) -> bool {
    const PREFIXES: [&str; 10] = [
        "CARGO_BUILD_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CLIPPY_",
        "DEP_",
        "RUSTC",
    ];
    const NAMES: [&str; 16] = [
        "CARGO",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "CARGO_MAKEFLAGS",
        "DEBUG",
        "HOST",
        "LD_LIBRARY_PATH",
        "MAKEFLAGS",
        "MFLAGS",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "TARGET",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn find_toolchain(target: &str) -> Result<Toolchain, String> {
    if Path::new(DEBIAN_RUSTC).exists() {
        println!("cargo::rerun-if-changed={DEBIAN_RUSTC}");
    }
    let knows = |sysroot: &Path| sysroot.join("lib/rustlib").join(target).join("lib").is_dir();
    if sysroot(Command::new(DEBIAN_RUSTC)).is_some_and(|path| knows(&path)) {
        return Ok(Toolchain::Debian);
    }
    let mut nightly = Command::new("rustup");
    nightly.args(["run", "nightly", "rustc"]).env_remove("RUSTUP_TOOLCHAIN");
    let has_source = |sysroot: &Path| sysroot.join("lib/rustlib/src/rust/library/core").is_dir();
    if sysroot(nightly).is_some_and(|path| has_source(&path)) {
        return Ok(Toolchain::Nightly);
    }
    Err(format!(
        "no Rust compiler for {target} was found. `cargo xtask setup` installs what is missing. By hand, either\n\
         on Debian: apt-get install -y rustc-web libstd-rust-web-dev-bpf\n\
         or with rustup: rustup toolchain install nightly --component rust-src"
    ))
}

fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    let output = rustc.args(["--print", "sysroot"]).output().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// bpf-linker on PATH, or where `cargo install` puts it when that folder is not on PATH.
fn find_linker() -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let installed = cargo_home.into_iter().chain(home).map(|folder| folder.join("bin"));
    env::split_paths(&path)
        .chain(installed)
        .map(|folder| folder.join("bpf-linker"))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            format!("bpf-linker was not found. `cargo xtask setup` installs what is missing. By hand: {INSTALL_LINKER}")
        })
}

fn workspace_root() -> Result<PathBuf, String> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = manifest.ancestors().nth(2).map(Path::to_path_buf);
    root.ok_or_else(|| format!("{} is not two folders below the workspace", manifest.display()))
}

fn variable(name: impl AsRef<OsStr>) -> Result<String, String> {
    let name = name.as_ref();
    env::var(name).map_err(|error| format!("{}: {error} (set by cargo for build scripts)", name.display()))
}
