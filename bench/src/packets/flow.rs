//! Flows by number, and how a frame changes from one to the other without any checksum changing.
//!
//! What a flow adds to one 16-bit word it takes from another word under the same checksum: the port from the first
//! half of the sequence number (UDP: of the payload), the address from the second half, and in IPv4 from the
//! identification too. So every frame of every flow is valid, and nothing need be summed up while measuring.

use super::network::Network;
use wire::{Be16, Checksum};

/// Spreads numbers over addresses and ports (golden ratio, odd: no two numbers get the same).
pub(super) const SPREAD: u32 = 0x9e37_79b1;
/// No client has port 0.
pub(super) const NO_ZERO_PORT: u32 = 0x1_0000;

/// The two words of a client that differ from flow to flow, as they stand in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Flow {
    /// The last two bytes of its address.
    pub(super) address: u16,
    pub(super) port: u16,
}

impl Flow {
    /// The flow with this number.
    pub(super) const fn new(number: u32) -> Self {
        let word = number.wrapping_mul(SPREAD) | NO_ZERO_PORT;
        Self { address: word as u16, port: (word >> 16) as u16 }
    }
}

/// Where a word of the flow goes.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) offset: usize,
    pub(super) part: Part,
    /// Inverted, to balance another field.
    pub(super) inverted: bool,
}

/// Which word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Address,
    Port,
}

impl Field {
    const fn value(&self, flow: Flow) -> u16 {
        let word = match self.part {
            Part::Address => flow.address,
            Part::Port => flow.port,
        };
        if self.inverted { !word } else { word }
    }
}

/// The fields of a request in this network.
pub(super) fn fields(network: &Network) -> Vec<Field> {
    let field = |offset, part, inverted| Field { offset, part, inverted };
    let (address, transport) = if network.six { (36, 54) } else { (28, 34) };
    let balance = transport + if network.is_tcp() { 4 } else { 8 };
    let mut fields = vec![
        field(address, Part::Address, false),
        field(transport, Part::Port, false),
        field(balance, Part::Port, true),
        field(balance + 2, Part::Address, true),
    ];
    if !network.six {
        fields.push(field(18, Part::Address, true));
    }
    fields
}

/// Makes a valid frame of `flow` one whose checksums hold for every flow: its balancing fields take their values, the
/// checksums above them follow.
pub(super) fn balance(frame: &mut [u8], network: &Network, flow: Flow) {
    let transport = if network.six { 54 } else { 34 };
    let checksum = transport + if network.is_tcp() { 16 } else { 6 };
    for field in fields(network).iter().filter(|field| field.inverted) {
        let over = if field.offset < transport { 24 } else { checksum };
        let old = word(frame, field.offset);
        let new = field.value(flow);
        let sum = Checksum::new().remove16(old).add16(new).update(Be16::from_bits(word(frame, over)));
        put(frame, field.offset, new);
        put(frame, over, sum.bits());
    }
}

/// Turns a balanced frame into the same frame of another flow.
#[cfg(test)]
pub(super) fn apply(frame: &mut [u8], network: &Network, flow: Flow) {
    fields(network).iter().for_each(|field| put(frame, field.offset, field.value(flow)));
}

fn word(frame: &[u8], offset: usize) -> u16 {
    frame.get(offset..offset + 2).map_or(0, |bytes| u16::from_ne_bytes([bytes[0], bytes[1]]))
}

fn put(frame: &mut [u8], offset: usize, word: u16) {
    if let Some(place) = frame.get_mut(offset..offset + 2) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
}
