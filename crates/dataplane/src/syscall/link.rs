//! Links: what attaches a program to an interface.

use super::{bpf, bpf_descriptor, command, info, number};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// What a link to an interface connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LinkFacts {
    pub(crate) program: u32,
    /// 0 once the interface is gone or the link was detached.
    pub(crate) interface: u32,
}

/// Facts about an open link; an error for what is no link to an interface.
pub(crate) fn link_facts(link: BorrowedFd<'_>) -> io::Result<LinkFacts> {
    const LINK_TYPE_XDP: u32 = 6;
    const LINK_TYPE_TCX: u32 = 11;
    let [link_type, _, program, _, interface, _] = info::<6>(link)?;
    if !matches!(link_type, LINK_TYPE_XDP | LINK_TYPE_TCX) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(LinkFacts { program, interface })
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// A place of an interface for a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attach {
    XdpNative,
    XdpGeneric,
    TcIngress,
    TcEgress,
}

impl Attach {
    /// `enum bpf_attach_type` and the flags of the link.
    const fn numbers(self) -> (u32, u32) {
        match self {
            Self::XdpNative => (37, 1 << 2),
            Self::XdpGeneric => (37, 1 << 1),
            Self::TcIngress => (46, 0),
            Self::TcEgress => (47, 0),
        }
    }
}

/// Attaches a program to a cgroup, beside whatever others there are.
pub(crate) fn create_cgroup_link(program: BorrowedFd<'_>, cgroup: BorrowedFd<'_>, kind: u32) -> io::Result<OwnedFd> {
    let mut attributes =
        LinkCreate { program: number(program), interface: number(cgroup), attach_type: kind, flags: 0 };
    bpf_descriptor(command::LINK_CREATE, &mut attributes)
}

/// Attaches a program to an interface; the attachment lives as long as the link.
pub(crate) fn create_link(program: BorrowedFd<'_>, interface: u32, attach: Attach) -> io::Result<OwnedFd> {
    let (attach_type, flags) = attach.numbers();
    let mut attributes = LinkCreate { program: number(program), interface, attach_type, flags };
    bpf_descriptor(command::LINK_CREATE, &mut attributes)
}

#[repr(C)]
#[derive(Default)]
struct ProgramsOn {
    interface: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    padding: u32,
    program_flags: u64,
    links: u64,
    link_flags: u64,
    revision: u64,
}

/// Ids of the programs that links attach to a place of an interface.
pub(crate) fn programs_on(interface: u32, attach: Attach) -> io::Result<Vec<u32>> {
    let mut programs = vec![0_u32; 64];
    let mut attributes = ProgramsOn {
        interface,
        attach_type: attach.numbers().0,
        programs: programs.as_mut_ptr() as u64,
        count: programs.len() as u32,
        ..ProgramsOn::default()
    };
    bpf(command::PROGRAMS_ON, &mut attributes)?;
    programs.truncate(attributes.count as usize);
    Ok(programs)
}

/// Puts another program behind a link, atomically.
pub(crate) fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    bpf(command::LINK_UPDATE, &mut [number(link), number(program), 0, 0]).map(drop)
}

/// Detaches a link, whoever still holds it.
pub(crate) fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    bpf(command::LINK_DETACH, &mut [number(link)]).map(drop)
}

/// The link that attaches the program with this id to this interface, if it is a link that does.
pub(crate) fn find_link(program: u32, interface: u32) -> Option<OwnedFd> {
    let mut id = 0;
    loop {
        let mut attributes = [id, 0, 0];
        bpf(command::LINK_NEXT_ID, &mut attributes).ok()?;
        id = attributes[1];
        let Ok(link) = bpf_descriptor(command::LINK_BY_ID, &mut [id, 0, 0]) else { continue };
        let facts = link_facts(std::os::fd::AsFd::as_fd(&link));
        if facts.is_ok_and(|facts| facts == LinkFacts { program, interface }) {
            return Some(link);
        }
    }
}
