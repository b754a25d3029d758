//! The parts that networks are made of.

mod namespace;
mod netlink;
mod offload;
mod pass;
mod program;
mod tag;

pub use namespace::{Namespace, remove_of};
pub use netlink::{Device, NextHop, add_route};
pub use offload::Offload;
pub use pass::PassProgram;
pub use tag::TagPrograms;
