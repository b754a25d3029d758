//! Tunnels that arrive at a real server: whole ones, and whatever else.

use arbitrary::{Arbitrary, Unstructured};
use forward::agent::Outcome;
use forward::agent::host::{HostServer, decapsulated};
use forward::host::{packet, verify};
use std::net::IpAddr;

const NETWORK: usize = 14;

#[derive(Arbitrary, Debug)]
struct Input {
    outer_six: bool,
    inner_six: bool,
    kind: u8,
    trusted: bool,
    served: bool,
    payload: Vec<u8>,
    /// Bytes of the whole frame that are others.
    edits: Vec<(u16, u8)>,
    cut: Option<u16>,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
}

/// Director, server, virtual address, client, and an address that is none of them.
fn hosts(six: bool) -> [IpAddr; 5] {
    if six {
        ["fd00::1", "fd00::11", "2001:db8::10", "2001:db8:1::7", "fd00::99"].map(ip)
    } else {
        ["10.0.0.1", "10.0.0.11", "203.0.113.10", "192.0.2.7", "10.0.0.99"].map(ip)
    }
}

fn told() -> HostServer {
    let [of4, of6] = [hosts(false), hosts(true)];
    HostServer { directors: [of4[0], of6[0]].into(), virtual_addresses: [of4[2], of6[2]].into() }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let (mut frame, inner) = build(&input);
    for (place, byte) in &input.edits {
        let place = usize::from(*place) % frame.len();
        frame[place] = *byte;
    }
    frame.truncate(input.cut.map_or(frame.len(), usize::from));
    let is_whole = input.edits.is_empty() && input.cut.is_none();
    let (outcome, after) = decapsulated(&frame, &told());
    let Outcome::Strip(strip) = outcome else {
        assert_eq!(after, frame, "what is not stripped is untouched");
        assert!(!is_whole || !input.trusted || !input.served, "a whole tunnel of a director is stripped: {outcome:?}");
        return;
    };
    assert!(!is_whole || input.trusted && input.served, "a tunnel of a stranger, or for others, is stripped");
    assert_eq!(after.len() + strip.bytes, frame.len());
    let version = after.get(NETWORK).map(|byte| byte >> 4);
    assert_eq!(version, Some(if strip.inner_six { 6 } else { 4 }), "what is inside is a packet");
    assert_eq!(after.get(12..14), Some(if strip.inner_six { &[0x86, 0xdd][..] } else { &[8, 0][..] }));
    if is_whole {
        assert_eq!(after.get(NETWORK..), Some(inner.as_slice()), "the packet inside is the one that was put there");
        assert_eq!(verify::defect(&after), None);
    }
}

/// A frame with a tunnel, and the packet inside.
fn build(input: &Input) -> (Vec<u8>, Vec<u8>) {
    let [.., virtual_address, client, other] = hosts(input.inner_six);
    let destination = if input.served { virtual_address } else { other };
    let payload = input.payload.get(..600).unwrap_or(&input.payload);
    let inner =
        packet::packet().ip(client, destination).udp(4000, 53).payload(payload).build().bytes[NETWORK..].to_vec();
    let next = if input.inner_six { 41 } else { 4 };
    let ether_type = if input.inner_six { [0x86, 0xdd] } else { [8, 0] };
    let (protocol, between) = match input.kind % 3 {
        0 => (next, Vec::new()),
        1 => (47, [&[0, 0][..], &ether_type].concat()),
        _ => {
            let length = (inner.len() + 12) as u16;
            let udp = [&40_000_u16.to_be_bytes()[..], &6080_u16.to_be_bytes(), &length.to_be_bytes(), &[0, 0]].concat();
            (17, [&udp[..], &[0, next, 0, 0]].concat())
        }
    };
    let [director, server, .., stranger] = hosts(input.outer_six);
    let source = if input.trusted { director } else { stranger };
    let length = (between.len() + inner.len()) as u16;
    let mut frame = packet::packet().ip(source, server).udp(1, 1).build().bytes;
    frame.truncate(NETWORK + if input.outer_six { 40 } else { 20 });
    if input.outer_six {
        frame[NETWORK + 4..NETWORK + 6].copy_from_slice(&length.to_be_bytes());
        frame[NETWORK + 6] = protocol;
    } else {
        frame[NETWORK + 2..NETWORK + 4].copy_from_slice(&(length + 20).to_be_bytes());
        frame[NETWORK + 9] = protocol;
    }
    frame.extend(between);
    frame.extend(&inner);
    (frame, inner)
}
