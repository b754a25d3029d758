//! Headers, checksums, and packets from builder to parser.

use arbitrary::{Arbitrary, Unstructured};
use forward::abi::{Address4, Address6};
use forward::host::{PacketBuilder, SliceFrame, packet, verify};
use forward::parse::{self, Parse};
use forward::{Frame, Packet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::number::Bytes16;
use wire::{Be16, Be32, Checksum, Ethernet, Header, Ipv4, Ipv6, Ipv6Extension, Tcp, TcpFlags, Udp, Vlan};

#[derive(Arbitrary, Debug)]
struct Input {
    bytes: Vec<u8>,
    offset: u8,
    new: u64,
    built: Built,
}

#[derive(Arbitrary, Debug)]
struct Built {
    four: ([u8; 4], [u8; 4]),
    six: Option<([u16; 8], [u16; 8])>,
    udp: bool,
    ports: (u16, u16),
    flags: u8,
    hops: u8,
    payload: Vec<u8>,
}

pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let offset = usize::from(input.offset);
    let frame = SliceFrame { bytes: input.bytes, ingress: 1, joined: false };
    // Each header is taken apart into its numbers and put together again.
    same(&frame, offset, |h: Ethernet| Ethernet { ether_type: Be16::new(h.ether_type.get()), ..h });
    same(&frame, offset, |h: Vlan| Vlan { control: Be16::new(h.control.get()), ..h });
    same(&frame, offset, |h: Ipv4| Ipv4 {
        total_length: Be16::new(h.total_length.get()),
        source: Be32::new(h.source.get()),
        destination: Be32::from_bits(h.destination.bits()),
        ..h
    });
    same(&frame, offset, |h: Ipv6| Ipv6 { source: Bytes16::from_bits(h.source.bits()), ..h });
    same(&frame, offset, |h: Ipv6Extension| Ipv6Extension { rest: Be32::new(h.rest.get()), ..h });
    same(&frame, offset, |h: Tcp| Tcp { flags: TcpFlags(h.flags.0), sequence: Be32::new(h.sequence.get()), ..h });
    same(&frame, offset, |h: Udp| Udp { length: Be16::new(h.length.get()), ..h });
    updates_like_a_fresh_sum(&frame.bytes, offset, input.new);
    is_parsed_as_built(&input.built);
}

/// A header read, rebuilt and written leaves every byte as it was.
fn same<H: Header>(frame: &SliceFrame, offset: usize, rebuild: impl Fn(H) -> H) {
    let Some(header) = frame.read::<H>(offset) else {
        assert!(frame.bytes.len() < offset + size_of::<H>(), "a header that is there is not read");
        return;
    };
    let mut copy = frame.clone();
    assert_eq!(copy.write(offset, rebuild(header)), Some(()), "what can be read can be written");
    assert_eq!(copy.bytes, frame.bytes, "a header of {} bytes", size_of::<H>());
}

fn updates_like_a_fresh_sum(bytes: &[u8], offset: usize, new: u64) {
    let even = offset & !1;
    let Some(old) = bytes.get(even..even + 8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) else { return };
    let mut changed = bytes.to_vec();
    changed.splice(even..even + 8, new.to_ne_bytes());
    let before = Checksum::new().add_bytes(bytes).finish();
    let after = Checksum::new().remove64(u64::from_ne_bytes(old)).add64(new).update(before);
    let fresh = Checksum::new().add_bytes(&changed).finish();
    // +0 and -0 are the same number.
    assert!(after == fresh || after.bits() ^ fresh.bits() == 0xffff, "updated {after:?}, fresh {fresh:?}");
}

fn is_parsed_as_built(built: &Built) {
    let (from, to) = built.addresses();
    let frame = built.packet(from, to).build();
    let defect = verify::defect(&frame.bytes).filter(|_| built.hops > 0);
    assert_eq!(defect, None, "a built packet");
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => built.check::<Address4>(&frame, from.into(), to.into()),
        (IpAddr::V6(from), IpAddr::V6(to)) => built.check::<Address6>(&frame, from.into(), to.into()),
        _ => {}
    }
}

impl Built {
    fn addresses(&self) -> (IpAddr, IpAddr) {
        match self.six {
            Some((from, to)) => (Ipv6Addr::from(from).into(), Ipv6Addr::from(to).into()),
            None => (Ipv4Addr::from(self.four.0).into(), Ipv4Addr::from(self.four.1).into()),
        }
    }

    fn packet(&self, from: IpAddr, to: IpAddr) -> PacketBuilder {
        let packet = packet().ip(from, to).hops(self.hops).payload(&self.payload);
        if self.udp {
            packet.udp(self.ports.0, self.ports.1)
        } else {
            packet.tcp(self.ports.0, self.ports.1).flags(self.flags)
        }
    }

    fn check<A: Parse + PartialEq + std::fmt::Debug>(&self, frame: &SliceFrame, from: A, to: A) {
        let mut packet = Packet::<A>::unread();
        let parsed = parse::parse(frame, Ethernet::LENGTH, &mut packet);
        assert_eq!(parsed, Ok(()), "a built packet");
        let flow = packet.flow;
        assert_eq!((flow.source, flow.destination), (from, to));
        assert_eq!((flow.source_port.get(), flow.destination_port.get()), self.ports);
        assert_eq!(packet.bytes as usize, frame.bytes.len() - Ethernet::LENGTH);
        assert_eq!((packet.hops, packet.fragment), (self.hops, false));
        assert_eq!(packet.flags.0, if self.udp { 0 } else { self.flags });
    }
}
