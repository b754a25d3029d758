//! Programs run over a frame that arrived nowhere.

use super::{bpf, command, number};
use std::io;
use std::os::fd::BorrowedFd;

#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    result: u32,
    input_length: u32,
    output_length: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration: u32,
    context_input_length: u32,
    context_output_length: u32,
    context_input: u64,
    context_output: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

/// What a program made of a frame.
pub(crate) struct TestResult {
    pub(crate) result: u32,
    pub(crate) frame: Vec<u8>,
}

/// Runs an XDP program once over `frame`, as if it had come in by `interface` (0: by the loopback interface).
pub(crate) fn test_run(program: BorrowedFd<'_>, frame: &[u8], interface: u32) -> io::Result<TestResult> {
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
    let context = [0_u32, frame.len() as u32, 0, interface, 0, 0];
    run(program, frame, if interface == 0 { &[] } else { &context })
}

/// Runs a tc program once over `frame`, as if it had come in by `interface`.
pub(crate) fn test_run_tc(program: BorrowedFd<'_>, frame: &[u8], interface: u32) -> io::Result<TestResult> {
    // The first words of struct __sk_buff, the last two of them ingress_ifindex and ifindex.
    let context = [0, 0, 0, 0, 0, 0, 0, 0, 0, interface, interface];
    run(program, frame, &context)
}

/// Runs an XDP program over `frame`, and carries out what it decides: what it passes, the stack receives.
pub(crate) fn receive(program: BorrowedFd<'_>, frame: &[u8], interface: u32) -> io::Result<()> {
    /// BPF_F_TEST_XDP_LIVE_FRAMES
    const LIVE_FRAMES: u32 = 1 << 1;
    let context = [0_u32, frame.len() as u32, 0, interface, 0, 0];
    let mut attributes = TestRun {
        program: number(program),
        input_length: frame.len() as u32,
        input: frame.as_ptr() as u64,
        repeat: 1,
        context_input_length: size_of_val(&context) as u32,
        context_input: context.as_ptr() as u64,
        flags: LIVE_FRAMES,
        ..TestRun::default()
    };
    bpf(command::TEST_RUN, &mut attributes).map(drop)
}

fn run(program: BorrowedFd<'_>, frame: &[u8], context: &[u32]) -> io::Result<TestResult> {
    const ROOM: usize = 256;
    let mut output = vec![0_u8; frame.len() + ROOM];
    let mut attributes = TestRun {
        program: number(program),
        input_length: frame.len() as u32,
        output_length: output.len() as u32,
        input: frame.as_ptr() as u64,
        output: output.as_mut_ptr() as u64,
        repeat: 1,
        context_input_length: size_of_val(context) as u32,
        context_input: if context.is_empty() { 0 } else { context.as_ptr() as u64 },
        ..TestRun::default()
    };
    bpf(command::TEST_RUN, &mut attributes)?;
    output.truncate(attributes.output_length as usize);
    Ok(TestResult { result: attributes.result, frame: output })
}
