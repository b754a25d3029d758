//! The network-namespace lab: one library with two faces, the demo and the tests.
//!
//! A [`Topology`] is a value. [`Lab`] builds it: namespaces, links, a client, real servers, and the real `xlvs`
//! binary as director. A [`Scenario`] sends traffic through it and says what came of it. Everything is removed when
//! the values are dropped; a test that fails leaves recordings behind.

pub mod capture;
pub mod content;
pub mod counters;
pub mod differential;
pub mod evidence;
pub mod http;
mod lab;
pub mod net;
pub mod network;
pub mod node;
pub mod pair;
pub mod referee;
pub mod scenario;
pub mod topology;
pub mod view;
pub mod work;

pub use lab::{BULK, Lab};
pub use scenario::{Bulk, Outcome, Scenario};
pub use topology::{Arms, Fabric, Family, Mode, Topology};

/// Whether this process may make namespaces.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
