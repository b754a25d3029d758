//! Options as they come, and whom an application is shown.

use super::*;
use crate::agent::abi::KINDS;
use std::vec::Vec;

/// docs/toa.md
const TOA4: [u8; 8] = [0xfe, 8, 0x9c, 0x40, 10, 0, 0, 2];

fn header(options: &[u8]) -> Vec<u8> {
    let mut bytes = std::vec![0; FIXED];
    bytes.extend(options);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn found(options: &[u8]) -> Option<Client> {
    let header = header(options);
    find(&header, header.len(), KINDS)
}

fn client4(address: [u8; 4], port: u16) -> Client {
    Client { address: [u32::from_ne_bytes(address), 0, 0, 0], port: port.to_be(), family: 4 }
}

#[test]
fn the_option_is_found_wherever_it_stands() {
    let expected = Some(client4([10, 0, 0, 2], 40_000));
    assert_eq!(found(&TOA4), expected);
    let timestamps = [8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(found(&[&[1, 1][..], &timestamps, &TOA4].concat()), expected);
    assert_eq!(found(&[&[2, 4, 5, 180, 4, 2][..], &timestamps, &[1], &[3, 3, 7], &TOA4].concat()), expected);
    let second = [0xfe, 8, 0, 1, 9, 9, 9, 9];
    assert_eq!(found(&[TOA4, second].concat()), expected, "the first one counts");
}

#[test]
fn a_client_of_ipv6_is_found() {
    let address: [u8; 16] = core::array::from_fn(|at| at as u8 + 1);
    let option = [&[0xfd, 20, 0x12, 0x34][..], &address].concat();
    let client = found(&[&[1, 1][..], &option].concat()).unwrap();
    let words: Vec<u8> = client.address.iter().flat_map(|word| word.to_ne_bytes()).collect();
    assert_eq!((words.as_slice(), client.port.to_be(), client.family), (&address[..], 0x1234, 6));
}

#[test]
fn what_is_not_the_option_is_none() {
    for options in [
        &[][..],
        &[0, 0xfe, 8, 0x9c, 0x40, 10, 0, 0, 2],
        &[0xfe, 4, 0xf9, 0x89],
        &[0xfe, 8, 0x9c, 0x40],
        &[0xfd, 8, 0x9c, 0x40, 10, 0, 0, 2],
        &[8, 0, 0xfe, 8, 0x9c, 0x40, 10, 0, 0, 2],
        &[8, 1, 0xfe, 8, 0x9c, 0x40, 10, 0, 0, 2],
        &[8, 255],
        &[1, 1, 1, 0xfe],
    ] {
        assert_eq!(found(options), None, "{options:x?}");
    }
    let whole = header(&TOA4);
    for length in 0..whole.len() {
        assert_eq!(find(&whole[..length].to_vec(), length, KINDS), None, "cut off at {length}");
        assert_eq!(find(&whole, length, KINDS), None, "the header ends at {length}");
    }
    assert_eq!(find(&whole, whole.len(), [253, 254]), None, "other kinds");
}

#[test]
fn peers_and_shown_addresses_are_of_the_sockets_family() {
    let four = u32::from_ne_bytes([10, 0, 0, 1]);
    let mapped = [0, 0, 0xffff_u32.to_be(), four];
    assert_eq!(peer(false, four, [0; 4]), peer(true, 0, mapped));
    assert!(matches!(peer(true, four, [1, 2, 3, 4]), Address::V6(_)));
    let client = client4([192, 0, 2, 7], 80);
    assert_eq!(shown(&client, false).unwrap()[0], client.address[0]);
    assert_eq!(shown(&client, true), Some([0, 0, 0xffff_u32.to_be(), client.address[0]]));
    let six = Client { address: [1, 2, 3, 4], port: 1, family: 6 };
    assert_eq!((shown(&six, true), shown(&six, false)), (Some([1, 2, 3, 4]), None));
    assert_eq!(shown(&Client::default(), true), None);
}
