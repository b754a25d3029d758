//! What runs on the hosts: web servers, an echo, the client, the director.

mod agent;
mod cgroup;
pub mod client;
mod echo;
mod nginx;
mod process;
pub mod restrain;
mod server;
mod web;
pub mod xlvs;

pub use agent::Agent;
pub use cgroup::Cgroup;
pub use client::{Client, Reuse, Tally};
pub use process::{Finished, end, finish, finish_with, wait};
pub use server::{RealServer, ServerKind, ServerPlan};
pub use xlvs::{Entry, Xlvs};

/// Port of the web servers and of the virtual service.
pub const WEB: u16 = 80;
/// Port on which nginx is told of a connection only when a request has come (TCP_DEFER_ACCEPT).
pub const DEFERRED: u16 = 82;
/// Port of the UDP echo and of its virtual service.
pub const ECHO: u16 = 7;
