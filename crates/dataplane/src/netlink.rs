//! As much of rtnetlink as attaching needs: one request, its answers, attributes.

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// `NLA_F_NESTED`
pub(crate) const NESTED: u16 = 0x8000;
/// `struct nlmsghdr`
const MESSAGE_HEADER: usize = 16;
/// Most messages of one answer that are read.
const MOST_MESSAGES: usize = 4096;

/// One request.
pub(crate) struct Request<'a> {
    /// `RTM_*`
    pub(crate) kind: u16,
    /// `NLM_F_*` beside `NLM_F_REQUEST`.
    pub(crate) flags: i32,
    /// The fixed header of this kind of message.
    pub(crate) header: &'a [u8],
    pub(crate) attributes: &'a [u8],
}

impl Request<'_> {
    /// Sends it; gives the first message of the answer behind the fixed header.
    pub(crate) fn ask(&self) -> io::Result<Vec<u8>> {
        Ok(self.answers(1)?.into_iter().next().unwrap_or_default())
    }

    /// Sends it and reads all messages of the answer (`NLM_F_DUMP`).
    pub(crate) fn dump(&self) -> io::Result<Vec<Vec<u8>>> {
        self.answers(MOST_MESSAGES)
    }

    fn answers(&self, most: usize) -> io::Result<Vec<Vec<u8>>> {
        let socket: OwnedFd =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        send(socket.as_raw_fd(), &self.bytes(), MsgFlags::empty())?;
        let mut answers = Vec::new();
        let mut buffer = vec![0; 32 * 1024];
        while answers.len() < most {
            // The kernel answers within `send`: what is not there by now never comes.
            let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)?;
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((kind, payload, next)) = message(rest) {
                if kind == libc::NLMSG_DONE as u16 {
                    return Ok(answers);
                }
                if kind == libc::NLMSG_ERROR as u16 {
                    return refusal(payload).map_or(Ok(answers), Err);
                }
                answers.push(payload.get(self.header.len()..).unwrap_or_default().to_vec());
                rest = next;
            }
        }
        Ok(answers)
    }

    fn bytes(&self) -> Vec<u8> {
        let length = MESSAGE_HEADER + self.header.len() + self.attributes.len();
        let mut bytes = (length as u32).to_ne_bytes().to_vec();
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend((self.flags as u16 | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(self.header);
        bytes.extend(self.attributes);
        bytes
    }
}

/// Kind and payload of the first message, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let payload = bytes.get(MESSAGE_HEADER..length)?;
    Some((kind, payload, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// The error in a message of kind `NLMSG_ERROR`, unless it is 0 (an acknowledgement).
fn refusal(payload: &[u8]) -> Option<io::Error> {
    let code = payload.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))?;
    (code != 0).then(|| io::Error::from_raw_os_error(-code))
}

/// One attribute, padded.
pub(crate) fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ((payload.len() + 4) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The payload of the attribute of this kind.
pub(crate) fn find(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
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

/// The number in the attribute of this kind.
pub(crate) fn number(attributes: &[u8], kind: u16) -> Option<u32> {
    find(attributes, kind).and_then(|bytes| bytes.first_chunk()).map(|bytes| u32::from_ne_bytes(*bytes))
}
