//! Host twins of frame and tables: the forwarding path without a kernel, for tests, fuzzing, benches and simulation.

pub mod frame;
pub mod outer;
pub mod packet;
pub mod tables;
pub mod verify;
pub mod world;

pub use frame::SliceFrame;
pub use outer::Around;
pub use packet::{PacketBuilder, packet};
pub use tables::HashTables;
pub use world::{ServerSpec, World};
