//! The few small BPF programs of the lab: loaded from their instructions, attached by a link.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use super::Device;
use anyhow::{Context, Result};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const PROGRAM_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;

/// What a program is for.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// `BPF_PROG_TYPE_…`
    pub(super) kind: u32,
    /// Flags of its loading.
    pub(super) load: u32,
    /// `BPF_…` of attach types.
    pub(super) attach: u32,
    /// Flags of its attachment.
    pub(super) flags: u32,
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
    rest: [u64; 2],
}

/// Attaches a program to `device`, until the link is dropped.
pub(super) fn attach(device: &Device, place: Place, instructions: &[u64]) -> Result<OwnedFd> {
    let index = device.index()?;
    let link = device.namespace.run(|| {
        let program = load(place, instructions)?;
        bpf(
            LINK_CREATE,
            &mut LinkAttributes {
                program: program.as_raw_fd(),
                target_interface: index,
                attach_type: place.attach,
                flags: place.flags,
                rest: [0; 2],
            },
        )
    });
    link.with_context(|| format!("a program of the lab on {}", device.name))
}

fn load(place: Place, instructions: &[u64]) -> Result<OwnedFd> {
    let mut attributes = ProgramAttributes {
        program_type: place.kind,
        instruction_count: u32::try_from(instructions.len())?,
        instructions: instructions.as_ptr().expose_provenance() as u64,
        flags: place.load,
        license: c"Dual MIT/GPL".as_ptr().expose_provenance() as u64,
        name: *b"lab\0\0\0\0\0\0\0\0\0\0\0\0\0",
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
