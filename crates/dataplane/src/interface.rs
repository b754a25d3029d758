//! Network interfaces of the calling thread's network namespace, by ioctl: /sys may belong to another namespace.
#![expect(unsafe_code, reason = "ioctl with structures of the kernel")]

use crate::error::Error;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use wire::MacAddress;

const NAME_SIZE: usize = libc::IFNAMSIZ;
/// `ETHTOOL_GDRVINFO`
const DRIVER_INFO: u32 = 3;

/// Index of the loopback interface.
pub(crate) const LOOPBACK: u32 = 1;

/// What attaching needs to know about an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) address: MacAddress,
    pub(crate) mtu: u32,
    /// Its frames begin with an Ethernet header.
    pub(crate) is_ethernet: bool,
}

impl Link {
    /// The interface with this name.
    pub(crate) fn by_name(name: &str) -> Result<Self, Error> {
        let missing = || Error::NoInterface(name.to_owned());
        let index = index_of(name).ok_or_else(missing)?;
        let (kind, address) = hardware_address(name).map_err(|_| missing())?;
        let mtu = mtu(name).and_then(|mtu| u32::try_from(mtu).ok()).ok_or_else(missing)?;
        let is_ethernet = matches!(kind, libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK);
        Ok(Self { name: name.to_owned(), index, address, mtu, is_ethernet })
    }
}

fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a string of our own, ended by a zero.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The name of an interface.
pub(crate) fn name_of(index: u32) -> Option<String> {
    let mut name = [0_u8; NAME_SIZE];
    // SAFETY: a buffer of IFNAMSIZ bytes, as the function requires.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    let end = name.iter().position(|byte| *byte == 0)?;
    String::from_utf8(name[..end].to_vec()).ok()
}

/// `struct ifreq` with the parts used here.
#[repr(C)]
struct Request {
    name: [u8; NAME_SIZE],
    payload: Payload,
}

#[repr(C)]
#[derive(Clone, Copy)]
union Payload {
    address: (u16, [u8; 14]),
    number: i32,
    pointer: *mut DriverInfo,
    room: [u64; 3],
}

#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// Asks the kernel about an interface.
fn ask(name: &str, command: libc::c_ulong, payload: Payload) -> io::Result<Payload> {
    let mut request = Request { name: [0; NAME_SIZE], payload };
    if name.len() >= NAME_SIZE {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: plain numbers; the result is checked.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: the structure is as large as `struct ifreq` and lives through the call, as does what it points to.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), command as _, std::ptr::from_mut(&mut request)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(request.payload) }
}

/// Kind of the interface (`ARPHRD_*`) and its address.
fn hardware_address(name: &str) -> io::Result<(u16, MacAddress)> {
    let payload = ask(name, libc::SIOCGIFHWADDR as _, Payload { room: [0; 3] })?;
    // SAFETY: the kernel has filled in a `struct sockaddr`; every bit pattern is a value.
    let (kind, [a, b, c, d, e, f, ..]) = unsafe { payload.address };
    Ok((kind, MacAddress([a, b, c, d, e, f])))
}

/// Largest packet of an interface.
pub(crate) fn mtu(name: &str) -> Option<i32> {
    let payload = ask(name, libc::SIOCGIFMTU as _, Payload { room: [0; 3] }).ok()?;
    // SAFETY: the kernel has filled in the number; every bit pattern is a value.
    Some(unsafe { payload.number })
}

/// Name of the driver.
pub(crate) fn driver(name: &str) -> Option<String> {
    let mut info = DriverInfo { command: DRIVER_INFO, driver: [0; 32], rest: [0; 160] };
    ask(name, libc::SIOCETHTOOL as _, Payload { pointer: &raw mut info }).ok()?;
    let end = info.driver.iter().position(|byte| *byte == 0)?;
    String::from_utf8(info.driver[..end].to_vec()).ok()
}

const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>() && size_of::<DriverInfo>() == 196);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_known() {
        let loopback = Link::by_name("lo").unwrap();
        assert_eq!(loopback.index, 1);
        assert_eq!(name_of(1), Some(loopback.name));
        assert!(mtu("lo").is_some_and(|mtu| mtu >= 1500));
    }

    #[test]
    fn a_missing_interface_is_an_error_that_names_it() {
        assert!(Link::by_name("xlvs-none").unwrap_err().to_string().contains("xlvs-none"));
        assert!(Link::by_name("a-name-that-is-far-too-long").is_err());
        assert_eq!(driver("xlvs-none"), None);
    }
}
