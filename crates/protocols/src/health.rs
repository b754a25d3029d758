//! Health checks: when each is made, and what follows from how it ends (keepalived's rules, keepalived.conf(5) and
//! `check_daemon`).
//!
//! A check that several servers of several services share is made once. A server takes part while all its checks
//! succeed; a service has its quorum while enough weight takes part.

mod check;
mod checker;
mod service;
#[cfg(test)]
mod tests;

pub use check::{CheckId, CheckStatus, Outcome, Task};
pub use checker::{Checker, Input, Output};
pub use service::{ServerStatus, ServiceStatus, Standing};
