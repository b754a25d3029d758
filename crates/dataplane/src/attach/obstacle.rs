//! Why an interface does not take the programs in a lane, and what can be done.

use crate::error::Error;
use crate::hook::Owner;
use crate::interface::{self, Link};
use crate::lane::Why;
use model::Lane;
use std::io;

/// Why a lane cannot be had, and whether another one can do instead.
pub(super) struct Obstacle {
    error: Error,
    pub(super) why: Option<Why>,
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self { error, why: None }
    }
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Self {
        obstacle.error
    }
}

pub(super) fn is_taken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
}

/// One line that says why the interface does not take the programs in this lane, and what to do.
pub(super) fn obstacle(link: &Link, lane: Lane, error: &io::Error) -> Obstacle {
    let interface = link.name.clone();
    let driver = || interface::driver(&link.name).unwrap_or_else(|| "unknown".to_owned());
    let (reason, why) = match (error.raw_os_error(), lane) {
        (Some(libc::EBUSY | libc::EEXIST), _) => {
            let owner = Owner::of(link.index).ok().flatten().map(|owner| owner.describe());
            let owner = owner.unwrap_or_else(|| "of another owner".to_owned());
            return Error::Conflict { interface, owner }.into();
        }
        (Some(libc::EPERM), _) => ("attaching is refused; xlvs needs CAP_NET_ADMIN and CAP_BPF".to_owned(), None),
        (Some(libc::EOPNOTSUPP), Lane::Xdp) => {
            let reason = format!("its driver ({}) has no native XDP; use lane tc (or auto)", driver());
            (reason, Some(Why::NoNativeXdp))
        }
        (Some(libc::ERANGE), Lane::Xdp) => {
            let reason = format!(
                "its MTU of {} is too large for native XDP with driver {}; lower it, or use lane tc (or auto)",
                interface::mtu(&link.name).unwrap_or_default(),
                driver()
            );
            (reason, Some(Why::LargeMtu))
        }
        (Some(libc::EINVAL | libc::ENOSPC | libc::ENOMEM), Lane::Xdp) => {
            let reason = format!(
                "driver {} refuses native XDP as the interface is set up now ({error}); see the kernel log, or use lane tc",
                driver()
            );
            (reason, Some(Why::DriverRefuses))
        }
        _ => (format!("the programs cannot be attached in lane {lane}: {error}"), None),
    };
    Obstacle { error: Error::Attach { interface, reason }, why }
}
