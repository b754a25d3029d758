//! A process killed at a chosen place: before or after the system calls that change something outside of it.
#![expect(unsafe_code, reason = "ptrace")]

use anyhow::{Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Killed {
    /// It was killed where it should be.
    InTime,
    /// It ended before it came so far.
    NotInTime,
}

/// System calls that change something.
const CHANGES: [libc::c_long; 13] = [
    libc::SYS_write,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_fsync,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_bpf,
];

/// `struct ptrace_syscall_info`, as far as it is read.
#[repr(C)]
#[derive(Default)]
struct Call {
    stop: u8,
    padding: [u8; 3],
    architecture: u32,
    pointers: [u64; 2],
    number: u64,
    arguments: [u64; 6],
}

/// Runs a command until it is about to make, or has just made, its change number `kill / 2`; then kills it.
pub(crate) fn run_and_kill(mut command: Command, kill: usize) -> Result<Killed> {
    const GET_SYSCALL_INFO: libc::c_uint = 0x420e;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: one system call between fork and exec.
    unsafe {
        command.pre_exec(|| Errno::result(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0)).map(drop).map_err(Into::into));
    }
    let mut child = command.spawn()?;
    let process = Pid::from_raw(i32::try_from(child.id())?);
    let ask = |request: libc::c_uint, address: usize, data: usize| {
        // SAFETY: the child is ours and stopped; what is passed are numbers, or a structure of this function.
        Errno::result(unsafe { libc::ptrace(request, process.as_raw(), address, data) })
    };
    ensure!(matches!(waitpid(process, None)?, WaitStatus::Stopped(..)), "the child did not stop at exec");
    ask(libc::PTRACE_SETOPTIONS, 0, usize::try_from(libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL)?)?;
    let (mut seen, mut changing, mut signal) = (0, false, 0);
    // Far more than such a process ever makes.
    for _ in 0..1_000_000 {
        ask(libc::PTRACE_SYSCALL, 0, usize::try_from(signal)?)?;
        signal = 0;
        match waitpid(process, None)? {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Ok(Killed::NotInTime),
            WaitStatus::PtraceSyscall(_) => {
                let mut call = Call::default();
                ask(GET_SYSCALL_INFO, size_of::<Call>(), (&raw mut call) as usize)?;
                changing =
                    if call.stop == 1 { CHANGES.contains(&libc::c_long::try_from(call.number)?) } else { changing };
                if changing {
                    if seen == kill {
                        child.kill()?;
                        child.wait()?;
                        return Ok(Killed::InTime);
                    }
                    seen += 1;
                }
            }
            WaitStatus::Stopped(_, stopped) => signal = stopped as i32,
            _ => {}
        }
    }
    child.kill()?;
    bail!("it makes system calls without end")
}
