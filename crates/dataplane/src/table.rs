//! Typed access to maps through system calls: hashes, arrays, per-CPU arrays, and slices of tables.
#![expect(unsafe_code, reason = "buffers that the kernel fills")]

use crate::plain::Plain;
use crate::syscall::{self, Slice};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A map from `K` to `V`: a hash, or an array with `K` = `u32`.
pub(crate) struct Table<K, V> {
    descriptor: OwnedFd,
    types: PhantomData<fn(K) -> V>,
}

/// Why a map cannot be looked at as a [`Table`] or [`crate::mapped::Mapped`] of these types.
pub(crate) fn wrong_shape(key: usize, value: usize, shape: syscall::MapShape) -> io::Error {
    io::Error::other(format!(
        "keys of {} and values of {} bytes where {key} and {value} are expected",
        shape.key_size, shape.value_size
    ))
}

impl<K: Plain, V: Plain> Table<K, V> {
    /// A view of an open map; sizes must agree.
    pub(crate) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let shape = syscall::map_shape(descriptor.as_fd())?;
        if (shape.key_size as usize, shape.value_size as usize) != (size_of::<K>(), size_of::<V>()) {
            return Err(wrong_shape(size_of::<K>(), size_of::<V>(), shape));
        }
        Ok(Self { descriptor, types: PhantomData })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The value at `key`.
    pub(crate) fn get(&self, key: &K) -> io::Result<Option<V>> {
        let (value, found) = V::filled(|bytes| syscall::lookup(self.descriptor(), key.bytes(), bytes));
        Ok(found?.then_some(value))
    }

    /// Stores `value` at `key`.
    pub(crate) fn set(&self, key: &K, value: &V) -> io::Result<()> {
        syscall::update(self.descriptor(), key.bytes(), value.bytes())
    }

    /// Removes `key`; false when it was not there.
    pub(crate) fn remove(&self, key: &K) -> io::Result<bool> {
        syscall::delete(self.descriptor(), key.bytes())
    }

    /// All elements. Only this process changes the tables it is used for, so nothing is skipped or seen twice.
    pub(crate) fn entries(&self) -> io::Result<Vec<(K, V)>> {
        let mut entries = Vec::new();
        let mut last: Option<K> = None;
        loop {
            let (key, more) =
                K::filled(|bytes| syscall::next_key(self.descriptor(), last.as_ref().map(Plain::bytes), bytes));
            if !more? {
                return Ok(entries);
            }
            if let Some(value) = self.get(&key)? {
                let (copy, ()) = K::filled(|bytes| bytes.copy_from_slice(key.bytes()));
                entries.push((copy, value));
            }
            last = Some(key);
        }
    }
}

/// Room for one slice of a table.
pub(crate) struct SliceBuffer<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K: Plain, V: Plain> SliceBuffer<K, V> {
    pub(crate) const fn new() -> Self {
        Self { keys: Vec::new(), values: Vec::new() }
    }

    /// Reads up to `count` elements of `table` from `from` on, in one system call.
    pub(crate) fn read(&mut self, table: &Table<K, V>, from: Option<u32>, count: u32) -> io::Result<Slice> {
        self.keys.clear();
        self.values.clear();
        self.keys.reserve(count as usize);
        self.values.reserve(count as usize);
        let (keys, values) = (self.keys.as_mut_ptr().cast(), self.values.as_mut_ptr().cast());
        let slice = syscall::lookup_batch(table.descriptor(), from, count, keys, values)?;
        let read = slice.count.min(count) as usize;
        // SAFETY: the kernel has written that many keys and values (keys and values of a hash are stored back to
        // back at their own size, which `Table::new` compared), and every bit pattern is a value.
        unsafe {
            self.keys.set_len(read);
            self.values.set_len(read);
        }
        Ok(slice)
    }

    /// What was read.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&K, &V)> {
        self.keys.iter().zip(&self.values)
    }
}

/// A per-CPU array.
pub(crate) struct PerCpu<V> {
    descriptor: OwnedFd,
    cpus: usize,
    types: PhantomData<fn() -> V>,
}

impl<V: Plain> PerCpu<V> {
    /// A view of an open map; sizes must agree.
    pub(crate) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let shape = syscall::map_shape(descriptor.as_fd())?;
        if (shape.key_size as usize, shape.value_size as usize) != (size_of::<u32>(), size_of::<V>()) {
            return Err(wrong_shape(size_of::<u32>(), size_of::<V>(), shape));
        }
        let cpus = aya::util::nr_cpus().map_err(|(path, error)| io::Error::other(format!("{path}: {error}")))?;
        Ok(Self { descriptor, cpus, types: PhantomData })
    }

    const STRIDE: usize = size_of::<V>().next_multiple_of(8);

    /// The values of all CPUs at `index`; none when the index is out of range.
    pub(crate) fn get(&self, index: u32) -> io::Result<Vec<V>> {
        let mut bytes = vec![0; Self::STRIDE * self.cpus];
        if !syscall::lookup(self.descriptor.as_fd(), index.bytes(), &mut bytes)? {
            return Ok(Vec::new());
        }
        let values = bytes.chunks_exact(Self::STRIDE);
        Ok(values.map(|chunk| V::filled(|value| value.copy_from_slice(&chunk[..size_of::<V>()])).0).collect())
    }

    /// Zeroes the values of all CPUs at `index`.
    pub(crate) fn clear(&self, index: u32) -> io::Result<()> {
        syscall::update(self.descriptor.as_fd(), index.bytes(), &vec![0; Self::STRIDE * self.cpus])
    }
}
