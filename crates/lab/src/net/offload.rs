//! Offload switches of a device (`ethtool -K`), by the SIOCETHTOOL ioctl.
#![expect(unsafe_code, reason = "ioctl(2) takes a raw structure")]

use super::Device;
use anyhow::{Context, Result};
use std::os::fd::AsRawFd;

/// An offload that can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// Transmit checksums (`tx`); segmentation depends on it and goes off with it.
    TransmitChecksum,
    /// Generic receive offload (`gro`).
    GenericReceive,
}

impl Offload {
    /// The commands of linux/ethtool.h that read and set it.
    const fn commands(self) -> (u32, u32) {
        match self {
            Self::TransmitChecksum => (0x16, 0x17),
            Self::GenericReceive => (0x2b, 0x2c),
        }
    }
}

#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

impl Device {
    /// Switches an offload.
    pub fn set_offload(&self, offload: Offload, on: bool) -> Result<()> {
        self.ethtool(offload.commands().1, u32::from(on))
            .map(drop)
            .with_context(|| format!("{offload:?} of {}", self.name))
    }

    /// Whether an offload is on.
    pub fn offload(&self, offload: Offload) -> Result<bool> {
        Ok(self.ethtool(offload.commands().0, 0).with_context(|| format!("{offload:?} of {}", self.name))? != 0)
    }

    fn ethtool(&self, command: u32, data: u32) -> Result<u32> {
        self.namespace.run(|| {
            let socket = std::net::UdpSocket::bind(("0.0.0.0", 0))?;
            let mut value = Value { command, data };
            // SAFETY: ifreq is plain data; all zero is valid.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            for (to, from) in request.ifr_name.iter_mut().zip(self.name.bytes()) {
                *to = from.cast_signed();
            }
            request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut value).cast();
            // SAFETY: both structures outlive the call, and the command reads and writes exactly one `Value`.
            let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
            nix::errno::Errno::result(result)?;
            Ok(value.data)
        })
    }
}
