//! The answer to `-L -c`: connections, page by page. A page is a few slices of the tables, so that a full table keeps
//! nobody waiting: other requests are answered between two pages.

use crate::director::{Director, refusal};
use crate::observe::Network;
use crate::plane::Plane;
use api::{ConnectionView, ConnectionsPage, ConnectionsPlace, ConnectionsRequest, Refusal};
use dataplane::{ConnectionEntry, ConnectionsCursor};
use forward::TcpState;

/// Slices that are looked at for a page: some ten milliseconds.
const SLICES: usize = 8;
/// Connections after which a page ends: two megabytes of answer.
const PAGE: usize = 8192;

impl<P: Plane, N: Network> Director<P, N> {
    /// One page of the connections.
    pub(crate) fn connections(&self, request: &ConnectionsRequest) -> Result<ConnectionsPage, Refusal> {
        let begin =
            request.from.map(|place| ConnectionsCursor { family6: place.family == 6, position: place.position });
        let mut next = Some(begin.unwrap_or_default());
        let mut connections = Vec::new();
        let enough = request.enough.map_or(PAGE, |enough| PAGE.min(enough as usize));
        for _ in 0..SLICES {
            let Some(cursor) = next.filter(|_| connections.len() < enough) else { break };
            let slice = self.plane.connections(cursor).map_err(|error| refusal(&error))?;
            next = slice.next;
            let views = slice.connections.iter().map(view);
            connections.extend(views.filter(|connection| request.filter.matches(connection)));
        }
        let place = |cursor: ConnectionsCursor| ConnectionsPlace {
            family: if cursor.family6 { 6 } else { 4 },
            position: cursor.position,
        };
        Ok(ConnectionsPage { connections, next: next.map(place) })
    }
}

fn view(entry: &ConnectionEntry) -> ConnectionView {
    ConnectionView {
        protocol: entry.protocol,
        state: entry.state.map_or("UDP", TcpState::name).to_owned(),
        expires: entry.expires,
        client: entry.client,
        service: entry.service,
        server: entry.server,
    }
}
