//! bpf(2), as far as aya does not reach: maps by descriptor, batches, links, test runs, pins at any path.
#![expect(unsafe_code, reason = "raw system calls")]

mod element;
mod link;
mod packet;
mod test_run;

pub(crate) use element::{Slice, delete, lookup, lookup_batch, next_key, update};
pub(crate) use link::{
    Attach, create_cgroup_link, create_link, detach_link, find_link, link_facts, programs_on, update_link,
};
pub(crate) use packet::{packet_socket, send_frame, wait_readable};
pub(crate) use test_run::{TestResult, receive, test_run, test_run_tc};

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Numbers of the commands (`enum bpf_cmd`).
mod command {
    pub(super) const MAP_CREATE: u32 = 0;
    pub(super) const MAP_LOOKUP: u32 = 1;
    pub(super) const MAP_UPDATE: u32 = 2;
    pub(super) const MAP_DELETE: u32 = 3;
    pub(super) const MAP_NEXT_KEY: u32 = 4;
    pub(super) const OBJECT_PIN: u32 = 6;
    pub(super) const OBJECT_GET: u32 = 7;
    pub(super) const TEST_RUN: u32 = 10;
    pub(super) const PROGRAM_BY_ID: u32 = 13;
    pub(super) const INFO_BY_FD: u32 = 15;
    pub(super) const PROGRAMS_ON: u32 = 16;
    pub(super) const LOOKUP_BATCH: u32 = 24;
    pub(super) const LINK_CREATE: u32 = 28;
    pub(super) const LINK_UPDATE: u32 = 29;
    pub(super) const LINK_BY_ID: u32 = 30;
    pub(super) const LINK_NEXT_ID: u32 = 31;
    pub(super) const LINK_DETACH: u32 = 34;
}

/// `BPF_MAP_TYPE_ARRAY`
pub(crate) const MAP_TYPE_ARRAY: u32 = 2;
/// `BPF_F_MMAPABLE`
pub(crate) const MAP_FLAG_MMAPABLE: u32 = 1 << 10;
const NAME_LENGTH: usize = 16;

/// Runs one command. `T` is the part of `union bpf_attr` that the command reads.
fn bpf<T>(command: u32, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes at most size_of::<T>() bytes of a value we own; the pointers inside are
    // the callers' responsibility and are all made from live borrows in this file.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

fn bpf_descriptor<T>(command: u32, attributes: &mut T) -> io::Result<OwnedFd> {
    let descriptor = bpf(command, attributes)?;
    // SAFETY: the kernel has just given us this descriptor, close-on-exec; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn number(descriptor: BorrowedFd<'_>) -> u32 {
    descriptor.as_raw_fd() as u32
}

/// What a map looks like, as the kernel tells it or as it shall be created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MapShape {
    pub(crate) map_type: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
}

#[repr(C)]
struct MapCreate {
    shape: [u32; 5],
    inner_map: u32,
    numa_node: u32,
    name: [u8; NAME_LENGTH],
}

/// Creates a map.
pub(crate) fn create_map(name: &str, shape: MapShape) -> io::Result<OwnedFd> {
    let mut attributes = MapCreate {
        shape: [shape.map_type, shape.key_size, shape.value_size, shape.max_entries, shape.flags],
        inner_map: 0,
        numa_node: 0,
        name: [0; NAME_LENGTH],
    };
    for (to, from) in attributes.name.iter_mut().take(NAME_LENGTH - 1).zip(name.bytes()) {
        *to = from;
    }
    bpf_descriptor(command::MAP_CREATE, &mut attributes)
}

#[repr(C)]
struct InfoByFd {
    descriptor: u32,
    length: u32,
    info: u64,
}

/// The first `N` words of the kernel's description of a map, program or link.
fn info<const N: usize>(descriptor: BorrowedFd<'_>) -> io::Result<[u32; N]> {
    let mut words = [0_u32; N];
    let mut attributes = InfoByFd {
        descriptor: number(descriptor),
        length: size_of::<[u32; N]>() as u32,
        info: words.as_mut_ptr() as u64,
    };
    bpf(command::INFO_BY_FD, &mut attributes)?;
    Ok(words)
}

/// The shape of an open map.
pub(crate) fn map_shape(map: BorrowedFd<'_>) -> io::Result<MapShape> {
    let [map_type, _, key_size, value_size, max_entries, flags] = info::<6>(map)?;
    Ok(MapShape { map_type, key_size, value_size, max_entries, flags })
}

/// What identifies a loaded program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ProgramFacts {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) verified_instructions: u32,
}

/// Facts about an open program.
pub(crate) fn program_facts(program: BorrowedFd<'_>) -> io::Result<ProgramFacts> {
    const NAME: std::ops::Range<usize> = 16..20;
    const VERIFIED: usize = 54;
    let words = info::<58>(program)?;
    let name: Vec<u8> = words[NAME].iter().flat_map(|word| word.to_ne_bytes()).take_while(|byte| *byte != 0).collect();
    let name = String::from_utf8_lossy(&name).into_owned();
    Ok(ProgramFacts { id: words[1], name, verified_instructions: words[VERIFIED] })
}

/// Number of the cgroup that an open link attaches to; 0 once the cgroup is gone or the link was detached.
pub(crate) fn cgroup_of_link(link: BorrowedFd<'_>) -> io::Result<u64> {
    const LINK_TYPE_CGROUP: u32 = 3;
    let [link_type, _, _, _, low, high] = info::<6>(link)?;
    if link_type != LINK_TYPE_CGROUP {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let ([a, b, c, d], [e, f, g, h]) = (low.to_ne_bytes(), high.to_ne_bytes());
    Ok(u64::from_ne_bytes([a, b, c, d, e, f, g, h]))
}

#[repr(C)]
struct Pin {
    path: u64,
    descriptor: u32,
    flags: u32,
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Pins an object in a bpffs.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    bpf(command::OBJECT_PIN, &mut Pin { path: path.as_ptr() as u64, descriptor: number(object), flags: 0 }).map(drop)
}

/// Opens a pinned object.
pub(crate) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    bpf_descriptor(command::OBJECT_GET, &mut Pin { path: path.as_ptr() as u64, descriptor: 0, flags: 0 })
}

/// Opens a loaded program by its id.
pub(crate) fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    bpf_descriptor(command::PROGRAM_BY_ID, &mut [id, 0, 0])
}
