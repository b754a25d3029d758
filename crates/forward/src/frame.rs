//! Access to the bytes of a frame: the one thing that differs between lanes and the host.

use crate::abi::Outer;
use crate::encapsulate::Headers;
use crate::fullnat::{Options, Task};
use crate::parse::{Parse, Walk};
use crate::{Answer, Family, Shared, Time, Verdict, vlan};
use wire::{Be16, Checksum, Header, Vlan};

/// A frame whose headers can be read and written. Implementations check every access against the end of the frame.
///
/// Headers are copied, not borrowed: a BPF program then moves whole words between packet and registers, where a
/// reference to bytes of alignment 1 would be read byte by byte.
pub trait Frame {
    /// The header of type `H` at `offset`, if it lies inside the frame's linear part.
    fn read<H: Header>(&self, offset: usize) -> Option<H>;

    /// The same wherever in the frame it lies, at the price of a call.
    fn copy<H: Header>(&self, offset: usize) -> Option<H>;

    /// Puts a header at `offset`.
    fn write<H: Header>(&mut self, offset: usize, header: H) -> Option<()>;

    /// [`crate::parse::walk_extensions`]. A method, because its loop is verified once, in a BPF function of its own:
    /// otherwise every program is followed anew for every number of extension headers.
    fn walk_extensions(&self, network: usize) -> Walk;

    /// [`crate::parse::walk_to_fragment`], for the same reason.
    fn walk_to_fragment(&self, network: usize) -> Walk;

    /// Length of the frame, all its parts counted.
    fn length(&self) -> u32;

    /// True when the frame has at least `bytes` bytes, all its parts counted.
    fn has(&self, bytes: usize) -> bool;

    /// Length of a frame that a lane has joined from several packets and will part again; 0 of any other. One that is
    /// larger than its header can say has a length of zero there.
    fn joined(&self) -> u32 {
        0
    }

    /// Index of the interface it came in by.
    /// 0: by none, this host sends it itself.
    fn ingress(&self) -> u32;

    /// True when a packet of this frame is larger than `mtu`; `bytes` is its length as its header tells it. Not the
    /// sum of packets that a lane has joined and will part again.
    fn exceeds(&self, bytes: u32, mtu: u32) -> bool {
        bytes > mtu
    }

    /// Cuts off whatever is beyond so many bytes; what is left can be read.
    fn shorten(&mut self, bytes: usize) -> Option<()>;

    /// Makes room for so many bytes before the network header. Everything before what the network header was is the
    /// caller's to write anew.
    fn make_room(&mut self, bytes: usize) -> Option<()>;

    /// The same for the headers of a tunnel around a packet of this transport protocol: a lane that joins packets must
    /// part them with their new headers.
    fn make_tunnel_room(&mut self, outer: Outer, _protocol: u8) -> Option<()> {
        self.make_room(outer.length())
    }

    /// True for packets that a lane has joined and will part again.
    fn is_joined(&self) -> bool {
        self.joined() != 0
    }

    /// Takes so many bytes off the front. What is the link header then is the caller's to write anew.
    fn drop_front(&mut self, bytes: usize) -> Option<()>;

    /// Takes so many bytes of headers away, from the network header on: what is behind them is of family `inner`, they are
    /// of `outer`. The link header is the caller's to write anew.
    fn strip(&mut self, bytes: usize, _outer: Family, _inner: Family) -> Option<()> {
        self.drop_front(bytes)
    }

    /// Makes room for so many bytes, at least eight, at `at`; all that stands before it stays there.
    fn insert(&mut self, at: usize, bytes: usize) -> Option<()>;

    /// Makes room for so many bytes directly behind the fixed IP header, which is `header` bytes long; all that stands
    /// before it stays there. The frame is as it was where that cannot be.
    fn insert_behind(&mut self, network: usize, header: usize, bytes: usize) -> Option<()> {
        self.insert(network + header, bytes)
    }

    /// Bytes that no checksum of the packet covers have changed by so much: a lane may have a sum over all of them.
    fn resummed(&mut self, _delta: Checksum) {}

    /// True when [`insert`](Self::insert) can do its work.
    fn can_grow(&self) -> bool {
        true
    }

    /// [`crate::fullnat::walk_options`]. A method, because its loop is verified once, in a BPF function of its own, as
    /// those that follow.
    fn walk_options(&self, transport: usize, kinds: u32) -> Options;

    /// [`crate::fullnat::next_option`].
    fn next_option(&self, transport: usize, kinds: u32, found: Options) -> Options;

    /// [`crate::fullnat::blank`].
    fn blank(&mut self, transport: usize, at: usize, length: usize) -> Option<Checksum>;

    /// [`crate::fullnat::inform`].
    fn inform(&mut self, task: &Task) -> Option<()>;

    /// [`crate::fullnat::name_client`]. A method, because it is a BPF function of its own, with a stack of its own.
    fn name_client(&mut self, task: &Task) -> Option<()>;

    /// Puts a tag into an untagged frame ([`crate::vlan::push`]); a lane may keep it beside the frame.
    fn push_tag(&mut self, identifier: u16) -> Option<()>
    where
        Self: Sized,
    {
        vlan::push(self, identifier)
    }

    /// Takes the tag out of a frame ([`crate::vlan::pop`]).
    fn pop_tag(&mut self) -> Option<()>
    where
        Self: Sized,
    {
        vlan::pop(self)
    }

    /// The same where the link header is the caller's to write anew.
    fn discard_tag(&mut self) -> Option<()> {
        self.drop_front(Vlan::LENGTH)
    }

    /// True when the frame is of a VLAN but its tag was taken out by a device: the VLAN's own interface gets it.
    fn tag_is_aside(&self) -> bool {
        false
    }

    /// [`crate::answer::sum`]. A method, because its loop is verified once, in a BPF function of its own.
    fn sum(&self, from: usize, bytes: usize) -> Option<Checksum>;

    /// [`crate::answer::answer`]. A method, because it is a BPF function of its own, over the tables that packets
    /// meet.
    fn answer<T: Shared>(&mut self, network: usize, answer: Answer, tables: &T, now: Time) -> bool;

    /// [`crate::encapsulate::encapsulate`]. A method, because it is a BPF function of its own: those who forward in other
    /// ways shall not carry it.
    fn encapsulate<A: Parse, T: Shared>(&mut self, headers: Headers, server: u32, tables: &T) -> Verdict;

    /// Makes good the transport checksum at `offset` after the change recorded in `delta` (`pseudo` tells the part of
    /// it that belongs to the pseudo-header, which a lane with partial checksums must treat apart). `udp`: zero means
    /// "none" and is never produced.
    fn adjust_checksum(&mut self, offset: usize, delta: Checksum, pseudo: Checksum, udp: bool) -> Option<()>;
}

/// A checksum field after a change (RFC 1624); UDP never shows zero, which would mean "none" (RFC 768).
#[inline(always)]
pub const fn adjusted(field: Be16, delta: Checksum, udp: bool) -> Be16 {
    let sum = delta.update(field);
    if udp && sum.bits() == 0 { Be16::from_bits(0xffff) } else { sum }
}
