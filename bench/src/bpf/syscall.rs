//! bpf(2) for what is not in an object file: maps and programs of the harness, test runs, deletion in batches.
#![expect(unsafe_code, reason = "raw system calls")]

use super::instruction::Instruction;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `BPF_MAP_TYPE_ARRAY`
pub(crate) const ARRAY: u32 = 2;
/// `BPF_MAP_TYPE_PROG_ARRAY`
pub(crate) const PROGRAM_ARRAY: u32 = 3;

/// Numbers of the commands (`enum bpf_cmd`).
mod command {
    pub(super) const MAP_CREATE: u32 = 0;
    pub(super) const MAP_LOOKUP: u32 = 1;
    pub(super) const MAP_UPDATE: u32 = 2;
    pub(super) const PROGRAM_LOAD: u32 = 5;
    pub(super) const TEST_RUN: u32 = 10;
    pub(super) const DELETE_BATCH: u32 = 27;
    pub(super) const LINK_CREATE: u32 = 28;
}

fn bpf<T>(command: u32, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes at most size_of::<T>() bytes of a value we own; the pointers inside are made
    // from live borrows by the functions of this file.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

fn descriptor<T>(command: u32, attributes: &mut T) -> io::Result<OwnedFd> {
    let descriptor = bpf(command, attributes)?;
    // SAFETY: the kernel has just given us this descriptor; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// An array of one element of four bytes.
pub(crate) fn create_map(kind: u32) -> io::Result<OwnedFd> {
    descriptor(command::MAP_CREATE, &mut [kind, 4, 4, 1, 0])
}

/// An array of one element of eight bytes.
pub(crate) fn create_counter() -> io::Result<OwnedFd> {
    descriptor(command::MAP_CREATE, &mut [ARRAY, 4, 8, 1, 0])
}

#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Sets the element of such an array.
pub(crate) fn set(map: BorrowedFd<'_>, value: u32) -> io::Result<()> {
    let key = 0_u32;
    let mut element = Element {
        map: map.as_raw_fd() as u32,
        padding: 0,
        key: std::ptr::from_ref(&key) as u64,
        value: std::ptr::from_ref(&value) as u64,
        flags: 0,
    };
    bpf(command::MAP_UPDATE, &mut element).map(drop)
}

/// The element of an array made by [`create_counter`].
pub(crate) fn read_counter(map: BorrowedFd<'_>) -> io::Result<u64> {
    let (key, mut value) = (0_u32, 0_u64);
    let mut element = Element {
        map: map.as_raw_fd() as u32,
        padding: 0,
        key: std::ptr::from_ref(&key) as u64,
        value: std::ptr::from_mut(&mut value) as u64,
        flags: 0,
    };
    bpf(command::MAP_LOOKUP, &mut element)?;
    Ok(value)
}

#[repr(C)]
struct ProgramLoad {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

/// Loads an XDP program that may tail-call, and be tail-called by, the programs of the data plane: of the same attach
/// type, for frames in several parts too.
pub(crate) fn load(name: &str, instructions: &[Instruction]) -> io::Result<OwnedFd> {
    const TYPE_XDP: u32 = 6;
    const XDP_HAS_FRAGS: u32 = 1 << 5;
    let mut attributes = ProgramLoad {
        kind: TYPE_XDP,
        count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: XDP_HAS_FRAGS,
        name: [0; 16],
        interface: 0,
        attach_type: ATTACH_XDP,
    };
    attributes.name.iter_mut().take(15).zip(name.bytes()).for_each(|(to, from)| *to = from);
    descriptor(command::PROGRAM_LOAD, &mut attributes)
}

const ATTACH_XDP: u32 = 37;

/// Attaches an XDP program to an interface of this thread's namespace, in driver mode, until the link is closed.
pub(crate) fn attach(program: BorrowedFd<'_>, interface: u32) -> io::Result<OwnedFd> {
    const DRIVER_MODE: u32 = 1 << 2;
    descriptor(command::LINK_CREATE, &mut [program.as_raw_fd() as u32, interface, ATTACH_XDP, DRIVER_MODE])
}

/// Runs an XDP program over live frames: those it answers with XDP_TX leave by `interface` of this thread's namespace
/// and arrive at its peer as frames that a driver hands over.
pub(crate) fn send_live(program: BorrowedFd<'_>, frame: &[u8], count: u32, interface: u32) -> io::Result<()> {
    const LIVE_FRAMES: u32 = 1 << 1;
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
    let context = [0, frame.len() as u32, 0, interface, 0, 0];
    let mut attributes = TestRun {
        program: program.as_raw_fd() as u32,
        input_length: frame.len() as u32,
        input: frame.as_ptr() as u64,
        repeat: count,
        context: [size_of_val(&context) as u32, 0],
        contexts: [context.as_ptr() as u64, 0],
        flags: LIVE_FRAMES,
        ..TestRun::default()
    };
    bpf(command::TEST_RUN, &mut attributes).map(drop)
}

#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    result: u32,
    input_length: u32,
    output_length: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration: u32,
    context: [u32; 2],
    contexts: [u64; 2],
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

/// Runs a program `repeat` times in this thread; gives the last action and the frame it left in `output`, which must
/// be as long as `frame`.
pub(crate) fn test_run(program: BorrowedFd<'_>, frame: &[u8], repeat: u32, output: &mut [u8]) -> io::Result<u32> {
    let mut attributes = TestRun {
        program: program.as_raw_fd() as u32,
        input_length: frame.len() as u32,
        output_length: output.len() as u32,
        input: frame.as_ptr() as u64,
        output: output.as_mut_ptr() as u64,
        repeat,
        ..TestRun::default()
    };
    bpf(command::TEST_RUN, &mut attributes)?;
    Ok(attributes.result)
}

#[repr(C)]
struct Batch {
    from: u64,
    to: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// Deletes the elements with these keys, `count` of them back to back; an error if one is not there.
pub(crate) fn delete_batch(map: BorrowedFd<'_>, keys: &[u8], count: u32) -> io::Result<()> {
    let map = map.as_raw_fd() as u32;
    let keys = keys.as_ptr() as u64;
    let mut batch = Batch { from: 0, to: 0, keys, values: 0, count, map, element_flags: 0, flags: 0 };
    bpf(command::DELETE_BATCH, &mut batch).map(drop)
}
