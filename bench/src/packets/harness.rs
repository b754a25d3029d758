//! The measuring harness: an XDP program that gives the frame back what the target rewrote the time before, makes it
//! another flow's, and tail-calls the target. BPF_PROG_TEST_RUN itself never restores a frame.

use super::flow::{Field, NO_ZERO_PORT, Part, SPREAD};
use crate::bpf::instruction::{Assembler, Operation, Register, Size};
use crate::bpf::syscall;
use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const XDP_ABORTED: i32 = 0;
const WORD: usize = 8;

/// Which flow follows which: `next = (number × multiplier + 1) & mask`.
#[derive(Clone, Copy)]
pub(crate) struct Sequence {
    pub(crate) multiplier: u32,
    pub(crate) mask: u32,
}

impl Sequence {
    /// One after the other, without end.
    pub(crate) const ENDLESS: Self = Self { multiplier: 1, mask: u32::MAX };

    /// All of `flows` (a power of two) once, without visible order (Hull and Dobell: every remainder once, because the
    /// multiplier is one more than a multiple of four).
    pub(crate) const fn shuffled(flows: u32) -> Self {
        Self { multiplier: 0x0019_660d, mask: flows - 1 }
    }
}

/// What is sent.
pub(crate) struct Traffic {
    /// The frame, balanced (see `flow`), of the flow with number 0.
    pub(crate) frame: Vec<u8>,
    /// Which bytes of it the target changes.
    pub(crate) rewritten: Vec<bool>,
    /// Bytes that it puts before the frame.
    pub(crate) grown: usize,
    /// How flows alternate, and the fields that tell them apart.
    pub(crate) flows: Option<(Sequence, Vec<Field>)>,
}

/// A harness program before one target.
pub(super) struct Harness {
    program: OwnedFd,
    /// The number of the next flow.
    number: OwnedFd,
    _targets: OwnedFd,
    frame: Vec<u8>,
    grown: usize,
}

/// What a run came to.
pub(super) struct Run {
    pub(super) action: u32,
    /// Of this thread's CPU time, in all.
    pub(super) nanoseconds: u64,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests look at it"))]
    pub(super) frame: Vec<u8>,
}

impl Harness {
    pub(super) fn new(traffic: &Traffic, target: BorrowedFd<'_>) -> Result<Self> {
        let number = syscall::create_map(syscall::ARRAY).context("creating the harness's state")?;
        let targets = syscall::create_map(syscall::PROGRAM_ARRAY).context("creating the harness's program array")?;
        let mut assembler = assemble(traffic, number.as_fd());
        assembler.tail_call(targets.as_fd()).leave(XDP_ABORTED);
        let program = syscall::load("bench_harness", assembler.instructions()).context("loading the harness")?;
        syscall::set(targets.as_fd(), target.as_raw_fd() as u32).context("putting the target behind the harness")?;
        Ok(Self { program, number, _targets: targets, frame: traffic.frame.clone(), grown: traffic.grown })
    }

    /// The flow that comes next.
    pub(super) fn start_at(&self, number: u32) -> Result<()> {
        syscall::set(self.number.as_fd(), number).context("setting the harness's state")
    }

    /// Sends so many packets.
    pub(super) fn run(&self, packets: u32) -> Result<Run> {
        let mut frame = vec![0; self.frame.len() + self.grown];
        let start = thread_time()?;
        let result = syscall::test_run(self.program.as_fd(), &self.frame, packets, &mut frame);
        let nanoseconds = thread_time()? - start;
        Ok(Run { action: result.context("BPF_PROG_TEST_RUN")?, nanoseconds, frame })
    }
}

fn thread_time() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("reading the thread's clock")?;
    Ok(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// A program's beginning that makes this traffic: only the words that are rewritten or differ between flows are
/// stored, whole. `number` holds the number of the next flow.
pub(crate) fn assemble(traffic: &Traffic, number: BorrowedFd<'_>) -> Assembler {
    let fields = traffic.flows.as_ref().map_or(&[][..], |(_, fields)| fields);
    let is_touched = |word: &usize| {
        let bytes = *word..word + WORD;
        bytes.clone().any(|at| traffic.rewritten.get(at) == Some(&true))
            || fields.iter().any(|field| bytes.contains(&field.offset))
    };
    let words: Vec<usize> = (0..traffic.frame.len()).step_by(WORD).filter(is_touched).collect();
    let mut program = Assembler::default();
    if traffic.grown > 0 {
        program.shed(traffic.frame.len(), traffic.grown);
    }
    program.need(words.last().map_or(0, |last| last + WORD), XDP_ABORTED);
    if let Some((sequence, _)) = &traffic.flows {
        next_flow(&mut program, number, *sequence);
    }
    for word in words {
        restore(&mut program, &traffic.frame, word, fields);
    }
    program
}

/// Leaves the two words of the next flow in R0 (`Flow::new`).
fn next_flow(program: &mut Assembler, number: BorrowedFd<'_>, sequence: Sequence) {
    use Register::{R0, R3, R5};
    program.map_value(R5, number).load(Size::Word, R0, R5, 0).copy32(R3, R0);
    program.with32(Operation::Multiply, R3, sequence.multiplier).with32(Operation::Add, R3, 1);
    program.with32(Operation::And, R3, sequence.mask).store(Size::Word, R5, 0, R3);
    program.with32(Operation::Multiply, R0, SPREAD).with32(Operation::Or, R0, NO_ZERO_PORT);
}

/// Stores one word of the frame, with the flow of R0 in the fields that lie in it.
fn restore(program: &mut Assembler, frame: &[u8], word: usize, fields: &[Field]) {
    use Register::{R0, R2, R4, R5};
    let mut bytes = [0; WORD];
    bytes.iter_mut().zip(&frame[word..]).for_each(|(to, from)| *to = *from);
    let inside: Vec<&Field> = fields.iter().filter(|field| (word..word + WORD).contains(&field.offset)).collect();
    for field in &inside {
        bytes[field.offset - word..][..2].fill(0);
    }
    program.constant(R4, u64::from_ne_bytes(bytes));
    for field in inside {
        program.copy32(R5, R0);
        match field.part {
            Part::Address => program.with32(Operation::And, R5, 0xffff),
            Part::Port => program.with32(Operation::ShiftRight, R5, 16),
        };
        if field.inverted {
            program.with32(Operation::Xor, R5, 0xffff);
        }
        program.with64(Operation::ShiftLeft, R5, shift(field.offset - word)).between64(Operation::Or, R4, R5);
    }
    program.store(Size::Double, R2, word as i16, R4);
}

/// By how many bits a half word at this byte of a word is shifted.
const fn shift(byte: usize) -> i32 {
    8 * if cfg!(target_endian = "little") { byte } else { WORD - 2 - byte } as i32
}
