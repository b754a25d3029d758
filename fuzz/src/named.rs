//! Clients that a director names to a real server: in an option of TCP, and in one of IP for datagrams.

use arbitrary::{Arbitrary, Unstructured};
use forward::agent::host::{HostServer, Memory, changed};
use forward::agent::uoa::{Fate, incoming, outgoing};
use forward::agent::{Bytes, Client, toa};
use forward::host::{packet, verify};
use std::net::IpAddr;
use wire::Be16;

const NETWORK: usize = 14;
const KINDS: [u8; 2] = [254, 253];

#[derive(Arbitrary, Debug)]
struct Input {
    header: Vec<u8>,
    length: u8,
    six: bool,
    trusted: bool,
    named: bool,
    client: u128,
    port: u16,
    payload: Vec<u8>,
    edits: Vec<(u16, u8)>,
    cut: Option<u16>,
}

pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let length = usize::from(input.length % 61);
    assert_eq!(toa::find(&input.header, length, KINDS), named_first(&input.header, length), "{:02x?}", input.header);
    datagram(&input);
}

/// The same by another way: the options as a list.
fn named_first(header: &[u8], length: usize) -> Option<Client> {
    // The program reads what is there; a header that ends before its length names only what is before its end.
    let mut at = 20;
    loop {
        let kind = *header.get(at).filter(|kind| **kind != 0 && at < length)?;
        if kind == 1 {
            at += 1;
            continue;
        }
        let size = usize::from(*header.get(at + 1)?);
        if size < 2 || at + size > length {
            return None;
        }
        let words = match (kind, size) {
            (254, 8) => 1,
            (253, 20) => 4,
            _ => {
                at += size;
                continue;
            }
        };
        let option = header.get(at..at + size)?;
        let mut address = [0; 4];
        for (word, bytes) in address.iter_mut().zip(option[4..].as_chunks::<4>().0) {
            *word = u32::from_ne_bytes(*bytes);
        }
        let port = u16::from_ne_bytes([option[2], option[3]]);
        return Some(Client { address, port, family: if words == 1 { 4 } else { 6 } });
    }
}

/// Director, server, and a stranger.
fn hosts(six: bool) -> [IpAddr; 3] {
    let hosts = if six { ["fd00::1", "fd00::11", "fd00::99"] } else { ["10.0.0.1", "10.0.0.11", "10.0.0.99"] };
    hosts.map(|text| text.parse().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)))
}

fn datagram(input: &Input) {
    let [director, server, stranger] = hosts(input.six);
    let told = HostServer { directors: [director].into(), ..HostServer::default() };
    let mut frame = build(input, if input.trusted { director } else { stranger }, server);
    for (place, byte) in &input.edits {
        let place = usize::from(*place) % frame.len();
        frame[place] = *byte;
    }
    frame.truncate(input.cut.map_or(frame.len(), usize::from));
    let is_whole = input.edits.is_empty() && input.cut.is_none();
    let memory = Memory::default();
    let Some(ether_type) = frame.read::<Be16>(NETWORK - 2) else { return };
    let Fate::Change(change) = incoming(&frame, ether_type, NETWORK, 3, &told, &memory) else {
        assert!(!(is_whole && input.trusted && input.named), "a whole datagram of a director is shown as its client's");
        return;
    };
    assert!(!is_whole || input.trusted, "a stranger is believed");
    let shown = changed(&frame, &change, true);
    assert_eq!(shown.len() + change.cut, frame.len());
    if verify::defect(&frame).is_none() {
        assert_eq!(verify::defect(&shown), None, "what was valid is");
    }
    if is_whole {
        answered(&shown, input.six, director, &memory);
    }
}

/// What a program answers to the client that it was shown goes back to the director.
fn answered(shown: &[u8], six: bool, director: IpAddr, memory: &Memory) {
    let (at, size) = if six { (NETWORK + 8, 16) } else { (NETWORK + 12, 4) };
    let (transport, mut answer) = (at + 2 * size, shown.to_vec());
    answer[at..at + size].copy_from_slice(&shown[at + size..at + 2 * size]);
    answer[at + size..at + 2 * size].copy_from_slice(&shown[at..at + size]);
    answer[transport..transport + 2].copy_from_slice(&shown[transport + 2..transport + 4]);
    answer[transport + 2..transport + 4].copy_from_slice(&shown[transport..transport + 2]);
    assert_eq!(verify::defect(&answer), None, "sums do not depend on the order");
    let ether_type = answer.read::<Be16>(NETWORK - 2).unwrap_or_default();
    let Fate::Change(change) = outgoing(&answer, ether_type, NETWORK, memory) else { panic!("no way back") };
    let back = changed(&answer, &change, false);
    assert_eq!(verify::defect(&back), None, "an answer on its way back");
    let destination = &back[at + size..at + 2 * size];
    match director {
        IpAddr::V4(address) => assert_eq!(destination, address.octets()),
        IpAddr::V6(address) => assert_eq!(destination, address.octets()),
    }
    assert_eq!((change.interface, &back[transport + 2..transport + 4]), (3, &20_000_u16.to_be_bytes()[..]));
}

/// A datagram with the option, or without.
fn build(input: &Input, from: IpAddr, server: IpAddr) -> Vec<u8> {
    let payload = input.payload.get(..600).unwrap_or(&input.payload);
    let plain = packet::packet().ip(from, server).udp(20_000, 53).payload(payload);
    let (port, client) = (input.port.to_be_bytes(), input.client.to_be_bytes());
    if !input.named {
        return plain.build().bytes;
    }
    if !input.six {
        let option = [&[31, 8][..], &port, &client[..4]].concat();
        let with = packet::packet().ip(from, server).options(&option).udp(20_000, 53).payload(payload);
        return with.build().bytes;
    }
    let mut bytes = plain.build().bytes;
    let header = [&[17, 2, 0x1e, 0x12][..], &port, &client, &[1, 0]].concat();
    bytes.splice(NETWORK + 40..NETWORK + 40, header);
    let length = (bytes.len() - NETWORK - 40) as u16;
    bytes[NETWORK + 4..NETWORK + 6].copy_from_slice(&length.to_be_bytes());
    bytes[NETWORK + 6] = 60;
    bytes
}
