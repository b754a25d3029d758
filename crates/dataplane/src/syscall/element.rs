//! Elements of maps, one by one or in batches.

use super::{bpf, command, number};
use std::io;
use std::os::fd::BorrowedFd;

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
