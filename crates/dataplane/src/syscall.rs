//! bpf(2), as far as aya does not reach: maps by descriptor, batches, links, test runs, pins at any path.
#![expect(unsafe_code, reason = "raw system calls")]

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

/// What a link to an interface connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LinkFacts {
    pub(crate) program: u32,
    /// 0 once the interface is gone or the link was detached.
    pub(crate) interface: u32,
}

/// Facts about an open link; an error for what is no link to an interface.
pub(crate) fn link_facts(link: BorrowedFd<'_>) -> io::Result<LinkFacts> {
    const LINK_TYPE_XDP: u32 = 6;
    const LINK_TYPE_TCX: u32 = 11;
    let [link_type, _, program, _, interface, _] = info::<6>(link)?;
    if !matches!(link_type, LINK_TYPE_XDP | LINK_TYPE_TCX) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(LinkFacts { program, interface })
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

#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

fn element(map: BorrowedFd<'_>, key: &[u8], value: u64) -> Element {
    Element { map: number(map), padding: 0, key: key.as_ptr() as u64, value, flags: 0 }
}

/// Reads an element into `value`, which must be as large as the map's values (for per-CPU maps: of all CPUs).
/// False when there is no such element.
pub(crate) fn lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
    found(bpf(command::MAP_LOOKUP, &mut element(map, key, value.as_mut_ptr() as u64)))
}

/// Writes an element.
pub(crate) fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    bpf(command::MAP_UPDATE, &mut element(map, key, value.as_ptr() as u64)).map(drop)
}

/// Removes an element; false when there was none.
pub(crate) fn delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<bool> {
    found(bpf(command::MAP_DELETE, &mut element(map, key, 0)))
}

/// The key after `key` (the first one without it) into `next`; false at the end.
pub(crate) fn next_key(map: BorrowedFd<'_>, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<bool> {
    let mut attributes = element(map, key.unwrap_or_default(), next.as_mut_ptr() as u64);
    if key.is_none() {
        attributes.key = 0;
    }
    found(bpf(command::MAP_NEXT_KEY, &mut attributes))
}

fn found(result: io::Result<i32>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
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

/// One slice of a table.
pub(crate) struct Slice {
    /// Elements read.
    pub(crate) count: u32,
    /// Where the next slice begins; `None` at the end of the table.
    pub(crate) next: Option<u32>,
}

/// Reads up to `count` elements from `from` on into buffers that hold that many.
pub(crate) fn lookup_batch(
    map: BorrowedFd<'_>,
    from: Option<u32>,
    count: u32,
    keys: *mut u8,
    values: *mut u8,
) -> io::Result<Slice> {
    let start = from.unwrap_or_default();
    let mut next = 0_u32;
    let mut attributes = Batch {
        from: if from.is_some() { std::ptr::from_ref(&start) as u64 } else { 0 },
        to: std::ptr::from_mut(&mut next) as u64,
        keys: keys as u64,
        values: values as u64,
        count,
        map: number(map),
        element_flags: 0,
        flags: 0,
    };
    match found(bpf(command::LOOKUP_BATCH, &mut attributes)) {
        Ok(more) => Ok(Slice { count: attributes.count, next: more.then_some(next) }),
        Err(error) => Err(error),
    }
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
    context_input_length: u32,
    context_output_length: u32,
    context_input: u64,
    context_output: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

/// What a program made of a frame.
pub(crate) struct TestResult {
    pub(crate) result: u32,
    pub(crate) frame: Vec<u8>,
}

/// Runs an XDP program once over `frame`, as if it had come in by `interface` (0: by the loopback interface).
pub(crate) fn test_run(program: BorrowedFd<'_>, frame: &[u8], interface: u32) -> io::Result<TestResult> {
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
    let context = [0_u32, frame.len() as u32, 0, interface, 0, 0];
    run(program, frame, if interface == 0 { &[] } else { &context })
}

/// Runs a tc program once over `frame`, as if it had come in by `interface`.
pub(crate) fn test_run_tc(program: BorrowedFd<'_>, frame: &[u8], interface: u32) -> io::Result<TestResult> {
    // The first words of struct __sk_buff, the last two of them ingress_ifindex and ifindex.
    let context = [0, 0, 0, 0, 0, 0, 0, 0, 0, interface, interface];
    run(program, frame, &context)
}

fn run(program: BorrowedFd<'_>, frame: &[u8], context: &[u32]) -> io::Result<TestResult> {
    const ROOM: usize = 256;
    let mut output = vec![0_u8; frame.len() + ROOM];
    let mut attributes = TestRun {
        program: number(program),
        input_length: frame.len() as u32,
        output_length: output.len() as u32,
        input: frame.as_ptr() as u64,
        output: output.as_mut_ptr() as u64,
        repeat: 1,
        context_input_length: size_of_val(context) as u32,
        context_input: if context.is_empty() { 0 } else { context.as_ptr() as u64 },
        ..TestRun::default()
    };
    bpf(command::TEST_RUN, &mut attributes)?;
    output.truncate(attributes.output_length as usize);
    Ok(TestResult { result: attributes.result, frame: output })
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// A place of an interface for a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attach {
    XdpNative,
    XdpGeneric,
    TcIngress,
    TcEgress,
}

impl Attach {
    /// `enum bpf_attach_type` and the flags of the link.
    const fn numbers(self) -> (u32, u32) {
        match self {
            Self::XdpNative => (37, 1 << 2),
            Self::XdpGeneric => (37, 1 << 1),
            Self::TcIngress => (46, 0),
            Self::TcEgress => (47, 0),
        }
    }
}

/// Attaches a program to an interface; the attachment lives as long as the link.
pub(crate) fn create_link(program: BorrowedFd<'_>, interface: u32, attach: Attach) -> io::Result<OwnedFd> {
    let (attach_type, flags) = attach.numbers();
    let mut attributes = LinkCreate { program: number(program), interface, attach_type, flags };
    bpf_descriptor(command::LINK_CREATE, &mut attributes)
}

#[repr(C)]
#[derive(Default)]
struct ProgramsOn {
    interface: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    padding: u32,
    program_flags: u64,
    links: u64,
    link_flags: u64,
    revision: u64,
}

/// Ids of the programs that links attach to a place of an interface.
pub(crate) fn programs_on(interface: u32, attach: Attach) -> io::Result<Vec<u32>> {
    let mut programs = vec![0_u32; 64];
    let mut attributes = ProgramsOn {
        interface,
        attach_type: attach.numbers().0,
        programs: programs.as_mut_ptr() as u64,
        count: programs.len() as u32,
        ..ProgramsOn::default()
    };
    bpf(command::PROGRAMS_ON, &mut attributes)?;
    programs.truncate(attributes.count as usize);
    Ok(programs)
}

/// Puts another program behind a link, atomically.
pub(crate) fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    bpf(command::LINK_UPDATE, &mut [number(link), number(program), 0, 0]).map(drop)
}

/// Detaches a link, whoever still holds it.
pub(crate) fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    bpf(command::LINK_DETACH, &mut [number(link)]).map(drop)
}

/// Opens a loaded program by its id.
pub(crate) fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    bpf_descriptor(command::PROGRAM_BY_ID, &mut [id, 0, 0])
}

/// The link that attaches the program with this id to this interface, if it is a link that does.
pub(crate) fn find_link(program: u32, interface: u32) -> Option<OwnedFd> {
    let mut id = 0;
    loop {
        let mut attributes = [id, 0, 0];
        bpf(command::LINK_NEXT_ID, &mut attributes).ok()?;
        id = attributes[1];
        let Ok(link) = bpf_descriptor(command::LINK_BY_ID, &mut [id, 0, 0]) else { continue };
        let facts = link_facts(std::os::fd::AsFd::as_fd(&link));
        if facts.is_ok_and(|facts| facts == LinkFacts { program, interface }) {
            return Some(link);
        }
    }
}
