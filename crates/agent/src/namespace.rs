//! Which network namespace this is.
#![expect(unsafe_code, reason = "a socket option that no safe wrapper has")]

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// A number that no other network namespace has while the machine runs.
pub(crate) fn cookie() -> io::Result<u64> {
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

#[cfg(test)]
mod tests {
    #[test]
    fn a_namespace_has_one_cookie() {
        let cookie = super::cookie().unwrap();
        assert!(cookie > 0);
        assert_eq!(super::cookie().unwrap(), cookie);
    }
}
