//! Flows by number, and how a frame changes from one to the other without any checksum changing.
//!
//! What a flow adds to one 16-bit word it takes from another word under the same checksum: the port from the first
//! half of the sequence number (UDP: of the payload), the address from the second half, and in IPv4 from the
//! identification too. So every frame of every flow is valid, and nothing need be summed up while measuring.

use wire::{Be16, Checksum};

/// Spreads numbers over addresses and ports (golden ratio, odd: no two numbers get the same).
pub(crate) const SPREAD: u32 = 0x9e37_79b1;
/// No client has port 0.
pub(crate) const NO_ZERO_PORT: u32 = 0x1_0000;

/// The two words of a client that differ from flow to flow, as they stand in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flow {
    /// The last two bytes of its address.
    pub(crate) address: u16,
    pub(crate) port: u16,
}

impl Flow {
    /// The flow with this number.
    pub(crate) const fn new(number: u32) -> Self {
        let word = number.wrapping_mul(SPREAD) | NO_ZERO_PORT;
        Self { address: word as u16, port: (word >> 16) as u16 }
    }
}

/// Where a word of the flow goes.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) offset: usize,
    pub(crate) part: Part,
    /// Inverted, to balance another field.
    pub(crate) inverted: bool,
}

/// Which word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
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

/// Which headers a frame has, and at which end of it the client stands.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) six: bool,
    pub(crate) tcp: bool,
    /// To the client, not from it.
    pub(crate) reply: bool,
}

impl Shape {
    const fn transport(self) -> usize {
        if self.six { 54 } else { 34 }
    }
}

/// The fields of a flow in a frame of this shape.
pub(crate) fn fields(shape: Shape) -> Vec<Field> {
    let field = |offset, part, inverted| Field { offset, part, inverted };
    let transport = shape.transport();
    let (source, size) = if shape.six { (36, 16) } else { (28, 4) };
    let balance = transport + if shape.tcp { 4 } else { 8 };
    let mut fields = vec![
        field(source + if shape.reply { size } else { 0 }, Part::Address, false),
        field(transport + if shape.reply { 2 } else { 0 }, Part::Port, false),
        field(balance, Part::Port, true),
        field(balance + 2, Part::Address, true),
    ];
    if !shape.six {
        fields.push(field(18, Part::Address, true));
    }
    fields
}

/// Makes a valid frame of `flow` one whose checksums hold for every flow: its balancing fields take their values, the
/// checksums above them follow.
pub(crate) fn balance(frame: &mut [u8], shape: Shape, flow: Flow) {
    let transport = shape.transport();
    let checksum = transport + if shape.tcp { 16 } else { 6 };
    for field in fields(shape).iter().filter(|field| field.inverted) {
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
pub(super) fn apply(frame: &mut [u8], shape: Shape, flow: Flow) {
    fields(shape).iter().for_each(|field| put(frame, field.offset, field.value(flow)));
}

fn word(frame: &[u8], offset: usize) -> u16 {
    frame.get(offset..offset + 2).map_or(0, |bytes| u16::from_ne_bytes([bytes[0], bytes[1]]))
}

fn put(frame: &mut [u8], offset: usize, word: u16) {
    if let Some(place) = frame.get_mut(offset..offset + 2) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
}
