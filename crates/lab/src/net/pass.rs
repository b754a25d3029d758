//! An XDP program that lets everything pass. A veth device must have one (or GRO) before frames that XDP redirects
//! or transmits at its peer arrive: without it they are lost in silence.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use super::Device;
use anyhow::{Context, Result};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const PROGRAM_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
const TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
const DRIVER_MODE: u32 = 1 << 2;
/// `BPF_F_XDP_HAS_FRAGS`: large frames may come in pieces.
const HAS_FRAGMENTS: u32 = 1 << 5;

/// `r0 = XDP_PASS; exit`
const INSTRUCTIONS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

/// The program on one device; detached when dropped.
pub struct PassProgram {
    _link: OwnedFd,
}

#[repr(C)]
#[derive(Default)]
struct ProgramAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log: [u32; 4],
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
}

#[repr(C)]
struct LinkAttributes {
    program: i32,
    target_interface: u32,
    attach_type: u32,
    flags: u32,
}

impl PassProgram {
    /// Attaches to `device` in driver mode.
    pub fn attach(device: &Device) -> Result<Self> {
        let index = device.index()?;
        let link = device.namespace.run(|| {
            let program = load()?;
            let mut attributes = LinkAttributes {
                program: program.as_raw_fd(),
                target_interface: index,
                attach_type: ATTACH_XDP,
                flags: DRIVER_MODE,
            };
            bpf(LINK_CREATE, &mut attributes)
        });
        Ok(Self { _link: link.with_context(|| format!("XDP pass program on {}", device.name))? })
    }
}

fn load() -> Result<OwnedFd> {
    let mut attributes = ProgramAttributes {
        program_type: TYPE_XDP,
        instruction_count: 2,
        instructions: INSTRUCTIONS.as_ptr().expose_provenance() as u64,
        flags: HAS_FRAGMENTS,
        license: c"Dual MIT/GPL".as_ptr().expose_provenance() as u64,
        name: *b"lab_pass\0\0\0\0\0\0\0\0",
        ..Default::default()
    };
    bpf(PROGRAM_LOAD, &mut attributes)
}

fn bpf<T>(command: libc::c_int, attributes: &mut T) -> Result<OwnedFd> {
    // SAFETY: `attributes` is the structure of `command`; pointers in it outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    let descriptor = i32::try_from(Errno::result(result)?)?;
    // SAFETY: both commands return a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
