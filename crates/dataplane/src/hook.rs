//! Who owns the XDP hook of an interface, by rtnetlink; and taking it away from somebody, when forced.

use crate::netlink::{NESTED, Request, attribute, find, number};
use crate::syscall;
use std::io;
use std::os::fd::AsFd;

const GET_LINK: u16 = libc::RTM_GETLINK;
const SET_LINK: u16 = libc::RTM_SETLINK;
const ATTRIBUTE_XDP: u16 = 43;
const XDP_FD: u16 = 1;
const XDP_ATTACHED: u16 = 2;
const XDP_FLAGS: u16 = 3;
const XDP_PROGRAM: u16 = 4;
const XDP_NATIVE_PROGRAM: u16 = 5;
const XDP_GENERIC_PROGRAM: u16 = 6;
const XDP_HARDWARE_PROGRAM: u16 = 7;
/// `XDP_FLAGS_SKB_MODE`
const GENERIC_MODE: u32 = 1 << 1;

/// The program on the hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    /// Id of the program.
    pub(crate) program: u32,
    /// `XDP_FLAGS_*_MODE` of the mode it runs in.
    mode: u32,
}

impl Owner {
    /// Who is on the hook of this interface.
    pub(crate) fn of(interface: u32) -> io::Result<Option<Self>> {
        let attributes = exchange(GET_LINK, 0, interface, &[])?;
        Ok(find(&attributes, ATTRIBUTE_XDP).and_then(owner_in))
    }

    /// Name and number, for people.
    pub(crate) fn describe(&self) -> String {
        describe(self.program)
    }

    /// True for XDP without the driver's help.
    pub(crate) fn is_generic(&self) -> bool {
        self.mode == GENERIC_MODE
    }

    /// Takes it off the hook.
    pub(crate) fn evict(&self, interface: u32) -> io::Result<()> {
        if let Some(link) = syscall::find_link(self.program, interface) {
            return syscall::detach_link(link.as_fd());
        }
        let mut nested = attribute(XDP_FD, &(-1_i32).to_ne_bytes());
        nested.extend(attribute(XDP_FLAGS, &self.mode.to_ne_bytes()));
        exchange(SET_LINK, libc::NLM_F_ACK, interface, &attribute(ATTRIBUTE_XDP | NESTED, &nested)).map(drop)
    }
}

/// Name and number of a program, for people.
pub(crate) fn describe(program: u32) -> String {
    match name_of(program) {
        Some(name) if !name.is_empty() => format!("program {name} (id {program})"),
        _ => format!("program id {program}"),
    }
}

/// True when the program has this name.
pub(crate) fn called(program: u32, name: &str) -> bool {
    name_of(program).is_some_and(|found| found == name)
}

fn name_of(program: u32) -> Option<String> {
    let program = syscall::program_by_id(program).ok()?;
    syscall::program_facts(program.as_fd()).ok().map(|facts| facts.name)
}

fn owner_in(nested: &[u8]) -> Option<Owner> {
    const MODES: [(u16, u32); 3] =
        [(XDP_NATIVE_PROGRAM, 1 << 2), (XDP_GENERIC_PROGRAM, GENERIC_MODE), (XDP_HARDWARE_PROGRAM, 1 << 3)];
    let by_mode =
        MODES.iter().find_map(|(kind, mode)| number(nested, *kind).map(|program| Owner { program, mode: *mode }));
    let attached = find(nested, XDP_ATTACHED).and_then(|bytes| bytes.first().copied()).unwrap_or_default();
    let single =
        || number(nested, XDP_PROGRAM).map(|program| Owner { program, mode: 1 << if attached == 2 { 1 } else { 2 } });
    by_mode.or_else(single).filter(|owner| owner.program != 0)
}

/// Sends one request about an interface and returns the attributes of the first answer.
fn exchange(kind: u16, flags: i32, interface: u32, attributes: &[u8]) -> io::Result<Vec<u8>> {
    // struct ifinfomsg
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&interface.to_ne_bytes());
    Request { kind, flags, header: &header, attributes }.ask()
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
