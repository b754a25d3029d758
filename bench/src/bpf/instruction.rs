//! The few BPF instructions that the harness and the floor are made of (linux/bpf.h, linux/bpf_common.h).

use std::os::fd::{AsRawFd, BorrowedFd};

/// One instruction of eight bytes, as bpf(2) takes it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Instruction {
    code: u8,
    /// Destination in the low half, source in the high half.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// A register. R0 to R5 need not be saved; R6 is kept by calls.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
}

/// Width of a memory access.
#[repr(u8)]
#[derive(Clone, Copy)]
pub(crate) enum Size {
    Word = 0x00,
    Half = 0x08,
    Double = 0x18,
}

/// An operation on the lower or on all bits of a register.
#[repr(u8)]
#[derive(Clone, Copy)]
pub(crate) enum Operation {
    Add = 0x00,
    Multiply = 0x20,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Xor = 0xa0,
    Move = 0xb0,
}

/// 32-bit operations, which clear the upper half.
const ALU32: u8 = 0x04;
const ALU64: u8 = 0x07;
const FROM_REGISTER: u8 = 0x08;
const LOAD: u8 = 0x61;
const STORE: u8 = 0x63;
const LOAD_WIDE: u8 = 0x18;
const JUMP_IF_NOT_GREATER: u8 = 0xbd;
const JUMP_IF_NOT: u8 = 0x55;
const JUMP_IF_GREATER: u8 = 0x2d;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const TAIL_CALL: i32 = 12;
const ADJUST_HEAD: i32 = 44;
const MAP: u8 = 1;
const MAP_VALUE: u8 = 2;

/// A program in the making.
#[derive(Default)]
pub(crate) struct Assembler {
    instructions: Vec<Instruction>,
}

impl Assembler {
    fn push(&mut self, code: u8, to: Register, from: u8, offset: i16, immediate: i32) -> &mut Self {
        self.instructions.push(Instruction { code, registers: to as u8 | from << 4, offset, immediate });
        self
    }

    pub(crate) fn load(&mut self, size: Size, to: Register, from: Register, offset: i16) -> &mut Self {
        self.push(LOAD | size as u8, to, from as u8, offset, 0)
    }

    pub(crate) fn store(&mut self, size: Size, to: Register, offset: i16, from: Register) -> &mut Self {
        self.push(STORE | size as u8, to, from as u8, offset, 0)
    }

    /// `to = to operation number`, 32 bits.
    pub(crate) fn with32(&mut self, operation: Operation, to: Register, number: u32) -> &mut Self {
        self.push(ALU32 | operation as u8, to, 0, 0, number as i32)
    }

    /// `to = to operation number`, 64 bits.
    pub(crate) fn with64(&mut self, operation: Operation, to: Register, number: i32) -> &mut Self {
        self.push(ALU64 | operation as u8, to, 0, 0, number)
    }

    /// `to = from`, 32 bits.
    pub(crate) fn copy32(&mut self, to: Register, from: Register) -> &mut Self {
        self.push(ALU32 | FROM_REGISTER | Operation::Move as u8, to, from as u8, 0, 0)
    }

    /// `to = to operation from`, 64 bits.
    pub(crate) fn between64(&mut self, operation: Operation, to: Register, from: Register) -> &mut Self {
        self.push(ALU64 | FROM_REGISTER | operation as u8, to, from as u8, 0, 0)
    }

    fn wide(&mut self, to: Register, kind: u8, low: i32, high: i32) -> &mut Self {
        self.push(LOAD_WIDE, to, kind, 0, low).push(0, Register::R0, 0, 0, high)
    }

    pub(crate) fn constant(&mut self, to: Register, number: u64) -> &mut Self {
        self.wide(to, 0, number as i32, (number >> 32) as i32)
    }

    /// Address of the value of an array with one element.
    pub(crate) fn map_value(&mut self, to: Register, map: BorrowedFd<'_>) -> &mut Self {
        self.wide(to, MAP_VALUE, map.as_raw_fd(), 0)
    }

    /// Returns `otherwise` unless the frame has `bytes` bytes; leaves its start in R2. R1 holds the context.
    pub(crate) fn need(&mut self, bytes: usize, otherwise: i32) -> &mut Self {
        use Register::{R1, R2, R3, R4};
        self.load(Size::Word, R2, R1, 0).load(Size::Word, R3, R1, 4);
        self.between64(Operation::Move, R4, R2).with64(Operation::Add, R4, bytes as i32);
        self.push(JUMP_IF_NOT_GREATER, R4, R3 as u8, 2, 0);
        self.leave(otherwise)
    }

    /// Takes `grown` bytes off the front of a frame of more than `bytes`. R1 holds the context, before and after.
    pub(crate) fn shed(&mut self, bytes: usize, grown: usize) -> &mut Self {
        use Register::{R0, R1, R2, R3, R4, R6};
        self.between64(Operation::Move, R6, R1);
        self.load(Size::Word, R2, R1, 0).load(Size::Word, R3, R1, 4);
        self.between64(Operation::Move, R4, R2).with64(Operation::Add, R4, bytes as i32 + 1);
        self.push(JUMP_IF_GREATER, R4, R3 as u8, 3, 0);
        self.with64(Operation::Move, R2, grown as i32).push(CALL, R0, 0, 0, ADJUST_HEAD);
        self.between64(Operation::Move, R1, R6)
    }

    /// Leaves out the next `count` instructions unless the register holds the number.
    pub(crate) fn skip_unless(&mut self, register: Register, number: i32, count: i16) -> &mut Self {
        self.push(JUMP_IF_NOT, register, 0, count, number)
    }

    /// Returns a number.
    pub(crate) fn leave(&mut self, number: i32) -> &mut Self {
        self.with64(Operation::Move, Register::R0, number).push(EXIT, Register::R0, 0, 0, 0)
    }

    /// Continues in the first program of an array; returns only when there is none. R1 holds the context.
    pub(crate) fn tail_call(&mut self, programs: BorrowedFd<'_>) -> &mut Self {
        self.wide(Register::R2, MAP, programs.as_raw_fd(), 0);
        self.with64(Operation::Move, Register::R3, 0).push(CALL, Register::R0, 0, 0, TAIL_CALL)
    }

    pub(crate) fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}
