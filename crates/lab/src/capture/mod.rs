//! Records packets with packet sockets at the ends of links (XDP traffic is invisible on the director itself).
#![expect(unsafe_code, reason = "packet sockets have no safe wrapper")]

mod frame;
mod hop;
pub mod pcap;

pub use frame::View;
pub use hop::{Flow, Hop, walk};

use crate::net::{Device, Namespace};
use anyhow::{Context, Result};
use nix::errno::Errno;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// Bytes kept of each packet: all headers of any tunnel we know.
pub const KEPT: usize = 160;
/// Bytes kept of each ICMP message: all.
const WHOLE: usize = 2048;
/// Packets kept by each tap, the newest.
const CAPACITY: usize = 20_000;

/// One recorded packet.
#[derive(Clone)]
pub struct Packet {
    /// When it was read.
    pub time: SystemTime,
    /// Sent by the device, not received.
    pub outgoing: bool,
    /// Its length on the wire.
    pub length: usize,
    /// Its first bytes.
    pub bytes: Vec<u8>,
}

/// Records what one device sends and receives until dropped.
pub struct Tap {
    device: Device,
    packets: Arc<Mutex<VecDeque<Packet>>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Tap {
    /// Begins to record.
    pub fn start(device: &Device) -> Result<Self> {
        let index = device.index()?;
        let socket = device.namespace.run(|| open(index)).with_context(|| format!("tapping {}", device.name))?;
        let packets = Arc::new(Mutex::new(VecDeque::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let (packets, stop) = (packets.clone(), stop.clone());
            move || read(&socket, &packets, &stop)
        });
        Ok(Self { device: device.clone(), packets, stop, reader: Some(reader) })
    }

    /// Where it listens.
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// The namespace it listens in.
    pub const fn namespace(&self) -> &Namespace {
        &self.device.namespace
    }

    /// What was recorded so far.
    pub fn packets(&self) -> Vec<Packet> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Forgets what was recorded so far.
    pub fn clear(&self) {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read(socket: &OwnedFd, packets: &Mutex<VecDeque<Packet>>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(packet) = receive(socket) else { continue };
        let mut packets = packets.lock().unwrap_or_else(PoisonError::into_inner);
        if packets.len() == CAPACITY {
            packets.pop_front();
        }
        packets.push_back(packet);
    }
}

fn open(index: u32) -> Result<OwnedFd> {
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
    Ok(socket)
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
    let size = libc::socklen_t::try_from(size_of::<T>())?;
    // SAFETY: `value` is the structure that `option` reads, of that size.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, std::ptr::from_ref(value).cast(), size)
    };
    Errno::result(result)?;
    Ok(())
}

fn receive(socket: &OwnedFd) -> Result<Packet> {
    let mut bytes = [0_u8; WHOLE];
    // SAFETY: sockaddr_ll is plain data; all zero is valid.
    let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut size = libc::socklen_t::try_from(size_of_val(&from))?;
    // SAFETY: buffer and address are as long as said, and outlive the call.
    let length = Errno::result(unsafe {
        let (buffer, address) = (bytes.as_mut_ptr().cast(), (&raw mut from).cast());
        libc::recvfrom(socket.as_raw_fd(), buffer, WHOLE, libc::MSG_TRUNC, address, &raw mut size)
    })?;
    let length = usize::try_from(length)?;
    let bytes = bytes.get(..length).unwrap_or(&bytes).to_vec();
    Ok(Packet { time: SystemTime::now(), outgoing: from.sll_pkttype == libc::PACKET_OUTGOING, length, bytes })
}

impl Packet {
    /// Time since the epoch.
    fn stamp(&self) -> Duration {
        self.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}
