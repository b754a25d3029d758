//! Programs of a few instructions, written by hand, and the system calls they need.

pub(crate) mod instruction;
pub(crate) mod syscall;
