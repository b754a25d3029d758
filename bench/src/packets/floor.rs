//! The floor: what the harness costs with a program that swaps the MAC addresses and sends the frame back.

use crate::bpf::instruction::{Assembler, Register, Size};
use crate::bpf::syscall;
use anyhow::{Context, Result};
use std::os::fd::OwnedFd;

pub(super) const XDP_TX: u32 = 3;
const XDP_ABORTED: i32 = 0;
const MAC_ADDRESSES: usize = 12;

pub(super) fn load() -> Result<OwnedFd> {
    let mut program = Assembler::default();
    program.need(MAC_ADDRESSES, XDP_ABORTED);
    for offset in [0, 2, 4] {
        program.load(Size::Half, Register::R4, Register::R2, offset).load(
            Size::Half,
            Register::R5,
            Register::R2,
            offset + 6,
        );
        program.store(Size::Half, Register::R2, offset, Register::R5).store(
            Size::Half,
            Register::R2,
            offset + 6,
            Register::R4,
        );
    }
    program.leave(XDP_TX as i32);
    syscall::load("bench_floor", program.instructions()).context("loading the floor")
}
