//! Which network namespace this is.
#![expect(unsafe_code, reason = "a socket option that no safe wrapper has")]

use crate::error::{Doing, Error};
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A number that no other network namespace has while the machine runs.
fn cookie() -> io::Result<u64> {
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let socket = UdpSocket::from(socket);
    let (mut cookie, mut length) = (0_u64, size_of::<u64>() as libc::socklen_t);
    // SAFETY: the kernel writes at most `length` bytes to a value that is as large and lives through the call.
    let result = unsafe {
        let room = (&raw mut cookie).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, room, &raw mut length)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(cookie) }
}

/// The same, by which what is kept on disk and what is pinned is told from that of other network namespaces.
pub(crate) fn known() -> Result<u64, Error> {
    cookie().doing(|| "tell this network namespace from others".to_owned())
}

/// The file that `ip netns` knows this network namespace by, if it has such a name.
pub(crate) fn name() -> Option<PathBuf> {
    let same = |path: &PathBuf| {
        let (there, here) = (std::fs::metadata(path).ok()?, std::fs::metadata("/proc/self/ns/net").ok()?);
        Some((there.dev(), there.ino()) == (here.dev(), here.ino()))
    };
    let named = std::fs::read_dir("/run/netns").ok()?.flatten().map(|entry| entry.path());
    named.into_iter().find(|path| same(path) == Some(true))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_namespace_has_one_cookie() {
        let cookie = super::cookie().unwrap();
        assert!(cookie > 0);
        assert_eq!(super::cookie().unwrap(), cookie);
    }
}
