//! Who owns the XDP hook of an interface, by rtnetlink; and taking it away from somebody, when forced.

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::syscall;

const GET_LINK: u16 = libc::RTM_GETLINK;
const SET_LINK: u16 = libc::RTM_SETLINK;
const ATTRIBUTE_XDP: u16 = 43;
const NESTED: u16 = 0x8000;
const XDP_FD: u16 = 1;
const XDP_ATTACHED: u16 = 2;
const XDP_FLAGS: u16 = 3;
const XDP_PROGRAM: u16 = 4;
const XDP_NATIVE_PROGRAM: u16 = 5;
const XDP_GENERIC_PROGRAM: u16 = 6;
const XDP_HARDWARE_PROGRAM: u16 = 7;
/// `struct nlmsghdr`
const MESSAGE_HEADER: usize = 16;
/// `struct ifinfomsg`
const LINK_HEADER: usize = 16;

/// The program on the hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    /// Id of the program.
    program: u32,
    /// `XDP_FLAGS_*_MODE` of the mode it runs in.
    mode: u32,
}

impl Owner {
    /// Who is on the hook of this interface.
    pub(crate) fn of(interface: u32) -> io::Result<Option<Self>> {
        let answer = exchange(GET_LINK, 0, interface, &[])?;
        let attributes = answer.get(MESSAGE_HEADER + LINK_HEADER..).unwrap_or_default();
        Ok(find(attributes, ATTRIBUTE_XDP).and_then(owner_in))
    }

    /// Name and number, for people.
    pub(crate) fn describe(&self) -> String {
        let facts = syscall::program_by_id(self.program).and_then(|program| syscall::program_facts(program.as_fd()));
        match facts {
            Ok(facts) if !facts.name.is_empty() => format!("program {} (id {})", facts.name, self.program),
            _ => format!("program id {}", self.program),
        }
    }

    /// True for a program with this id.
    pub(crate) fn is(&self, program: u32) -> bool {
        self.program == program
    }

    /// True when the program has this name.
    fn is_called(&self, name: &str) -> bool {
        let program = syscall::program_by_id(self.program);
        program.and_then(|program| syscall::program_facts(program.as_fd())).is_ok_and(|facts| facts.name == name)
    }

    /// Takes it off the hook.
    pub(crate) fn evict(&self, interface: u32) -> io::Result<()> {
        if let Some(link) = syscall::find_link(self.program, interface) {
            return syscall::detach_link(link.as_fd());
        }
        let mut nested = attribute(XDP_FD, &(-1_i32).to_ne_bytes());
        nested.extend(attribute(XDP_FLAGS, &self.mode.to_ne_bytes()));
        exchange(SET_LINK, libc::NLM_F_ACK as u16, interface, &attribute(ATTRIBUTE_XDP | NESTED, &nested)).map(drop)
    }
}

/// The interfaces of this network namespace whose hook runs a program with this name.
pub(crate) fn interfaces_running(name: &str) -> Vec<(String, Owner)> {
    let Ok(interfaces) = nix::net::if_::if_nameindex() else { return Vec::new() };
    let running = interfaces.iter().filter_map(|interface| {
        let owner = Owner::of(interface.index()).ok().flatten().filter(|owner| owner.is_called(name))?;
        Some((interface.name().to_string_lossy().into_owned(), owner))
    });
    running.collect()
}

fn owner_in(nested: &[u8]) -> Option<Owner> {
    const MODES: [(u16, u32); 3] =
        [(XDP_NATIVE_PROGRAM, 1 << 2), (XDP_GENERIC_PROGRAM, 1 << 1), (XDP_HARDWARE_PROGRAM, 1 << 3)];
    let number =
        |kind| find(nested, kind).and_then(|bytes| bytes.first_chunk()).map(|bytes| u32::from_ne_bytes(*bytes));
    let by_mode = MODES.iter().find_map(|(kind, mode)| number(*kind).map(|program| Owner { program, mode: *mode }));
    let attached = find(nested, XDP_ATTACHED).and_then(|bytes| bytes.first().copied()).unwrap_or_default();
    let single = || number(XDP_PROGRAM).map(|program| Owner { program, mode: 1 << if attached == 2 { 1 } else { 2 } });
    by_mode.or_else(single).filter(|owner| owner.program != 0)
}

/// One attribute, padded.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ((payload.len() + 4) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The payload of the attribute of this kind.
fn find(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    while let Some((header, _)) = attributes.split_first_chunk::<4>() {
        let [a, b, c, d] = *header;
        let length = u16::from_ne_bytes([a, b]) as usize;
        let payload = attributes.get(4..length)?;
        if u16::from_ne_bytes([c, d]) & !NESTED == kind {
            return Some(payload);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// Sends one request about an interface and returns the first answer.
fn exchange(kind: u16, flags: u16, interface: u32, attributes: &[u8]) -> io::Result<Vec<u8>> {
    let socket: OwnedFd =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    let mut message = ((MESSAGE_HEADER + LINK_HEADER + attributes.len()) as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
    message.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend([0, 0, 0, 0]);
    message.extend(interface.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(attributes);
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut answer = vec![0; 32 * 1024];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(length);
    refusal(&answer).map_or(Ok(answer), Err)
}

/// The error in an answer of kind `NLMSG_ERROR`, unless it is 0 (an acknowledgement).
fn refusal(answer: &[u8]) -> Option<io::Error> {
    let kind = answer.get(4..6)?;
    if kind != (libc::NLMSG_ERROR as u16).to_ne_bytes() {
        return None;
    }
    let code = answer.get(MESSAGE_HEADER..)?.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))?;
    (code != 0).then(|| io::Error::from_raw_os_error(-code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_owns_the_loopback_hook() {
        assert_eq!(Owner::of(1).unwrap(), None);
        assert_eq!(Owner::of(u32::MAX >> 1).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn the_owner_is_read_by_mode() {
        let mut nested = attribute(XDP_ATTACHED, &[1]);
        nested.extend(attribute(XDP_PROGRAM, &7_u32.to_ne_bytes()));
        nested.extend(attribute(XDP_NATIVE_PROGRAM, &7_u32.to_ne_bytes()));
        assert_eq!(owner_in(&nested), Some(Owner { program: 7, mode: 4 }));
        assert_eq!(owner_in(&attribute(XDP_ATTACHED, &[0])), None);
    }
}
