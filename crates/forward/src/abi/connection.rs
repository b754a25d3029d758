//! An entry of the connection tables.

use super::NextHopCell;
use crate::{Cell32, Cell64};

/// A connection, or the reply direction of one. 64 bytes: one cache line.
///
/// NAT keeps two: the *primary* under the client's flow and the *reply* under the server's. The reply
/// carries its whole rewrite, so that a steady reply needs one lookup. So does FullNAT, whose primary carries its own
/// rewrite, too; the virtual address of its reply stands with the service ([`super::Locals`]).
#[repr(C, align(8))]
#[derive(Debug, Default, Clone)]
pub struct Connection {
    /// [`crate::connection::StateWord`].
    pub state: Cell64,
    /// Tick of the last packet ([`crate::Time::tick`]).
    pub last_seen: Cell32,
    /// Real server: index into the table of [`RealServer`]s.
    pub server: Cell32,
    /// [`Service::id`].
    pub service: Cell32,
    /// Ticks it may be silent: what its state was allowed when its last packet came. Changed settings take effect with
    /// the next packet, as in the kernel. Replies have none, their life hangs on their primary's: those of FullNAT have
    /// the shift of the client's sequence numbers here ([`crate::fullnat`]).
    pub timeout: Cell32,
    /// Reply: towards the client, learnt from the client's own frame. Primary: the same of a server
    /// behind a tunnel, for errors; else unused, the server knows its own; of FullNAT: what its handshake has shown ([`crate::fullnat::Handshake`]).
    pub hop: NextHopCell,
    /// Reply: the virtual address to show as source (IPv4 in the first word); of FullNAT: the client's. Primary of
    /// FullNAT: the local address.
    pub address: [Cell64; 2],
    /// Reply: the virtual port; of FullNAT: the client's, and the virtual port in the upper half. Primary of FullNAT:
    /// the local port.
    pub port: Cell32,
    /// Reply of FullNAT: the sequence number that the server expects of this client after its FIN. Otherwise zero; the
    /// control link of persistence will stand here in primaries.
    pub end: Cell32,
}
