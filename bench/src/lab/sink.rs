//! The end of every way: an XDP program that counts IPv4 frames and drops them, and lets neighbour discovery pass.

use crate::bpf::instruction::{Assembler, Operation, Register, Size};
use crate::bpf::syscall;
use ::lab::net::Device;
use anyhow::{Context, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;
const ETHERNET: usize = 14;
const ETHER_TYPE: i16 = 12;
const IPV4: i32 = 0x0800_u16.to_be() as i32;

/// The program on some devices, until dropped.
pub(super) struct Sink {
    counter: OwnedFd,
    program: OwnedFd,
    links: Vec<OwnedFd>,
}

impl Sink {
    pub(super) fn new() -> Result<Self> {
        let counter = syscall::create_counter().context("creating the sink's counter")?;
        let program = assemble(counter.as_fd());
        let program = syscall::load("bench_sink", program.instructions()).context("loading the sink")?;
        Ok(Self { counter, program, links: Vec::new() })
    }

    pub(super) fn attach(&mut self, device: &Device) -> Result<()> {
        let index = device.index()?;
        let link = device.namespace.run(|| Ok(syscall::attach(self.program.as_fd(), index)?));
        self.links.push(link.with_context(|| format!("attaching the sink to {}", device.name))?);
        Ok(())
    }

    /// Frames that ended here. All devices of a sink are served on one CPU, so the counter needs no atomic addition.
    pub(super) fn count(&self) -> Result<u64> {
        syscall::read_counter(self.counter.as_fd()).context("reading the sink's counter")
    }
}

fn assemble(counter: BorrowedFd<'_>) -> Assembler {
    use Register::{R2, R4, R5};
    let mut program = Assembler::default();
    program.need(ETHERNET, XDP_PASS).load(Size::Half, R4, R2, ETHER_TYPE);
    // The address of the counter takes two instructions, `leave` two.
    program.skip_unless(R4, IPV4, 7);
    program.map_value(R5, counter).load(Size::Double, R4, R5, 0);
    program.with64(Operation::Add, R4, 1).store(Size::Double, R5, 0, R4).leave(XDP_DROP);
    program.leave(XDP_PASS);
    program
}
