//! A packet socket: frames of one device, received and sent as they are.
#![expect(unsafe_code, reason = "packet sockets have no safe wrapper")]

use super::Packet;
use anyhow::Result;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::SystemTime;

/// Bytes kept of each packet: all headers of any tunnel we know.
pub const KEPT: usize = 160;
/// Bytes kept of each ICMP message: all.
const WHOLE: usize = 2048;

/// A packet socket on one device.
pub(crate) struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens one on the device with this index, in the namespace of the calling thread.
    pub(crate) fn open(index: u32) -> Result<Self> {
        let all = u16::try_from(libc::ETH_P_ALL)?.to_be();
        // SAFETY: no pointers are passed; the descriptor is new.
        let socket = unsafe {
            let descriptor = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            OwnedFd::from_raw_fd(Errno::result(descriptor)?)
        };
        set(&socket, libc::SO_RCVTIMEO, &libc::timeval { tv_sec: 0, tv_usec: 100_000 })?;
        set(&socket, libc::SO_RCVBUFFORCE, &(8 << 20_i32))?;
        let mut keep = filter().map(|(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k });
        let program = libc::sock_fprog { len: u16::try_from(keep.len())?, filter: keep.as_mut_ptr() };
        set(&socket, libc::SO_ATTACH_FILTER, &program)?;
        set_in(libc::SOL_PACKET, &socket, libc::PACKET_AUXDATA, &1_i32)?;
        let address = libc::sockaddr_ll {
            sll_family: u16::try_from(libc::AF_PACKET)?,
            sll_protocol: all,
            sll_ifindex: i32::try_from(index)?,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let size = libc::socklen_t::try_from(size_of_val(&address))?;
        // SAFETY: the address is a whole sockaddr_ll.
        Errno::result(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) })?;
        Ok(Self(socket))
    }

    /// The next packet; an error when none comes for a while.
    pub(crate) fn receive(&self) -> Result<Packet> {
        self.take(0)
    }

    /// A packet that is there already.
    pub(crate) fn receive_now(&self) -> Option<Packet> {
        self.take(libc::MSG_DONTWAIT).ok()
    }

    /// Sends a whole frame.
    pub(crate) fn send(&self, frame: &[u8]) -> Result<()> {
        // SAFETY: the buffer is as long as said, and outlives the call.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        Errno::result(sent)?;
        Ok(())
    }

    fn take(&self, flags: libc::c_int) -> Result<Packet> {
        let mut bytes = vec![0_u8; WHOLE];
        // SAFETY: sockaddr_ll is plain data; all zero is valid.
        let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut control = Control([0; 8]);
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // SAFETY: msghdr is plain data; all zero is valid.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = libc::socklen_t::try_from(size_of_val(&from))?;
        (message.msg_control, message.msg_controllen) = ((&raw mut control).cast(), size_of_val(&control));
        // SAFETY: all buffers are as long as said, and outlive the call.
        let length =
            Errno::result(unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, libc::MSG_TRUNC | flags) })?;
        let mut length = usize::try_from(length)?;
        bytes.truncate(length);
        if let Some(tag) = tag(&message) {
            bytes.splice(TAG_AT..TAG_AT, tag);
            length += tag.len();
        }
        Ok(Packet { time: SystemTime::now(), outgoing: from.sll_pkttype == libc::PACKET_OUTGOING, length, bytes })
    }
}

/// Where a tag stands in a frame.
const TAG_AT: usize = 12;

/// Room for one control message, aligned as its header wants it.
#[repr(C)]
struct Control([u64; 8]);

/// The tag that the stack took out of a received frame.
fn tag(message: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: the kernel filled in the message, whose control buffer is still there.
    let header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    if (header.cmsg_level, header.cmsg_type) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    // SAFETY: a message of this kind carries a whole tpacket_auxdata.
    let data = unsafe { libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned() };
    let [kind, control] = [data.tp_vlan_tpid, data.tp_vlan_tci].map(u16::to_be_bytes);
    (data.tp_status & libc::TP_STATUS_VLAN_VALID != 0).then_some([kind[0], kind[1], control[0], control[1]])
}

/// How much the kernel shall copy of each packet, as instructions of a socket filter: [`KEPT`], and [`WHOLE`] of ICMP,
/// whose checksum somebody may want to see.
const fn filter() -> [(u16, u8, u8, u32); 8] {
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    [
        (LOAD_HALF, 0, 0, 12),
        (IF_EQUAL, 0, 2, libc::ETH_P_IPV6 as u32),
        (LOAD_BYTE, 0, 0, 20),
        (IF_EQUAL, 3, 2, libc::IPPROTO_ICMPV6 as u32),
        (LOAD_BYTE, 0, 0, 23),
        (IF_EQUAL, 1, 0, libc::IPPROTO_ICMP as u32),
        (RETURN, 0, 0, KEPT as u32),
        (RETURN, 0, 0, WHOLE as u32),
    ]
}

fn set<T>(socket: &OwnedFd, option: libc::c_int, value: &T) -> Result<()> {
    set_in(libc::SOL_SOCKET, socket, option, value)
}

fn set_in<T>(level: libc::c_int, socket: &OwnedFd, option: libc::c_int, value: &T) -> Result<()> {
    let size = libc::socklen_t::try_from(size_of::<T>())?;
    // SAFETY: `value` is the structure that `option` reads, of that size.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), size) };
    Errno::result(result)?;
    Ok(())
}
