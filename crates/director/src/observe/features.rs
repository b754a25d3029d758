//! Which interfaces take frames from XDP, as the kernel's `netdev` family tells it (since Linux 6.3).

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use std::collections::BTreeMap;
use std::io;

const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
const DONE: u16 = 3;
const ERROR: u16 = 2;
/// The family that knows the numbers of the others, its question, and the attributes for name and number.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// The question of `netdev` for all devices, and the attributes of the answers.
const GET_DEVICES: u8 = 1;
const INTERFACE: u16 = 1;
const XDP_FEATURES: u16 = 3;

/// Lengths of the headers of a message, netlink's and generic netlink's.
const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
const DATAGRAM: usize = 64 * 1024;

/// What XDP can do on an interface: bits of `enum netdev_xdp_act`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Features(pub(crate) u64);

impl Features {
    /// Programs run in the driver.
    pub(crate) const BASIC: u64 = 1;
    /// Frames can be redirected to it. A veth device has this while its peer has a program or GRO.
    pub(crate) const TARGET: u64 = 4;

    /// True when any of `bits` is there.
    pub(crate) const fn any(self, bits: u64) -> bool {
        self.0 & bits != 0
    }
}

/// The features of every interface of this network namespace; an error where the kernel does not know the question.
pub(crate) fn ask() -> io::Result<BTreeMap<u32, Features>> {
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    socket.set_non_blocking(true)?;
    let family = exchange(&socket, CONTROL, 0, GET_FAMILY, &attribute(FAMILY_NAME, b"netdev\0"))?;
    let family = family.iter().find_map(|answer| value(answer, FAMILY_ID)?.first_chunk().copied());
    let family = family.map(u16::from_ne_bytes).ok_or(io::ErrorKind::NotFound)?;
    let answers = exchange(&socket, family, DUMP, GET_DEVICES, &[])?;
    let device = |answer: &Vec<u8>| {
        let index = u32::from_ne_bytes(*value(answer, INTERFACE)?.first_chunk()?);
        let features = u64::from_ne_bytes(*value(answer, XDP_FEATURES)?.first_chunk()?);
        Some((index, Features(features)))
    };
    Ok(answers.iter().filter_map(device).collect())
}

/// Asks, and gives the attributes of each answer. The kernel answers within `sendmsg`: nothing waits here.
fn exchange(socket: &Socket, family: u16, flags: u16, command: u8, attributes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let length = (HEADER + GENERIC_HEADER + attributes.len()) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(family.to_ne_bytes());
    message.extend((REQUEST | flags).to_ne_bytes());
    message.extend([0; 8]);
    message.extend([command, 1, 0, 0]);
    message.extend(attributes);
    socket.send_to(&message, &SocketAddr::new(0, 0), 0)?;
    let mut answers = Vec::new();
    let mut datagram = Vec::with_capacity(DATAGRAM);
    loop {
        datagram.clear();
        socket.recv(&mut datagram, 0)?;
        let mut rest = datagram.as_slice();
        while let Some((kind, body, after)) = split(rest) {
            match kind {
                DONE => return Ok(answers),
                ERROR => return Err(failure(body)),
                _ => answers.push(body.get(GENERIC_HEADER..).unwrap_or_default().to_vec()),
            }
            rest = after;
        }
        if flags & DUMP == 0 {
            return Ok(answers);
        }
    }
}

/// The first message: its kind, what is in it, and what follows it.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn failure(body: &[u8]) -> io::Error {
    let code = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    io::Error::from_raw_os_error(-code)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The value of the first attribute of that kind.
fn value(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = attributes;
    loop {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_behind_others() {
        let bytes = [attribute(9, b"odd"), attribute(INTERFACE, &7_u32.to_ne_bytes())].concat();
        assert_eq!(value(&bytes, INTERFACE), Some(&7_u32.to_ne_bytes()[..]));
        assert_eq!(value(&bytes, 9), Some(&b"odd"[..]));
        assert_eq!(value(&bytes, 8), None);
        assert_eq!(value(&[1, 0, 1, 0], 1), None);
    }

    #[test]
    fn the_loopback_interface_is_told_of_where_the_kernel_knows_the_question() {
        match ask() {
            Ok(features) => assert!(features.contains_key(&1)),
            Err(error) => assert!(matches!(error.raw_os_error(), Some(libc::ENOENT) | None), "{error}"),
        }
    }
}
