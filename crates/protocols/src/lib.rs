//! Protocols and other decisions over time, without sockets, threads or clocks: what happens is handed in with its
//! time, and what shall be done is handed out. A driver waits and acts.
#![warn(missing_docs)]

pub mod health;
pub mod machine;

pub use machine::Machine;
