//! The machine: qemu's arguments, the guest's ports, and the end of it all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Guest;
use super::kernel::Kernel;

/// Quiet and quick: no mitigations, no clock calibration, panics end the guest.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off nokaslr \
    tsc=reliable no_timer_check random.trust_cpu=on net.ifnames=0 audit=0";
const PORTS: [&str; 3] = ["output", "errors", "code"];

/// Runs the guest; what the command says goes to `to`, which comes back with its exit code.
pub(super) fn run<W: Write + Send + 'static>(
    guest: &Guest,
    kernel: &Kernel,
    scratch: &Path,
    to: W,
) -> Result<(u8, Option<W>)> {
    let [output, errors, code] = PORTS.map(|port| UnixListener::bind(scratch.join(port)));
    let output = forward(output.context("the port of the output")?, to);
    let errors = forward(errors.context("the port of the errors")?, io::stderr());
    let code = forward(code.context("the port of the exit code")?, Vec::new());
    let log = File::create(scratch.join("qemu.log")).context("qemu's log")?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(arguments(guest, kernel, scratch)).stdin(Stdio::null());
    let mut child = qemu.stdout(log.try_clone()?).stderr(log).spawn().context("starting qemu-system-x86_64")?;
    let ended = wait(&mut child, guest.timeout)?;
    // A qemu that never started has not connected: then nobody closes the ports, and nobody waits for them.
    let connected = scratch.join("console").exists();
    let code = if connected { finish(code)? } else { Vec::new() };
    let mut said = None;
    if connected {
        said = Some(finish(output)?);
        finish(errors)?;
    }
    match String::from_utf8_lossy(&code).trim().parse() {
        Ok(code) => Ok((code, said)),
        Err(_) if !ended => {
            bail!("the guest had not finished after {} s\n{}", guest.timeout.as_secs(), last_words(scratch))
        }
        Err(_) => bail!("the guest did not finish the command\n{}", last_words(scratch)),
    }
}

fn arguments(guest: &Guest, kernel: &Kernel, scratch: &Path) -> Vec<String> {
    let mut list: Vec<String> = "-nodefaults -no-user-config -display none -no-reboot -monitor none \
        -machine pc,usb=off,vmport=off,smm=off -cpu max,la57=off -device virtio-rng-pci -device virtio-serial-pci"
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let mut add = |option: &str, value: String| list.extend([option.to_owned(), value]);
    // Emulation, not KVM: guests must work inside virtual machines too, where nested KVM often does not.
    add("-accel", "tcg,thread=multi".to_owned());
    add("-smp", guest.processors.to_string());
    add("-m", guest.memory_mebibytes.to_string());
    add("-kernel", kernel.image.display().to_string());
    add("-initrd", scratch.join("initial.cpio").display().to_string());
    add("-append", KERNEL_ARGUMENTS.to_owned());
    for (tag, path) in [("host", Path::new("/")), ("modules", &kernel.modules)] {
        let path = path.display();
        add(
            "-virtfs",
            format!("local,id={tag},mount_tag={tag},path={path},security_model=none,multidevs=remap,readonly=on"),
        );
    }
    for (number, port) in (1..).zip(PORTS) {
        add("-chardev", format!("socket,id={port},path={}", scratch.join(port).display()));
        add("-device", format!("virtserialport,chardev={port},nr={number}"));
    }
    add("-chardev", format!("file,id=console,path={}", scratch.join("console").display()));
    add("-serial", "chardev:console".to_owned());
    list
}

/// Copies what a port says until the guest closes it.
fn forward<W: Write + Send + 'static>(port: UnixListener, mut to: W) -> JoinHandle<io::Result<W>> {
    thread::spawn(move || {
        let (mut stream, _) = port.accept()?;
        let mut buffer = [0; 8192];
        loop {
            let length = stream.read(&mut buffer)?;
            let Some(part) = buffer.get(..length).filter(|part| !part.is_empty()) else { return Ok(to) };
            to.write_all(part)?;
            to.flush()?;
        }
    })
}

fn finish<W>(port: JoinHandle<io::Result<W>>) -> Result<W> {
    let result = port.join().map_err(|_| anyhow::anyhow!("the reader of a port panicked"))?;
    result.context("reading a port of the guest")
}

/// True when the machine ended by itself, false when its time was over.
fn wait(child: &mut Child, timeout: Duration) -> Result<bool> {
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        if child.try_wait().context("waiting for qemu")?.is_some() {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(50));
    }
    child.kill().context("ending qemu")?;
    child.wait().context("waiting for qemu")?;
    Ok(false)
}

/// The ends of qemu's own messages and of the guest's console.
fn last_words(scratch: &Path) -> String {
    let mut words = String::new();
    for name in ["qemu.log", "console"] {
        let text = std::fs::read(scratch.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(20)) {
            words.push_str(&format!("{name}: {line}\n"));
        }
    }
    words
}
