//! Health checks: when each is made, and what follows from how it ends (keepalived's rules, keepalived.conf(5) and
//! `check_daemon`).
//!
//! A check that several servers of several services share is made once. A server takes part while all its checks
//! succeed; a service has its quorum while enough weight takes part. What the traffic of clients tells ([`Watch`]) makes
//! checks come at once, and takes a server out where the service says so and can do without it.

mod check;
mod checker;
mod passive;
mod service;
#[cfg(test)]
mod tests;

pub use check::{CheckId, CheckStatus, Outcome, Task};
pub use checker::{Checker, Follows, Input, Output};
pub use passive::{Burst, Out, Return, Sample, Watch};
pub use service::{ServerStatus, ServiceStatus, Standing};
