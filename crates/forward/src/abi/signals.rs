//! What the connections of real clients tell of a server.

use crate::{Cell32, Cell64};

/// By server id, for servers that are watched ([`crate::signal`]); shared by all CPUs, since only beginnings of
/// connections are counted, as in [`super::Load`]. Marks stand for clients, which may share them; the daemon takes them
/// away as it reads them. 32 bytes.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Signals {
    /// Connections of known clients whose beginning is decided: completed, unanswered or reset.
    pub begun: Cell32,
    /// Those of them whose SYN the server left unanswered.
    pub unanswered: Cell32,
    /// Those of them that the server reset at their beginning.
    pub reset: Cell32,
    /// Zero.
    pub reserved: Cell32,
    /// Marks of clients whose connections failed.
    pub failed: Cell64,
    /// Marks of clients whose connections were completed.
    pub served: Cell64,
}
