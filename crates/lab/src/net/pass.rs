//! An XDP program that lets everything pass. A veth device must have one (or GRO) before frames that XDP redirects
//! or transmits at its peer arrive: without it they are lost in silence.

use super::Device;
use super::program::{Place, attach};
use anyhow::Result;
use std::os::fd::OwnedFd;

/// In the driver, and large frames may come in pieces.
const XDP: Place = Place { kind: 6, load: 1 << 5, attach: 37, flags: 1 << 2 };

/// `r0 = XDP_PASS; exit`
const INSTRUCTIONS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

/// The program on one device; detached when dropped.
pub struct PassProgram {
    _link: OwnedFd,
}

impl PassProgram {
    /// Attaches to `device` in driver mode.
    pub fn attach(device: &Device) -> Result<Self> {
        Ok(Self { _link: attach(device, XDP, &INSTRUCTIONS)? })
    }
}
