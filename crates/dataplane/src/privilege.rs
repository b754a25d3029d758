//! Why the kernel refuses bpf(2): not root, a capability missing, or a seccomp filter.

use crate::error::Error;
use crate::syscall::{self, MapShape};
use nix::sys::resource::{Resource, setrlimit};
use std::io;

const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: u32 = 39;

/// Tries bpf(2) before anything is touched, and lifts the limit that kernels before 5.11 count maps against.
pub(crate) fn check() -> Result<(), Error> {
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, libc::RLIM_INFINITY, libc::RLIM_INFINITY);
    let probe = MapShape { map_type: syscall::MAP_TYPE_ARRAY, key_size: 4, value_size: 4, max_entries: 1, flags: 0 };
    let tried = syscall::create_map("xlvs_probe", probe).map(drop);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match tried {
        Err(error) => Err(Error::Refused(explain(&status, &error))),
        Ok(()) => missing(&status)
            .map_or(Ok(()), |missing| Err(Error::Refused(format!("the process lacks {missing}; {REMEDY}")))),
    }
}

const REMEDY: &str = "run xlvs as root with CAP_BPF (or CAP_SYS_ADMIN) and CAP_NET_ADMIN";

/// The number after `label` in /proc/self/status.
fn field(status: &str, label: &str, radix: u32) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(label))?;
    u64::from_str_radix(line.split_whitespace().next()?, radix).ok()
}

/// Which capabilities are missing, in words; `None` when none is.
fn missing(status: &str) -> Option<String> {
    let effective = field(status, "CapEff:", 16)?;
    let has = |capability: u32| effective >> capability & 1 == 1 || effective >> CAP_SYS_ADMIN & 1 == 1;
    let mut names = Vec::new();
    if !has(CAP_BPF) {
        names.push("CAP_BPF (and CAP_SYS_ADMIN)");
    }
    if effective >> CAP_NET_ADMIN & 1 == 0 {
        names.push("CAP_NET_ADMIN");
    }
    (!names.is_empty()).then(|| names.join(" and "))
}

/// One line for a refused bpf(2), judged by /proc/self/status.
pub(crate) fn explain(status: &str, error: &io::Error) -> String {
    let not_root = field(status, "Uid:", 10).is_some_and(|uid| uid != 0);
    let seccomp = field(status, "Seccomp:", 10).is_some_and(|mode| mode != 0);
    match (error.raw_os_error(), missing(status)) {
        (Some(libc::EPERM | libc::EACCES), Some(_)) if not_root => {
            format!("bpf(2) is refused ({error}) because xlvs does not run as root; {REMEDY}")
        }
        (Some(libc::EPERM | libc::EACCES), Some(missing)) => {
            format!("bpf(2) is refused ({error}) because the process lacks {missing}; {REMEDY}")
        }
        (Some(libc::ENOSYS), _) | (Some(_), None) if seccomp => format!(
            "bpf(2) is refused ({error}) by a seccomp filter although the capabilities are there; \
             let the container runtime or service manager allow the system call bpf"
        ),
        (Some(libc::ENOSYS), _) => format!("bpf(2) is refused ({error}): the kernel is built without it"),
        (Some(libc::EPERM), None) => format!(
            "bpf(2) is refused ({error}) although the capabilities are there: xlvs runs in a user namespace or the \
             kernel is locked down; run it on the host"
        ),
        _ => format!("bpf(2) does not work: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(uid: u32, effective: &str, seccomp: u32, error: i32) -> String {
        let status = format!("Name:\tx\nUid:\t{uid}\t0\t0\t0\nCapEff:\t{effective}\nSeccomp:\t{seccomp}\n");
        explain(&status, &io::Error::from_raw_os_error(error))
    }

    #[test]
    fn each_reason_has_its_own_line() {
        assert!(line(1000, "0000000000000000", 0, libc::EPERM).contains("not run as root"));
        let without = format!("{:016x}", !(1_u64 << CAP_BPF | 1 << CAP_SYS_ADMIN) & 0x1ff_ffff_ffff);
        assert!(line(0, &without, 2, libc::EPERM).contains("lacks CAP_BPF"));
        assert!(line(0, "000001ffffffffff", 2, libc::EPERM).contains("seccomp"));
        assert!(line(0, "000001ffffffffff", 2, libc::ENOSYS).contains("seccomp"));
        assert!(line(0, "000001ffffffffff", 0, libc::ENOSYS).contains("built without"));
        assert!(line(0, "000001ffffffffff", 0, libc::EPERM).contains("user namespace"));
    }

    #[test]
    fn sys_admin_stands_for_bpf_but_not_for_net_admin() {
        let only_sys_admin = format!("CapEff:\t{:016x}\n", 1_u64 << CAP_SYS_ADMIN);
        assert_eq!(missing(&only_sys_admin).as_deref(), Some("CAP_NET_ADMIN"));
        let both = format!("CapEff:\t{:016x}\n", 1_u64 << CAP_SYS_ADMIN | 1 << CAP_NET_ADMIN);
        assert_eq!(missing(&both), None);
    }
}
