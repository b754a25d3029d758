//! Frames through the loaded programs: the kernel runs them over bytes of ours, nothing is sent.

use crate::error::Error;
use crate::syscall::{self, TestResult};
use std::io;
use std::os::fd::BorrowedFd;

/// Runs one XDP program over `frame` as if it had come in by `interface`.
pub(crate) fn run(program: BorrowedFd<'_>, frame: &[u8], interface: u32) -> Result<TestResult, Error> {
    syscall::test_run(program, frame, interface).map_err(|error| refusal(&error, frame, interface))
}

/// The same for a tc program.
pub(crate) fn run_tc(program: BorrowedFd<'_>, frame: &[u8], interface: u32) -> Result<TestResult, Error> {
    syscall::test_run_tc(program, frame, interface).map_err(|error| refusal(&error, frame, interface))
}

/// Runs one XDP program over `frame`, and carries out what it decides.
pub(crate) fn receive(program: BorrowedFd<'_>, frame: &[u8], interface: u32) -> Result<(), Error> {
    syscall::receive(program, frame, interface).map_err(|error| refusal(&error, frame, interface))
}

fn refusal(error: &io::Error, frame: &[u8], interface: u32) -> Error {
    let length = frame.len();
    Error::Invalid(match error.raw_os_error() {
        Some(libc::ENODEV) => format!("there is no interface with index {interface} in this network namespace"),
        Some(libc::EINVAL) => format!(
            "a frame of {length} bytes cannot come in by interface {interface}: \
             the interface has no XDP queues, or the frame is too short or too long"
        ),
        _ => format!("a frame cannot be run through the programs: {error}"),
    })
}
