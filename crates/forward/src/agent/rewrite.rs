//! IP headers of datagrams whose client takes the director's place, or the other way round.

use super::joined;
use super::uoa::Change;
use wire::number::Bytes16;
use wire::{Be16, Be32, Checksum, Ipv4, Ipv6};

/// The header without the option that is cut out, and with the other address as source or destination.
#[inline(always)]
pub fn header4(header: Ipv4, change: &Change, source: bool) -> Ipv4 {
    let [before, ..] = change.before.address;
    let [after, ..] = change.after.address;
    let words = (change.cut / 4) as u8;
    let length = header.total_length.get().wrapping_sub(change.cut as u16);
    let mut changed = Ipv4 {
        version_and_length: header.version_and_length.wrapping_sub(words),
        total_length: Be16::new(length),
        ..header
    };
    if source {
        changed.source = Be32::from_bits(after);
    } else {
        changed.destination = Be32::from_bits(after);
    }
    let first = |it: &Ipv4| u16::from_ne_bytes([it.version_and_length, it.traffic_class]);
    let mut delta = Checksum::new().remove16(first(&header)).add16(first(&changed));
    delta = delta.remove16(header.total_length.bits()).add16(changed.total_length.bits());
    delta = delta.remove32(before).add32(after);
    if change.cut != 0 {
        // The option named whoever is the source now.
        delta = delta.remove16(0x1f08_u16.to_be()).remove16(change.after.port).remove32(after);
    }
    Ipv4 { checksum: delta.update(header.checksum), ..changed }
}

/// The same in IPv6.
#[inline(always)]
pub fn header6(header: Ipv6, change: &Change, source: bool) -> Ipv6 {
    let [a, b, c, d] = change.after.address;
    let after = Bytes16::from_bits([joined(a, b), joined(c, d)]);
    let length = header.payload_length.get().wrapping_sub(change.cut as u16);
    // A fragment header is no option: what it says stays before what follows it.
    let next_header = if change.cut == 0 { header.next_header } else { change.next };
    let changed = Ipv6 { payload_length: Be16::new(length), next_header, ..header };
    if source { Ipv6 { source: after, ..changed } } else { Ipv6 { destination: after, ..changed } }
}
