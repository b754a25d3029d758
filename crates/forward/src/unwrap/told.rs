//! What a client is told of an error that its tunnel met: within a family the same, in the other one what translators
//! make of it (RFC 7915 §4.2 and §5.2).

use crate::{Answer, Family};
use wire::Icmp;

/// Least MTU of a link (RFC 791, RFC 8200 §5).
const LEAST_MTU4: u32 = 68;
const LEAST_MTU6: u32 = 1280;

/// The message; `None` for what is of no use to a client. `overhead` is what the tunnel takes of a packet.
#[inline(always)]
pub(super) fn told(outer: Family, inner: Family, icmp: &Icmp, overhead: u32) -> Option<Answer> {
    let (kind, code) = match (outer, inner) {
        (Family::Ipv4, Family::Ipv4) => (icmp.kind, icmp.code),
        (Family::Ipv6, Family::Ipv6) => six_of_six(icmp.kind, icmp.code)?,
        (Family::Ipv4, Family::Ipv6) => six_of_four(icmp.kind, icmp.code)?,
        (Family::Ipv6, Family::Ipv4) => four_of_six(icmp.kind, icmp.code)?,
    };
    let (too_big, least) = match inner {
        Family::Ipv4 => (kind == Icmp::UNREACHABLE && code == Icmp::FRAGMENTATION_NEEDED, LEAST_MTU4),
        Family::Ipv6 => (kind == Icmp::TOO_BIG6, LEAST_MTU6),
    };
    if !too_big {
        return Some(Answer::given(kind, code, 0));
    }
    let mtu = match outer {
        Family::Ipv4 => icmp.rest.get() & 0xffff,
        Family::Ipv6 => icmp.rest.get(),
    };
    let left = mtu.saturating_sub(overhead);
    Some(Answer::given(kind, code, if left < least { least } else { left }))
}

/// A server that does not know of tunnels has a problem with a parameter of the outer header, the client has none.
#[inline(always)]
const fn six_of_six(kind: u8, code: u8) -> Option<(u8, u8)> {
    match kind {
        Icmp::UNREACHABLE6 | Icmp::TOO_BIG6 | Icmp::TIME_EXCEEDED6 => Some((kind, code)),
        Icmp::PARAMETER_PROBLEM6 => Some((Icmp::UNREACHABLE6, Icmp::ADDRESS_UNREACHABLE6)),
        _ => None,
    }
}

#[inline(always)]
const fn six_of_four(kind: u8, code: u8) -> Option<(u8, u8)> {
    match (kind, code) {
        (Icmp::UNREACHABLE, Icmp::FRAGMENTATION_NEEDED) => Some((Icmp::TOO_BIG6, 0)),
        (Icmp::UNREACHABLE, Icmp::PORT_UNREACHABLE) => Some((Icmp::UNREACHABLE6, Icmp::PORT_UNREACHABLE6)),
        (Icmp::UNREACHABLE, 9 | 10 | 13 | 15) => Some((Icmp::UNREACHABLE6, Icmp::PROHIBITED6)),
        (Icmp::UNREACHABLE, Icmp::PROTOCOL_UNREACHABLE) => Some((Icmp::UNREACHABLE6, Icmp::ADDRESS_UNREACHABLE6)),
        (Icmp::UNREACHABLE, _) => Some((Icmp::UNREACHABLE6, 0)),
        (Icmp::TIME_EXCEEDED, _) => Some((Icmp::TIME_EXCEEDED6, code)),
        _ => None,
    }
}

#[inline(always)]
const fn four_of_six(kind: u8, code: u8) -> Option<(u8, u8)> {
    match (kind, code) {
        (Icmp::UNREACHABLE6, Icmp::PROHIBITED6) => Some((Icmp::UNREACHABLE, Icmp::HOST_PROHIBITED)),
        (Icmp::UNREACHABLE6, Icmp::PORT_UNREACHABLE6) => Some((Icmp::UNREACHABLE, Icmp::PORT_UNREACHABLE)),
        (Icmp::UNREACHABLE6, _) => Some((Icmp::UNREACHABLE, Icmp::HOST_UNREACHABLE)),
        (Icmp::TOO_BIG6, _) => Some((Icmp::UNREACHABLE, Icmp::FRAGMENTATION_NEEDED)),
        (Icmp::TIME_EXCEEDED6, _) => Some((Icmp::TIME_EXCEEDED, code)),
        (Icmp::PARAMETER_PROBLEM6, 1) => Some((Icmp::UNREACHABLE, Icmp::PROTOCOL_UNREACHABLE)),
        _ => None,
    }
}
