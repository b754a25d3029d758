//! Errors of our own: what the sender of a packet that cannot go on is told (RFC 1812 §4.3.2, RFC 4443 §2.4), as the
//! kernel tells it (`icmp_send`, `icmpv6_send`): from the virtual address, which is this node's own.
//!
//! Only packets that were parsed come here: no later fragments, no ICMP, to our own link-layer address.

use crate::abi::{Address4, Address6};
use crate::pace::{self, Limit};
use crate::{Address, Counter, Frame, Shared, Time};
use wire::number::{Byte, Bytes16};
use wire::{Be16, Be32, Checksum, Ethernet, Icmp, Ipv4, Ipv6, Vlan, protocol};

/// Bytes of a packet that are quoted: the whole message stays within 576 bytes, in IPv6 within 1280.
const MOST_QUOTED4: usize = 576 - Ipv4::LENGTH - Icmp::LENGTH;
const MOST_QUOTED6: usize = 1280 - Ipv6::LENGTH - Icmp::LENGTH;
/// Hops that our messages may take.
const HOPS: u8 = 64;

/// What to tell, as one word for a BPF function: what went wrong, and in the upper half an MTU where that is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer(u32);

impl Answer {
    /// Nothing.
    pub const NOTHING: Self = Self(0);
    /// The packet's hops were used up.
    pub const TIME_EXCEEDED: Self = Self(1);
    /// No server is eligible.
    pub const PORT_UNREACHABLE: Self = Self(2);
    /// It is larger than the MTU of its way; which is put above.
    const TOO_BIG: Self = Self(3);
    /// Kind and code were given, the code in the next byte.
    const GIVEN: u32 = 0x80;

    /// The packet is larger than the MTU of its way.
    #[inline(always)]
    pub const fn too_big(mtu: u32) -> Self {
        Self(Self::TOO_BIG.0 | Self::above(mtu))
    }

    /// What somebody else has told: kind and code of the packet's own family, and an MTU or 0.
    #[inline(always)]
    pub const fn given(kind: u8, code: u8, mtu: u32) -> Self {
        Self(Self::GIVEN | kind as u32 | (code as u32) << 8 | Self::above(mtu))
    }

    #[inline(always)]
    const fn above(mtu: u32) -> u32 {
        (if mtu > u16::MAX as u32 { u16::MAX as u32 } else { mtu }) << 16
    }

    /// True when somebody else has told it.
    #[inline(always)]
    const fn is_given(self) -> bool {
        self.0 & Self::GIVEN != 0
    }

    /// Kind and code, those given, or one of these: hops used up, nobody there, too big.
    #[inline(always)]
    const fn message(self, exceeded: (u8, u8), unreachable: (u8, u8), too_big: (u8, u8)) -> (u8, u8) {
        if self.is_given() {
            ((self.0 & (Self::GIVEN - 1)) as u8, (self.0 >> 8) as u8)
        } else if self.is(Self::TIME_EXCEEDED) {
            exceeded
        } else if self.is(Self::PORT_UNREACHABLE) {
            unreachable
        } else {
            too_big
        }
    }

    /// From the word that a BPF function was given.
    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// As one word.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.0
    }

    const fn is(self, other: Self) -> bool {
        self.0 as u8 == other.0 as u8
    }

    /// The last four bytes of the message's header, in both families: an MTU fits into its lower half.
    const fn rest(self) -> Be32 {
        Be32::new(self.0 >> 16)
    }
}

/// Makes the frame the message to its sender. False when there shall be none: then the frame is to be dropped, and
/// may have been changed.
#[inline(always)]
pub fn answer<F: Frame, T: Shared>(frame: &mut F, network: usize, answer: Answer, tables: &T, now: Time) -> bool {
    let Some(start) = frame.read::<Be16>(network) else { return false };
    let done = if start.get() >> 12 == 4 {
        answer4(frame, network, answer, tables, now)
    } else {
        answer6(frame, network, answer, tables, now)
    };
    if done.is_some() && !answer.is_given() {
        tables.count(Counter::AnswerSent);
    }
    done.is_some()
}

#[inline(always)]
fn answer4<F: Frame, T: Shared>(frame: &mut F, network: usize, answer: Answer, tables: &T, now: Time) -> Option<()> {
    let ip = frame.read::<Ipv4>(network)?;
    let sender = Address4(ip.source.bits());
    if !is_told4(sender) || !may_tell(answer, sender.fold(), tables, now) {
        return None;
    }
    let (kind, code) = answer.message(
        (Icmp::TIME_EXCEEDED, 0),
        (Icmp::UNREACHABLE, Icmp::PORT_UNREACHABLE),
        (Icmp::UNREACHABLE, Icmp::FRAGMENTATION_NEEDED),
    );
    let mut icmp = Icmp { kind, code, checksum: Be16::new(0), rest: answer.rest() };
    // A length of zero is that of more than it can say.
    let whole = ip.total_length.get().wrapping_sub(1) as usize + 1;
    let quoted = available(frame, network, whole, MOST_QUOTED4);
    frame.shorten(network + quoted)?;
    icmp.checksum = words_of(&icmp).join(frame.sum(network, quoted)?).finish();
    let mut header = Ipv4 {
        version_and_length: 0x45,
        // Precedence "internetwork control" (RFC 1812 §4.3.2.5), the rest as it came.
        traffic_class: 0xc0 | ip.traffic_class & 0x1e,
        total_length: Be16::new((Ipv4::LENGTH + Icmp::LENGTH + quoted) as u16),
        identification: Be16::new(0),
        fragment: Be16::new(0),
        time_to_live: HOPS,
        protocol: protocol::ICMP,
        checksum: Be16::new(0),
        source: ip.destination,
        destination: ip.source,
    };
    header.checksum = header.sum().finish();
    put(frame, network, header, icmp)
}

#[inline(always)]
fn answer6<F: Frame, T: Shared>(frame: &mut F, network: usize, answer: Answer, tables: &T, now: Time) -> Option<()> {
    let ip = frame.read::<Ipv6>(network)?;
    let (sender, receiver) = (Address6(ip.source.bits()), Address6(ip.destination.bits()));
    if !is_told6(sender) || !may_tell(answer, sender.fold(), tables, now) {
        return None;
    }
    let (kind, code) =
        answer.message((Icmp::TIME_EXCEEDED6, 0), (Icmp::UNREACHABLE6, Icmp::PORT_UNREACHABLE6), (Icmp::TOO_BIG6, 0));
    let mut icmp = Icmp { kind, code, checksum: Be16::new(0), rest: answer.rest() };
    let quoted = available(frame, network, Ipv6::LENGTH + ip.payload_length.get() as usize, MOST_QUOTED6);
    frame.shorten(network + quoted)?;
    let length = (Icmp::LENGTH + quoted) as u16;
    let pseudo = sender.sum().join(receiver.sum()).add16(length.to_be()).add16((protocol::ICMPV6 as u16).to_be());
    icmp.checksum = words_of(&icmp).join(pseudo).join(frame.sum(network, quoted)?).finish();
    let header = Ipv6 {
        version_and_flow: Be32::new(0x6000_0000),
        payload_length: Be16::new(length),
        next_header: protocol::ICMPV6,
        hop_limit: HOPS,
        source: ip.destination,
        destination: ip.source,
    };
    put(frame, network, header, icmp)
}

/// Bytes of the packet to quote: what was quoted by somebody else is not all there.
#[inline(always)]
fn available<F: Frame>(frame: &F, network: usize, whole: usize, most: usize) -> usize {
    let there = (frame.length() as usize).saturating_sub(network);
    whole.min(most).min(there)
}

#[inline(always)]
fn words_of(icmp: &Icmp) -> Checksum {
    Checksum::new().add16(u16::from_ne_bytes([icmp.kind, icmp.code])).add32(icmp.rest.bits())
}

/// Puts the headers before the quoted packet, and sends the frame back where it came from.
#[inline(always)]
fn put<F: Frame, H: wire::Header>(frame: &mut F, network: usize, header: H, icmp: Icmp) -> Option<()> {
    let link = frame.read::<Ethernet>(0)?;
    let tag = if network == Ethernet::LENGTH { None } else { Some(frame.read::<Vlan>(Ethernet::LENGTH)?) };
    frame.make_room(size_of::<H>() + Icmp::LENGTH)?;
    frame.write(0, Ethernet { destination: link.source, source: link.destination, ..link })?;
    if let Some(tag) = tag {
        frame.write(Ethernet::LENGTH, tag)?;
    }
    frame.write(network, header)?;
    frame.write(network + size_of::<H>(), icmp)
}

/// One host, neither nobody nor many, may be told (RFC 1122 §3.2.2).
#[inline(always)]
const fn is_told4(sender: Address4) -> bool {
    let [first, ..] = sender.0.to_ne_bytes();
    first != 0 && first != 127 && first < 224
}

#[inline(always)]
const fn is_told6(sender: Address6) -> bool {
    let [high, low] = sender.0;
    // Neither multicast nor `::` nor `::1`.
    high.to_ne_bytes()[0] != 0xff && !(high == 0 && u64::from_be(low) <= 1)
}

/// Errors are paced: all together, and each receiver's but those that path MTU discovery waits for (the kernel's
/// icmp_msgs_per_sec, icmp_ratelimit and icmp_ratemask). What somebody else tells is not: it is one for one.
#[inline(always)]
fn may_tell<T: Shared>(answer: Answer, sender: u32, tables: &T, now: Time) -> bool {
    if answer.is_given() {
        return true;
    }
    let may = if answer.is(Answer::TOO_BIG) {
        pace::take(tables, Limit::TooBig, now)
    } else {
        pace::take(tables, Limit::Receiver(sender), now) && pace::take(tables, Limit::Errors, now)
    };
    if !may {
        tables.count(Counter::AnswerLimited);
    }
    may
}

/// Sum over so many bytes of the frame, at most [`MOST_QUOTED6`].
#[inline(always)]
pub fn sum<F: Frame>(frame: &F, from: usize, bytes: usize) -> Option<Checksum> {
    let (mut sum, mut at) = (Checksum::new(), 0);
    for _ in 0..MOST_QUOTED6 / size_of::<Bytes16>() {
        if at + size_of::<Bytes16>() > bytes {
            break;
        }
        let [low, high] = frame.copy::<Bytes16>(from + at)?.bits();
        sum = sum.add64(low).add64(high);
        at += size_of::<Bytes16>();
    }
    for _ in 0..size_of::<Bytes16>() / size_of::<Be16>() {
        if at + size_of::<Be16>() > bytes {
            break;
        }
        sum = sum.add16(frame.copy::<Be16>(from + at)?.bits());
        at += size_of::<Be16>();
    }
    if at < bytes {
        sum = sum.add16(u16::from_ne_bytes([frame.copy::<Byte>(from + at)?.0, 0]));
    }
    Some(sum)
}
