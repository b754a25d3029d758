//! Where the packets of a health check go that takes the way of a service's clients.

use crate::{Cell32, Cell64};

/// Under the check's own address, port and protocol; IPv4 addresses in the first words. 72 bytes.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Passage {
    /// The time after which it does not count any more: whoever made it may be gone.
    pub until: Cell64,
    /// The server, as the check's socket knows it.
    pub server: [Cell64; 2],
    /// The virtual address, as the server knows it.
    pub virtual_address: [Cell64; 2],
    /// Outer source of a tunnel.
    pub source: [Cell64; 2],
    /// [`super::Outer`] as a word; 0 without a tunnel.
    pub outer: Cell32,
    /// Port of server and service in network order, in the lower half.
    pub port: Cell32,
    /// Not 0 once a packet has gone this way.
    pub sent: Cell32,
    /// Not 0 once one has come back.
    pub answered: Cell32,
}
