//! One run of a command against the daemon: the client and the little runtime it needs.

use api::{
    CaptureRequest, Client, ClientError, ConnectionFilter, ConnectionView, ConnectionsRequest, Download, Listing,
    Refusal, Reply, Request, Response,
};
use tokio::runtime::{Builder, Runtime};

/// A client that can be asked from ordinary code.
pub(crate) struct Session {
    runtime: Runtime,
    client: Client,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The daemon could not be asked.
    Client(ClientError),
    /// The daemon says no.
    Refused(Refusal),
    /// The daemon answered something else than was asked for, or this process cannot start.
    Confused(String),
}

impl Trouble {
    /// Which request of a batch was refused, from 0.
    pub(crate) fn request(&self) -> Option<usize> {
        match self {
            Self::Refused(refusal) => refusal.request,
            _ => None,
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(error) => error.fmt(formatter),
            Self::Refused(refusal) => refusal.fmt(formatter),
            Self::Confused(what) => formatter.write_str(what),
        }
    }
}

impl Session {
    /// A session with the daemon that `$XLVS_SOCKET` or the default names.
    pub(crate) fn open() -> Result<Self, Trouble> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Trouble::Confused(format!("cannot start: {error}")))?;
        Ok(Self { runtime, client: Client::connect_default() })
    }

    /// Asks, and gives what the daemon responds.
    pub(crate) fn ask(&self, request: &Request) -> Result<Response, Trouble> {
        let reply: Reply = self.runtime.block_on(self.client.send(request)).map_err(Trouble::Client)?;
        reply.map_err(Trouble::Refused)
    }

    /// Shows the connections that match page by page, until `limit` are shown; the first page comes even if it is empty.
    pub(crate) fn connections(
        &self,
        filter: &ConnectionFilter,
        limit: Option<usize>,
        mut show: impl FnMut(&[ConnectionView]),
    ) -> Result<(), Trouble> {
        let mut request = ConnectionsRequest { filter: filter.clone(), ..ConnectionsRequest::default() };
        let mut left = limit.unwrap_or(usize::MAX);
        loop {
            request.enough = u32::try_from(left).ok();
            let Response::Connections(page) = self.ask(&Request::Connections(request.clone()))? else {
                return Err(Trouble::Confused("the daemon answered something else than connections".to_owned()));
            };
            let some = page.connections.get(..left).unwrap_or(&page.connections);
            show(some);
            left -= some.len();
            request.from = page.next;
            if left == 0 || request.from.is_none() {
                return Ok(());
            }
        }
    }

    /// Begins an answer that comes piece by piece.
    pub(crate) fn download(&self, path: &str) -> Result<Download, Trouble> {
        let begun = self.runtime.block_on(self.client.download(path)).map_err(Trouble::Client)?;
        begun.map_err(Trouble::Refused)
    }

    /// Begins a capture.
    pub(crate) fn capture(&self, request: &CaptureRequest) -> Result<Download, Trouble> {
        let begun = self.runtime.block_on(self.client.capture(request)).map_err(Trouble::Client)?;
        begun.map_err(Trouble::Refused)
    }

    /// Waits for something of a [`Download`].
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The services as they are now.
    pub(crate) fn listing(&self) -> Result<Listing, Trouble> {
        match self.ask(&Request::List)? {
            Response::Listing(listing) => Ok(listing),
            _ => Err(Trouble::Confused("the daemon answered something else than a listing".to_owned())),
        }
    }
}
