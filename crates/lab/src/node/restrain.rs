//! Takes abilities away from a command before it runs, to see what it says then.
#![expect(unsafe_code, reason = "Command::pre_exec and seccomp have no safe wrapper")]

use nix::errno::Errno;
use std::os::unix::process::CommandExt;
use std::process::Command;

const LOAD_WORD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Lets a seccomp filter refuse bpf(2) with EPERM, as containers do.
pub fn refuse_bpf(command: &mut Command) {
    let operation = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // The system call's number is the first word of what the filter sees.
    let filter = [
        operation(LOAD_WORD, 0, 0, 0),
        operation(JUMP_EQUAL, 0, 1, u32::try_from(libc::SYS_bpf).unwrap_or(u32::MAX)),
        operation(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned()),
        operation(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    // SAFETY: prctl(2) is async-signal-safe, and the program it reads lives in the closure.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog { len: 4, filter: filter.as_ptr().cast_mut() };
            Errno::result(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            Errno::result(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))?;
            Ok(())
        });
    }
}
