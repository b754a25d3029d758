//! The network-namespace lab: one library with two faces, the demo and the tests.
//!
//! A [`Topology`] is a value. [`Lab`] builds it: namespaces, links, a client, real servers, and the real `xlvs`
//! binary as director. A [`Scenario`] sends traffic through it and says what came of it. Everything is removed when
//! the values are dropped; a test that fails leaves recordings behind.

pub mod capture;
pub mod content;
pub mod counters;
pub mod evidence;
pub mod http;
mod lab;
pub mod net;
pub mod network;
pub mod node;
pub mod pair;
pub mod scenario;
pub mod topology;
pub mod view;
pub mod work;

use std::io::Write;

pub use lab::{BULK, Lab};
pub use scenario::{Bulk, Outcome, Scenario};
pub use topology::{Arms, Fabric, Family, Mode, Topology};

/// Whether this process may make namespaces.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says that a test is left out, past the test runner, which would hide it.
pub fn skip(place: &str, why: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIP {place}::{test}: {why}");
}

/// Returns from a test, visibly, unless it runs as root.
#[macro_export]
macro_rules! root_or_skip {
    () => {
        if !$crate::is_root() {
            $crate::skip(module_path!(), "needs root");
            return;
        }
    };
}
