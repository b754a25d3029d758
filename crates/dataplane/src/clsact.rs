//! tc before Linux 6.6: filters of ours in the clsact qdisc of an interface, known by their priority and handles. A
//! director and a real server's programs may be on one interface: whoever comes takes the handle that is free.

use crate::netlink::{NESTED, Request, attribute, find, number};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

const NEW_QDISC: u16 = libc::RTM_NEWQDISC;
const DELETE_QDISC: u16 = libc::RTM_DELQDISC;
const NEW_FILTER: u16 = libc::RTM_NEWTFILTER;
const DELETE_FILTER: u16 = libc::RTM_DELTFILTER;
const GET_FILTER: u16 = libc::RTM_GETTFILTER;
/// `TC_H_CLSACT`, parent of the qdisc
const CLSACT: u32 = 0xffff_fff1;
/// Handle of the qdisc
const QDISC: u32 = 0xffff_0000;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)` and the same for egress
const SIDES: [u32; 2] = [0xffff_fff2, 0xffff_fff3];
/// Late, so that others see frames first; "xl" in the handle.
const PRIORITY: u32 = 0xc000;
/// Those of checks see frames before what else is ours.
const PRIORITY_OF_CHECKS: u32 = 0xbfff;
const HANDLES: [u32; 2] = [0x786c, 0x786d];
/// `ETH_P_ALL`
const EVERY_PROTOCOL: u16 = 3;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
/// `TCA_BPF_FD`, `_NAME`, `_FLAGS`, `_ID`
const BPF_FD: u16 = 6;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
const BPF_ID: u16 = 11;
/// `TCA_BPF_FLAG_ACT_DIRECT`: the program's result is the action.
const DIRECT_ACTION: u32 = 1;

/// The side of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Ingress,
    Egress,
    /// A place of their own for the programs of checks.
    ChecksIn,
    ChecksOut,
}

impl Side {
    const fn parent(self) -> u32 {
        match self {
            Self::Ingress | Self::ChecksIn => SIDES[0],
            Self::Egress | Self::ChecksOut => SIDES[1],
        }
    }

    const fn priority(self) -> u32 {
        match self {
            Self::Ingress | Self::Egress => PRIORITY,
            Self::ChecksIn | Self::ChecksOut => PRIORITY_OF_CHECKS,
        }
    }
}

/// Makes the qdisc; false when there is one already.
pub(crate) fn make_qdisc(interface: u32) -> io::Result<bool> {
    let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL | libc::NLM_F_ACK;
    match send(NEW_QDISC, flags, interface, [QDISC, CLSACT, 0], &attribute(KIND, b"clsact\0")) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes the qdisc, unless filters of others are in it.
pub(crate) fn remove_qdisc(interface: u32) -> io::Result<()> {
    let others = |parent: &u32| {
        let header = header(interface, [0, *parent, 0]);
        let request = Request { kind: GET_FILTER, flags: libc::NLM_F_DUMP, header: &header, attributes: &[] };
        request.dump().is_ok_and(|filters| !filters.is_empty())
    };
    if SIDES.iter().any(others) {
        return Ok(());
    }
    send(DELETE_QDISC, libc::NLM_F_ACK, interface, [QDISC, CLSACT, 0], &attribute(KIND, b"clsact\0")).map(drop)
}

/// Puts a program into the filter that has `before`, which is replaced at once, or into a new one.
pub(crate) fn set(interface: u32, side: Side, program: BorrowedFd<'_>, before: Option<u32>) -> io::Result<()> {
    let has_it = |handle: &u32| program_of(interface, side, *handle) == before;
    let handle = HANDLES.into_iter().find(has_it).ok_or_else(|| io::Error::from_raw_os_error(libc::EEXIST))?;
    let mut options = attribute(BPF_FD, &(program.as_raw_fd() as u32).to_ne_bytes());
    options.extend(attribute(BPF_NAME, b"xlvs\0"));
    options.extend(attribute(BPF_FLAGS, &DIRECT_ACTION.to_ne_bytes()));
    let mut attributes = attribute(KIND, b"bpf\0");
    attributes.extend(attribute(OPTIONS | NESTED, &options));
    let flags = libc::NLM_F_CREATE | libc::NLM_F_REPLACE | libc::NLM_F_ACK;
    send(NEW_FILTER, flags, interface, ours(side, handle), &attributes).map(drop)
}

/// Ids of the programs in our filters.
pub(crate) fn programs(interface: u32, side: Side) -> Vec<u32> {
    HANDLES.into_iter().filter_map(|handle| program_of(interface, side, handle)).collect()
}

fn program_of(interface: u32, side: Side, handle: u32) -> Option<u32> {
    let attributes = send(GET_FILTER, 0, interface, ours(side, handle), &attribute(KIND, b"bpf\0")).ok()?;
    number(find(&attributes, OPTIONS)?, BPF_ID)
}

/// Removes the filter that has this program.
pub(crate) fn remove(interface: u32, side: Side, program: u32) -> io::Result<()> {
    let has_it = |handle: &u32| program_of(interface, side, *handle) == Some(program);
    let handle = HANDLES.into_iter().find(has_it).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
    send(DELETE_FILTER, libc::NLM_F_ACK, interface, ours(side, handle), &attribute(KIND, b"bpf\0")).map(drop)
}

/// Handle, parent and information of a filter of ours.
fn ours(side: Side, handle: u32) -> [u32; 3] {
    [handle, side.parent(), side.priority() << 16 | u32::from(EVERY_PROTOCOL.to_be())]
}

/// `struct tcmsg`: family, index, handle, parent, information.
fn header(interface: u32, rest: [u32; 3]) -> Vec<u8> {
    let words = [0, interface].into_iter().chain(rest);
    words.flat_map(u32::to_ne_bytes).collect()
}

fn send(kind: u16, flags: i32, interface: u32, rest: [u32; 3], attributes: &[u8]) -> io::Result<Vec<u8>> {
    Request { kind, flags, header: &header(interface, rest), attributes }.ask()
}
