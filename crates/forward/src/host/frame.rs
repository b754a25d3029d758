//! A frame in a vector of bytes.
#![expect(unsafe_code, reason = "copies headers from and to bytes")]

use crate::encapsulate::Headers;
use crate::fullnat::{self, Options, Task};
use crate::parse::{Parse, Walk, walk_extensions, walk_to_fragment};
use crate::{Answer, Frame, Shared, Time, Verdict};
use std::vec::Vec;
use wire::{Be16, Checksum, Header};

/// A frame in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SliceFrame {
    /// The bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
    /// Interface it came in by.
    pub ingress: u32,
    /// Joined from several packets.
    pub joined: bool,
}

impl SliceFrame {
    fn range<H>(&self, offset: usize) -> Option<core::ops::Range<usize>> {
        let end = offset.checked_add(size_of::<H>())?;
        (end <= self.bytes.len()).then_some(offset..end)
    }
}

impl Frame for SliceFrame {
    fn read<H: Header>(&self, offset: usize) -> Option<H> {
        let bytes = self.bytes.get(self.range::<H>(offset)?)?;
        // SAFETY: the bytes are there, `Header` promises alignment 1 and that every pattern is a value.
        Some(unsafe { bytes.as_ptr().cast::<H>().read() })
    }

    fn copy<H: Header>(&self, offset: usize) -> Option<H> {
        self.read(offset)
    }

    fn write<H: Header>(&mut self, offset: usize, header: H) -> Option<()> {
        let range = self.range::<H>(offset)?;
        let bytes = self.bytes.get_mut(range)?;
        // SAFETY: the room is there, `Header` promises alignment 1.
        unsafe { bytes.as_mut_ptr().cast::<H>().write(header) };
        Some(())
    }

    fn walk_extensions(&self, network: usize) -> Walk {
        walk_extensions(self, network)
    }

    fn walk_to_fragment(&self, network: usize) -> Walk {
        walk_to_fragment(self, network)
    }

    fn length(&self) -> u32 {
        self.bytes.len() as u32
    }

    fn has(&self, bytes: usize) -> bool {
        self.bytes.len() >= bytes
    }

    fn joined(&self) -> u32 {
        if self.joined { self.bytes.len() as u32 } else { 0 }
    }

    fn exceeds(&self, bytes: u32, mtu: u32) -> bool {
        bytes > mtu && !self.is_joined()
    }

    fn ingress(&self) -> u32 {
        self.ingress
    }

    fn shorten(&mut self, bytes: usize) -> Option<()> {
        self.bytes.truncate(bytes);
        Some(())
    }

    fn make_room(&mut self, bytes: usize) -> Option<()> {
        self.bytes.splice(0..0, core::iter::repeat_n(0, bytes));
        Some(())
    }

    fn drop_front(&mut self, bytes: usize) -> Option<()> {
        (bytes <= self.bytes.len()).then(|| drop(self.bytes.drain(..bytes)))
    }

    fn insert(&mut self, at: usize, bytes: usize) -> Option<()> {
        let behind = self.bytes.len().checked_sub(at)?;
        self.bytes.resize(self.bytes.len() + bytes, 0);
        self.bytes.copy_within(at..at + behind, at + bytes);
        Some(())
    }

    fn walk_options(&self, transport: usize, kinds: u32) -> Options {
        fullnat::walk_options(self, transport, kinds)
    }

    fn next_option(&self, transport: usize, kinds: u32, found: Options) -> Options {
        fullnat::next_option(self, transport, kinds, found)
    }

    fn blank(&mut self, transport: usize, at: usize, length: usize) -> Option<Checksum> {
        fullnat::blank(self, transport, at, length)
    }

    fn inform(&mut self, task: &Task) -> Option<()> {
        fullnat::inform(self, task)
    }

    fn name_client(&mut self, task: &Task) -> Option<()> {
        fullnat::name_client(self, task)
    }

    fn sum(&self, from: usize, bytes: usize) -> Option<Checksum> {
        crate::answer::sum(self, from, bytes)
    }

    fn answer<T: Shared>(&mut self, network: usize, answer: Answer, tables: &T, now: Time) -> bool {
        crate::answer::answer(self, network, answer, tables, now)
    }

    fn encapsulate<A: Parse, T: Shared>(&mut self, headers: Headers, server: u32, tables: &T) -> Verdict {
        crate::encapsulate::encapsulate::<A, _, _>(self, headers, server, tables)
    }

    fn adjust_checksum(&mut self, offset: usize, delta: Checksum, _pseudo: Checksum, udp: bool) -> Option<()> {
        let field = self.read::<Be16>(offset)?;
        self.write(offset, crate::frame::adjusted(field, delta, udp))
    }
}
