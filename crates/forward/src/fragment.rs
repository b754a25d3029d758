//! Datagrams in pieces: the first fragment, which has the ports, decides, and the others follow it.
//!
//! A first fragment is decided about as any packet, and what was decided is kept under the addresses and the
//! identification that all fragments of its datagram share. Then all of them, the first one too, go by what was kept.
//! One that comes before its first waits with the daemon.

use crate::abi::{Fragment, FragmentKey, NextHop, NextHopCell, Port};
use crate::encapsulate::Headers;
use crate::pace::{self, Limit};
use crate::parse::{self, Parse};
use crate::steer;
use crate::tcp_state::Direction;
use crate::{
    Cell32, Cell64, Counter, Family, Forward, Frame, Next, Packet, Stop, Tables, Time, Translation, Verdict, address,
    establish, fullnat, rewrite,
};
use wire::{Ipv4, protocol};

/// Seconds for which a datagram is remembered: what the kernel waits for its pieces (net.ipv4.ipfrag_time).
const SECONDS: u32 = 30;
/// No datagram is larger.
const MOST_BYTES: usize = 65_535;

/// What stands before the bytes of a fragment that waits for its first. 48 bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Source address (IPv4 in the first word).
    pub source: [u64; 2],
    /// Destination address.
    pub destination: [u64; 2],
    /// As in its key.
    pub identification: u32,
    /// Interface it came in by.
    pub interface: u32,
    /// Length of the frame.
    pub length: u32,
    /// As in its key.
    pub protocol: u8,
    /// 1 in IPv6.
    pub six: u8,
    /// Zero.
    pub reserved: u16,
}

const _: () = assert!(size_of::<Held>() == 48);

impl Held {
    /// The key of its datagram.
    pub fn key<A: crate::Address>(&self) -> FragmentKey<A> {
        FragmentKey {
            source: A::from_words(self.source),
            destination: A::from_words(self.destination),
            identification: self.identification,
            protocol: self.protocol,
            reserved: [0; 3],
        }
    }
}

/// What one fragment says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece<A> {
    /// Its datagram.
    pub key: FragmentKey<A>,
    /// Protocol of the datagram.
    pub protocol: u8,
    /// Where in the frame something stands that differs from fragment to fragment: in IPv6 the fragment header.
    pub at: usize,
    /// Where it belongs in the datagram, in bytes.
    pub offset: usize,
    /// Length from the network header on, in bytes.
    pub bytes: u32,
    /// Hops left.
    pub hops: u8,
}

impl<A: crate::Address> Piece<A> {
    /// One not read yet; as [`Packet::unread`].
    #[inline(always)]
    pub fn unread() -> Self {
        let nowhere = A::from_words([0, 0]);
        let key =
            FragmentKey { source: nowhere, destination: nowhere, identification: 0, protocol: 0, reserved: [0; 3] };
        Self { key, protocol: 0, at: 0, offset: 0, bytes: 0, hops: 0 }
    }
}

/// The first fragment: decided about as any packet, and remembered; then it is followed itself. Or why not.
#[inline(always)]
pub fn lead<A: Parse, F: Frame, T: Tables<A>>(
    frame: &F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Next, Counter> {
    let mut packet = Packet::unread();
    parse::parse::<A, F>(frame, network, &mut packet)?;
    let mut piece = Piece::unread();
    read::<A, F>(frame, network, &mut piece)?;
    let mut forward = Forward::undecided();
    match steer::decide(&packet, frame, tables, now, &mut forward) {
        Ok(()) => {
            remember(&piece.key, &forward, tables, now);
            Ok(Next::Follow)
        }
        Err(Stop::New) => Ok(Next::Admit),
        Err(Stop::FullNat) => Ok(Next::LeadFullNat),
        Err(stop) => {
            let counter = reason(stop);
            give_up(&piece.key, counter, tables, now);
            Err(counter)
        }
    }
}

/// The verdict for a fragment whose first was led, rewritten; or that it was not.
#[inline(always)]
pub fn follow<A: Parse, F: Frame, T: Tables<A>>(
    frame: &mut F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Verdict, Next> {
    let mut piece = Piece::unread();
    if let Err(counter) = read(frame, network, &mut piece) {
        return Ok(Verdict::because(counter));
    }
    // Read before the look-up: after it the compiler reads where the frame is anew, as the verifier wants it.
    let mut packet = Packet::unread();
    if piece.offset == 0
        && let Err(counter) = parse::parse_again::<A, F>(frame, network, &mut packet)
    {
        return Ok(Verdict::because(counter));
    }
    let Some(first) = tables.fragment(&piece.key) else { return Err(Next::Hold) };
    if !is_fresh(first, now) {
        return Err(Next::Hold);
    }
    let way = first.way.get();
    if way < Fragment::TO_SERVER {
        let passed = way == Fragment::PASSED;
        return Ok(Verdict::because(if passed { Counter::PassLaterFragment } else { Counter::DropFragment }));
    }
    if piece.offset != 0 {
        let to_client = way == Fragment::TO_CLIENT || way == Fragment::TO_CLIENT_BY_FULL_NAT;
        let direction = if to_client { Direction::Output } else { Direction::Input };
        tables.account(first.server.get(), direction, piece.bytes);
    }
    if way >= Fragment::TO_SERVER_BY_FULL_NAT {
        return Ok(fullnat::follow(frame, network, (&packet, &piece), first, tables));
    }
    let mut forward = Forward::undecided();
    recall(first, way, &mut forward);
    if piece.offset == 0 {
        return Ok(rewrite::depart(frame, &packet, &forward, tables));
    }
    let (source, destination) = match forward.translation {
        Translation::Inside => {
            let headers = Headers::of_later_fragment(network, piece.at);
            return Ok(frame.encapsulate::<A, T>(headers, forward.server, tables));
        }
        Translation::Nothing => (None, None),
        Translation::Destination => (None, Some(forward.address)),
        Translation::Source => (Some(forward.address), None),
    };
    let (counter, hop) = (forward.counter, forward.hop);
    let stays = rewrite::stays(frame, &forward);
    Ok(depart(frame, network, &piece, (counter, hop, forward.mtu), stays, (source, destination)))
}

/// Reads a fragment's headers; what is nothing for us ends here.
#[inline(always)]
pub fn read<A: Parse, F: Frame>(frame: &F, network: usize, piece: &mut Piece<A>) -> Result<(), Counter> {
    A::piece(frame, network, piece)?;
    if !matches!(piece.protocol, protocol::TCP | protocol::UDP) {
        return Err(if piece.protocol == A::ICMP { Counter::PassIcmp } else { Counter::PassProtocol });
    }
    // Never a second transport header over the first one's (RFC 1858 §3), nothing beyond the longest datagram.
    let overlaps = piece.protocol == protocol::TCP && piece.offset == 8;
    let whole = frame.has(network + piece.bytes as usize);
    if overlaps || !whole || piece.offset + piece.bytes as usize > MOST_BYTES + Ipv4::LENGTH {
        return Err(Counter::DropMalformed);
    }
    Ok(())
}

/// True while the rest of its datagram may still come.
#[inline(always)]
pub fn is_fresh(first: &Fragment, now: Time) -> bool {
    now.age(first.seen.get()) <= Time::ticks(SECONDS)
}

/// True where the local stack gets all fragments of a datagram.
pub fn goes_to_the_stack(first: &Fragment) -> bool {
    let way = first.way.get();
    let by_nat = way == Fragment::TO_SERVER_BY_NAT || way == Fragment::TO_SERVER_BY_FULL_NAT;
    way == Fragment::PASSED || (by_nat && first.hop.get().index() == 0)
}

/// A fragment whose first is not there: what is to be known of it while it waits; or why it does not.
#[inline(always)]
pub fn hold<A: Parse, F: Frame, T: Tables<A>>(
    frame: &F,
    network: usize,
    tables: &T,
    now: Time,
    held: &mut Held,
) -> Result<(), Counter> {
    let mut piece = Piece::unread();
    read::<A, F>(frame, network, &mut piece)?;
    if !pace::take(tables, Limit::Sender(piece.key.source.fold()), now) {
        return Err(Counter::DropFragment);
    }
    held.source = piece.key.source.words();
    held.destination = piece.key.destination.words();
    held.identification = piece.key.identification;
    held.interface = frame.ingress();
    held.length = 0;
    held.protocol = piece.key.protocol;
    held.six = matches!(A::FAMILY, Family::Ipv6) as u8;
    held.reserved = 0;
    Ok(())
}

/// Begins the flow of a first fragment, which can then lead, or for which FullNAT finds a local port; or why not.
#[inline(always)]
pub fn admit<A: Parse, F: Frame, T: Tables<A>>(
    frame: &F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Next, Counter> {
    let mut packet = Packet::unread();
    parse::parse::<A, F>(frame, network, &mut packet)?;
    let counter = match establish::admit_first(&packet, frame, tables, now) {
        Ok(()) => return Ok(Next::Lead),
        Err(Stop::FullNat) => return Ok(Next::Bind),
        Err(stop) => reason(stop),
    };
    // Read only now: the stack of these programs is full.
    let mut piece = Piece::unread();
    if read::<A, F>(frame, network, &mut piece).is_ok() {
        give_up(&piece.key, counter, tables, now);
    }
    Err(counter)
}

/// Where the first fragment went.
#[inline(always)]
fn recall<A: Parse>(first: &Fragment, way: u32, forward: &mut Forward<A>) {
    forward.hop = first.hop.get();
    forward.address = address::load(&first.address);
    forward.port = Port(first.port.get() as u16);
    forward.mtu = first.mtu.get();
    forward.server = first.server.get();
    if way == Fragment::TO_SERVER_BY_TUNNEL {
        forward.translation = Translation::Inside;
    } else if way == Fragment::TO_CLIENT {
        (forward.counter, forward.translation) = (Counter::ForwardOut, Translation::Source);
    } else if way == Fragment::TO_SERVER_BY_NAT {
        forward.translation = Translation::Destination;
        if forward.hop.index() == 0 {
            forward.counter = Counter::PassLocalServer;
        }
    }
}

/// As [`rewrite::depart`], without a transport header. Nobody is told of an error about a later fragment (RFC 1122
/// §3.2.2).
#[inline(always)]
pub(crate) fn depart<A: Parse, F: Frame>(
    frame: &mut F,
    network: usize,
    piece: &Piece<A>,
    (counter, hop, mtu): (Counter, NextHop, u32),
    stays: bool,
    (source, destination): (Option<A>, Option<A>),
) -> Verdict {
    if !stays && piece.hops <= 1 {
        return Verdict::because(Counter::DropTimeToLive);
    }
    if mtu != 0 && !stays && frame.exceeds(piece.bytes, mtu) {
        return Verdict::because(Counter::DropTooBig);
    }
    let rewritten = A::readdress(frame, network, source, destination, !stays as u8);
    rewrite::leave(frame, network, (counter, hop), stays, rewritten)
}

/// Why a first fragment goes nowhere.
#[inline(always)]
const fn reason(stop: Stop) -> Counter {
    match stop {
        Stop::Because(counter) => counter,
        Stop::FullNat | Stop::New => Counter::DropContended,
    }
}

/// The way that a first fragment went.
#[inline(always)]
fn remember<A: Parse, T: Tables<A>>(key: &FragmentKey<A>, forward: &Forward<A>, tables: &T, now: Time) {
    let way = match forward.translation {
        Translation::Nothing => Fragment::TO_SERVER,
        Translation::Inside => Fragment::TO_SERVER_BY_TUNNEL,
        Translation::Destination => Fragment::TO_SERVER_BY_NAT,
        Translation::Source => Fragment::TO_CLIENT,
    };
    let [low, high] = forward.address.words();
    let first = Fragment {
        hop: NextHopCell::new(forward.hop),
        address: [Cell64::new(low), Cell64::new(high)],
        server: Cell32::new(forward.server),
        port: Cell32::new(forward.port.0 as u32),
        mtu: Cell32::new(forward.mtu),
        way: Cell32::new(way),
        seen: Cell32::new(now.tick()),
        ..Fragment::default()
    };
    tables.remember_fragment(key, &first);
}

/// A first fragment that went nowhere, or to the local stack.
#[inline(always)]
pub(crate) fn give_up<A: Parse, T: Tables<A>>(key: &FragmentKey<A>, counter: Counter, tables: &T, now: Time) {
    let way = if counter.is_drop() { Fragment::DROPPED } else { Fragment::PASSED };
    let first = Fragment { way: Cell32::new(way), seen: Cell32::new(now.tick()), ..Fragment::default() };
    tables.remember_fragment(key, &first);
}

#[cfg(test)]
mod tests;
