//! Arrays that the kernel shares as memory: reads and writes without system calls, word by word.
#![expect(unsafe_code, reason = "shared memory")]

use crate::syscall;
use crate::table::wrong_shape;
use forward::abi::{Load, Locals, RealServer, Settings, Signals, Tunnel};
use forward::{Cell32, Cell64};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A type that may be laid over memory that others write to at the same time.
///
/// # Safety
/// `repr(C)`, made of shared cells only, and any bit pattern is a value of it.
pub(crate) unsafe trait Shared {}

// SAFETY: single shared words.
unsafe impl Shared for Cell32 {}
// SAFETY: single shared words.
unsafe impl Shared for Cell64 {}
// SAFETY: cells only, see `forward::abi`.
unsafe impl Shared for RealServer {}
// SAFETY: cells only, see `forward::abi`.
unsafe impl Shared for Tunnel {}
// SAFETY: cells only, see `forward::abi`.
unsafe impl Shared for Load {}
// SAFETY: cells only, see `forward::abi`.
unsafe impl Shared for Locals {}
// SAFETY: cells only, see `forward::abi`.
unsafe impl Shared for Signals {}
// SAFETY: cells only, see `forward::abi`.
unsafe impl Shared for Settings {}
// SAFETY: an array of shared words.
unsafe impl<const N: usize> Shared for [Cell64; N] {}

/// A view of a whole array map.
pub(crate) struct Mapped<T> {
    memory: *mut u8,
    length: usize,
    count: u32,
    types: PhantomData<fn() -> T>,
}

// SAFETY: the memory belongs to the map, not to a thread, and `T` is made of cells that are safe to share.
unsafe impl<T: Shared> Send for Mapped<T> {}

impl<T: Shared> Mapped<T> {
    /// The kernel rounds each element up to eight bytes: an array of `u32` has one every eight.
    const STRIDE: usize = size_of::<T>().next_multiple_of(8);

    /// Maps an open map; the value size must agree. The descriptor is not needed afterwards.
    pub(crate) fn new(descriptor: &OwnedFd) -> io::Result<Self> {
        let shape = syscall::map_shape(descriptor.as_fd())?;
        if shape.value_size as usize != size_of::<T>() || shape.map_type != syscall::MAP_TYPE_ARRAY {
            return Err(wrong_shape(size_of::<u32>(), size_of::<T>(), shape));
        }
        let length = (Self::STRIDE * shape.max_entries as usize).next_multiple_of(page_size());
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice, of a map at least this long.
        let memory = unsafe {
            libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, descriptor.as_raw_fd(), 0)
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { memory: memory.cast(), length, count: shape.max_entries, types: PhantomData })
    }

    /// The element at `index`.
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        if index >= self.count {
            return None;
        }
        // SAFETY: inside the mapping, which lives as long as `self`; page alignment and the stride keep elements
        // aligned; `T` tolerates other writers.
        Some(unsafe { &*self.memory.add(index as usize * Self::STRIDE).cast::<T>() })
    }

    /// How many elements there are.
    pub(crate) const fn len(&self) -> u32 {
        self.count
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: our own mapping; no reference into it outlives `self`.
        unsafe { libc::munmap(self.memory.cast(), self.length) };
    }
}

/// Bytes of a page of memory.
pub(crate) fn page_size() -> usize {
    // SAFETY: no arguments beyond a constant, no memory.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}
